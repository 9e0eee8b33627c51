//go:build linux

package servers

import (
	"context"
	"net/http"

	"github.com/parley-go/parley/websocket"
)

// parleyHandler is Parley by websocket.Handler: no goroutine for a connection. A
// broadcast goes to a websocket.Set, which prepares the message once.
func parleyHandler(o Options) (http.Handler, error) {
	options := parleyOptions(o)
	echo := func(c *websocket.Conn, m websocket.Message) { c.Send(m) }
	if !o.Broadcast {
		return &websocket.Handler{Options: options, OnMessage: echo}, nil
	}
	var members websocket.Set
	mux := http.NewServeMux()
	mux.Handle("/", &websocket.Handler{
		Options:   options,
		OnOpen:    func(c *websocket.Conn, _ *http.Request) { members.Add(c) },
		OnMessage: echo,
	})
	mux.Handle(PublishPath, &websocket.Handler{
		Options:   options,
		OnMessage: func(_ *websocket.Conn, m websocket.Message) { members.Broadcast(m) },
	})
	return mux, nil
}

func parleyOptions(o Options) *websocket.AcceptOptions {
	a := &websocket.AcceptOptions{}
	if o.Deflate != "" {
		a.Compression = &websocket.Compression{ContextTakeover: o.Deflate == Takeover}
	}
	return a
}

// parleyServer is Parley by Accept and Messages: a goroutine for each connection
// in the application, as the field is used to. The handler returns, so that the
// request can be freed.
type parleyServer struct {
	accept  *websocket.AcceptOptions
	options Options
	members websocket.Set
}

func parleyAccept(o Options) (http.Handler, error) {
	return &parleyServer{accept: parleyOptions(o), options: o}, nil
}

func (s *parleyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, s.accept)
	if err != nil {
		return
	}
	switch {
	case !s.options.Broadcast:
		go s.echo(c) // ends with the connection, as the others
	case r.URL.Path == PublishPath:
		go s.publish(c)
	default:
		s.members.Add(c)
		go s.echo(c)
	}
}

func (s *parleyServer) echo(c *websocket.Conn) {
	defer c.CloseNow()
	ctx := context.Background() // that of the request ends with its handler
	for m, err := range c.Messages(ctx) {
		if err != nil || c.Write(ctx, m) != nil {
			return
		}
	}
}

func (s *parleyServer) publish(c *websocket.Conn) {
	defer c.CloseNow()
	for m, err := range c.Messages(context.Background()) {
		if err != nil {
			return
		}
		s.members.Broadcast(m)
	}
}
