//go:build linux

package servers

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
)

// coderServer is coder/websocket on net/http. The handler returns, so that the
// request can be freed; message buffers are pooled and filled by Reader, where Read
// would allocate. The package has no prepared messages: a broadcast is one Write
// after the other.
type coderServer struct {
	accept  websocket.AcceptOptions
	options Options
	members members[*websocket.Conn]
}

func coderHandler(o Options) (http.Handler, error) {
	s := &coderServer{options: o}
	switch o.Deflate {
	case Fresh:
		s.accept.CompressionMode = websocket.CompressionNoContextTakeover
	case Takeover:
		s.accept.CompressionMode = websocket.CompressionContextTakeover
	}
	return s, nil
}

func (s *coderServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &s.accept)
	if err != nil {
		return
	}
	c.SetReadLimit(-1)
	switch {
	case !s.options.Broadcast:
		go s.read(c, s.echo) // ends with the connection, as the others
	case r.URL.Path == PublishPath:
		go s.read(c, s.publish)
	default:
		go s.read(c, s.subscribe)
	}
}

func (s *coderServer) read(c *websocket.Conn, handle func(context.Context, *websocket.Conn, websocket.MessageType, []byte) error) {
	defer c.CloseNow()
	defer s.members.remove(c)
	ctx := context.Background() // that of the request ends with its handler
	for {
		kind, r, err := c.Reader(ctx)
		if err != nil {
			return
		}
		m := messages.Get()
		if _, err := m.ReadFrom(r); err != nil {
			return
		}
		if err := handle(ctx, c, kind, m.Bytes()); err != nil {
			return
		}
		messages.Put(m)
	}
}

func (s *coderServer) echo(ctx context.Context, c *websocket.Conn, kind websocket.MessageType, data []byte) error {
	return c.Write(ctx, kind, data)
}

func (s *coderServer) subscribe(ctx context.Context, c *websocket.Conn, kind websocket.MessageType, data []byte) error {
	return s.members.join(c, func() error { return s.echo(ctx, c, kind, data) })
}

func (s *coderServer) publish(ctx context.Context, _ *websocket.Conn, kind websocket.MessageType, data []byte) error {
	s.members.each(func(c *websocket.Conn) { c.Write(ctx, kind, data) })
	return nil
}
