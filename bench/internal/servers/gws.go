//go:build linux

package servers

import (
	"net/http"

	"github.com/lxzan/gws"
)

// gwsServer is lxzan/gws as its README advises: its upgrader on net/http, ReadLoop
// on a goroutine of its own so that the request can be freed, messages handed back
// to the pool, a Broadcaster to prepare a message once. No UTF-8 check and no
// parallel handlers, which are its defaults.
type gwsServer struct {
	gws.BuiltinEventHandler
	options Options
	members members[*gws.Conn]
}

// publisher marks the session of the connection that publishes.
const publisher = "publisher"

func gwsHandler(o Options) (http.Handler, error) {
	s := &gwsServer{options: o}
	option := &gws.ServerOption{}
	if o.Deflate != "" {
		takeover := o.Deflate == Takeover // windows of 4 KiB then, by default
		option.PermessageDeflate = gws.PermessageDeflate{Enabled: true, ServerContextTakeover: takeover, ClientContextTakeover: takeover}
	}
	up := gws.NewUpgrader(s, option)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r)
		if err != nil {
			return
		}
		if r.URL.Path == PublishPath {
			c.Session().Store(publisher, true)
		}
		go c.ReadLoop() // ends with the connection
	}), nil
}

func (s *gwsServer) OnClose(c *gws.Conn, _ error) {
	s.members.remove(c)
}

func (s *gwsServer) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	echo := func() error { return c.WriteMessage(m.Opcode, m.Bytes()) }
	if !s.options.Broadcast {
		echo()
		return
	}
	if _, ok := c.Session().Load(publisher); ok {
		s.publish(m)
		return
	}
	s.members.join(c, echo)
}

func (s *gwsServer) publish(m *gws.Message) {
	b := gws.NewBroadcaster(m.Opcode, append([]byte(nil), m.Bytes()...)) // it writes when m is long gone
	defer b.Close()
	s.members.each(func(c *gws.Conn) { b.Broadcast(c) })
}
