package peers

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/lxzan/gws"
)

// gwsDeflate keeps a context of what gws receives only: gws 1.8.9 adds the payloads
// of pings and pongs to that of what it sends, and then nobody understands it. As a
// server it does not look at the windows a client asks for, so they are ours.
func gwsDeflate(server bool) gws.PermessageDeflate {
	return gws.PermessageDeflate{
		Enabled:               true,
		Threshold:             1,
		ServerContextTakeover: !server,
		ClientContextTakeover: server,
		ServerMaxWindowBits:   11,
		ClientMaxWindowBits:   11,
	}
}

func dialGWS(_ context.Context, url string, e *echoer) error {
	events := &gwsEvents{e: e}
	c, answer, err := gws.NewClient(events, &gws.ClientOption{
		Addr: url, PermessageDeflate: gwsDeflate(false), CheckUtf8Enabled: true,
	})
	if err != nil {
		return err
	}
	e.Extensions = answer.Header.Get("Sec-WebSocket-Extensions")
	return events.run(c)
}

func serveGWS(w http.ResponseWriter, r *http.Request, e *echoer) error {
	events := &gwsEvents{e: e}
	upgrader := gws.NewUpgrader(events, &gws.ServerOption{PermessageDeflate: gwsDeflate(true), CheckUtf8Enabled: true})
	c, err := upgrader.Upgrade(w, r)
	if err != nil {
		return err
	}
	return events.run(c)
}

// gwsEvents are called by the goroutine in run.
type gwsEvents struct {
	gws.BuiltinEventHandler
	e   *echoer
	err error
}

func (g *gwsEvents) run(c *gws.Conn) error {
	g.e.ping = func() error { return c.WritePing([]byte("ping")) }
	g.e.close = func(code int, reason string) error {
		err := c.WriteClose(uint16(code), []byte(reason))
		g.e.closed(code, "") // gws ends at once and does not read the answer
		return err
	}
	g.e.write = func(text, fragments bool, data []byte) error {
		kind := gws.OpcodeBinary
		if text {
			kind = gws.OpcodeText
		}
		if fragments { // of 128 KiB
			return c.WriteFile(kind, bytes.NewReader(data))
		}
		return c.WriteMessage(kind, data)
	}
	c.ReadLoop()
	return g.err
}

func (g *gwsEvents) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if err := g.e.message(m.Opcode == gws.OpcodeText, m.Bytes()); err != nil {
		g.err = err
		c.NetConn().Close()
	}
}

func (g *gwsEvents) OnPing(c *gws.Conn, payload []byte) { c.WritePong(payload) }

func (g *gwsEvents) OnPong(*gws.Conn, []byte) { g.e.Pongs++ }

func (g *gwsEvents) OnClose(_ *gws.Conn, err error) {
	var closed *gws.CloseError
	if errors.As(err, &closed) {
		g.e.closed(int(closed.Code), string(closed.Reason))
	} else if g.e.Code == 0 && g.err == nil {
		g.err = err
	}
}
