package websocket

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// counting is a listener whose connections count their writes.
type counting struct {
	net.Listener
	accepted chan *gauge
}

func (l *counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &gauge{Conn: c}
	l.accepted <- g
	return g, nil
}

func TestAGreetingLeavesWithTheAnswerToTheHandshake(t *testing.T) {
	for _, counts := range []bool{false, true} { // a socket of the pollers; a net.Conn
		h := &Handler{OnMessage: func(c *Conn, m Message) { c.Send(m) }}
		s := httptest.NewUnstartedServer(nil)
		l := &counting{s.Listener, make(chan *gauge, 1)}
		if counts {
			s.Listener = l
		}
		s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.AcceptWith(w, r, Message{Type: Text, Data: []byte("hello")}, Message{Type: Binary, Data: []byte("abc")})
		})
		s.Start()
		nc, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: "+s.Listener.Addr().String()+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		buf := make([]byte, 64<<10)
		n, err := nc.Read(buf)
		got := string(buf[:n])
		if want := "\r\n\r\n\x81\x05hello\x82\x03abc"; err != nil || !strings.HasPrefix(got, "HTTP/1.1 101 ") || !strings.HasSuffix(got, want) {
			t.Errorf("one read brought %q, %v, want it to end with %q", got, err, want)
		}
		if counts {
			if got := (<-l.accepted).writes.Load(); got != 1 {
				t.Errorf("%d writes, want 1", got)
			}
		}
		nc.Write(maskedText("more"))
		if n, err = io.ReadFull(nc, buf[:6]); string(buf[:n]) != "\x81\x04more" {
			t.Errorf("got %q, %v behind the greeting", buf[:n], err)
		}
		nc.Close()
		s.Close()
	}
}

func TestAGreetingOverHTTP2(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		h := &Handler{OnMessage: func(c *Conn, m Message) { c.Send(m) }, Options: &AcceptOptions{Compression: &Compression{}}}
		s, o := secureServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := h.AcceptWith(w, r, Message{Type: Text, Data: []byte("hello")}); err == nil {
				c.Hold()
			}
		}))
		o.Compression = &Compression{}
		c := dialed(t, s.URL, o)
		for _, want := range []string{"hello", "more"} {
			if m, err := c.Read(t.Context()); err != nil || string(m.Data) != want {
				t.Errorf("got %q, %v, want %q", m.Data, err, want)
			}
			c.Write(t.Context(), Message{Type: Text, Data: []byte("more")})
		}
	})
}

func TestWhatIsPreparedUncompressedTravelsAsItIs(t *testing.T) {
	overEachSmall(t, func(t *testing.T, n network) {
		long := Message{Type: Text, Data: []byte(strings.Repeat("x", 10_000))}
		plain, usual := PrepareUncompressed(long), Prepare(long)
		h := &Handler{Options: &AcceptOptions{Compression: &Compression{ContextTakeover: true}}, OnMessage: func(c *Conn, m Message) {
			p := usual
			if string(m.Data) == "plain" {
				p = plain
			}
			c.SendPrepared(p)
		}}
		stats, o := &Stats{}, n.options()
		o.Compression, o.Stats = &Compression{ContextTakeover: true}, stats
		c := dialed(t, n.serve(t, h), o)
		for _, want := range []struct {
			text        string
			least, most int64
		}{{"usual", 1, 500}, {"plain", 10_000, 10_010}, {"usual", 1, 500}} {
			before := stats.Snapshot().BytesIn
			if err := c.Write(t.Context(), Message{Type: Text, Data: []byte(want.text)}); err != nil {
				t.Fatal(err)
			}
			if m, err := c.Read(t.Context()); err != nil || string(m.Data) != string(long.Data) {
				t.Fatalf("%s: got %d bytes, %v", want.text, len(m.Data), err)
			}
			if got := stats.Snapshot().BytesIn - before; got < want.least || got > want.most {
				t.Errorf("%s: %d bytes on the wire, want %d to %d", want.text, got, want.least, want.most)
			}
		}
	})
}
