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
	if !o.Broadcast {
		echo := func(c *websocket.Conn, m websocket.Message) { c.Send(m) }
		return &websocket.Handler{Options: options, OnMessage: echo}, nil
	}
	var members websocket.Set
	mux := http.NewServeMux()
	mux.Handle("/", &websocket.Handler{
		Options: options,
		OnMessage: func(c *websocket.Conn, m websocket.Message) {
			members.Add(c)
			c.Send(m)
		},
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
		go s.read(c, s.echo) // ends with the connection, as the others
	case r.URL.Path == PublishPath:
		go s.read(c, s.publish)
	default:
		go s.read(c, s.subscribe)
	}
}

func (s *parleyServer) read(c *websocket.Conn, handle func(context.Context, *websocket.Conn, websocket.Message) error) {
	defer c.CloseNow()
	ctx := context.Background() // that of the request ends with its handler
	for m, err := range c.Messages(ctx) {
		if err != nil || handle(ctx, c, m) != nil {
			return
		}
	}
}

func (s *parleyServer) echo(ctx context.Context, c *websocket.Conn, m websocket.Message) error {
	return c.Write(ctx, m)
}

func (s *parleyServer) subscribe(ctx context.Context, c *websocket.Conn, m websocket.Message) error {
	s.members.Add(c)
	return c.Write(ctx, m)
}

func (s *parleyServer) publish(_ context.Context, _ *websocket.Conn, m websocket.Message) error {
	s.members.Broadcast(m)
	return nil
}
