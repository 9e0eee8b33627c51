//go:build linux

package servers

import (
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// gorillaServer is gorilla/websocket as its documentation advises for many
// connections: a pool of write buffers, the read buffer of net/http reused, prepared
// messages for a broadcast. The handler returns, so that the request can be freed.
// Message buffers are pooled and filled by NextReader, where ReadMessage would
// allocate.
type gorillaServer struct {
	upgrader websocket.Upgrader
	options  Options
	members  members[*websocket.Conn]
}

func gorillaHandler(o Options) (http.Handler, error) {
	s := &gorillaServer{options: o}
	s.upgrader.WriteBufferPool = &sync.Pool{}
	s.upgrader.EnableCompression = o.Deflate != "" // takes no context over, whatever is asked
	return s, nil
}

func (s *gorillaServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := s.upgrader.Upgrade(w, r, nil)
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

func (s *gorillaServer) read(c *websocket.Conn, handle func(*websocket.Conn, int, []byte) error) {
	defer c.Close()
	defer s.members.remove(c)
	for {
		kind, r, err := c.NextReader()
		if err != nil {
			return
		}
		m := messages.Get()
		if _, err := m.ReadFrom(r); err != nil {
			return
		}
		if err := handle(c, kind, m.Bytes()); err != nil {
			return
		}
		messages.Put(m)
	}
}

func (s *gorillaServer) echo(c *websocket.Conn, kind int, data []byte) error {
	return c.WriteMessage(kind, data)
}

func (s *gorillaServer) subscribe(c *websocket.Conn, kind int, data []byte) error {
	return s.members.join(c, func() error { return s.echo(c, kind, data) })
}

func (s *gorillaServer) publish(_ *websocket.Conn, kind int, data []byte) error {
	m, err := websocket.NewPreparedMessage(kind, data)
	if err != nil {
		return err
	}
	s.members.each(func(c *websocket.Conn) { c.WritePreparedMessage(m) })
	return nil
}
