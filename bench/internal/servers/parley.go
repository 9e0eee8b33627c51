//go:build linux

package servers

import (
	"context"
	"net/http"

	"github.com/parley-go/parley/websocket"
)

// parleyServer is ours by Accept and Messages: a goroutine for each connection in
// the application, as the field is used to; the handler returns.
type parleyServer struct {
	accept  websocket.AcceptOptions
	options Options
	members members[*websocket.Conn]
}

func parleyAccept(o Options) (http.Handler, error) {
	return &parleyServer{options: o}, nil
}

func (s *parleyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &s.accept)
	if err != nil {
		return
	}
	switch {
	case !s.options.Broadcast:
		go s.read(c, s.echo) // ends with the connection, as the others
	case r.URL.Path == PublishPath:
		go s.read(c, s.publish)
	default:
		s.members.add(c)
		go s.read(c, s.echo)
	}
}

func (s *parleyServer) read(c *websocket.Conn, handle func(context.Context, *websocket.Conn, websocket.Message) error) {
	defer c.CloseNow()
	defer s.members.remove(c)
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

func (s *parleyServer) publish(ctx context.Context, _ *websocket.Conn, m websocket.Message) error {
	p := []*websocket.Prepared{websocket.Prepare(m)}
	s.members.each(func(c *websocket.Conn) { c.WriteBatch(ctx, p) })
	return nil
}
