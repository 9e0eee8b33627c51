package engineio

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
	"github.com/parley-go/parley/wire/wiretest"
)

// bare puts the type of a message in front on the way out and takes it off on
// the way in, for a receiver that knows nothing of Engine.IO.
type bare struct{ wire.Receiver }

func (bare) Open(*http.Request) error { return nil }

func (b bare) Receive(data []byte, binary bool) { b.Receiver.Receive(data[1:], binary) }

func (b bare) Take(batch []*wire.Encoded) []*wire.Encoded {
	n := len(batch)
	batch = b.Receiver.Take(batch)
	for i, e := range batch[n:] {
		batch[n+i] = &wire.Encoded{Data: append([]byte("4"), e.Data...)}
	}
	return batch
}

// serveBare makes a server whose connections are all under r, and where the
// socket of the next one goes.
func serveBare(t *testing.T, r wire.Receiver) (*echoServer, *passing, *Socket) {
	made := make(chan *Socket, 1)
	s := serveEcho(t, func(o *Options) {
		o.New = func(socket *Socket) Upper { made <- socket; return bare{r} }
	})
	p := &passing{polls: s.URL + polls}
	p.open()
	return s, p, <-made
}

func TestSocketIsAPipe(t *testing.T) {
	t.Run("polling", func(t *testing.T) {
		wiretest.TestPipe(t, func(t *testing.T, r wire.Receiver) (wire.Pipe, wiretest.Peer) {
			_, p, socket := serveBare(t, r)
			return socket, p
		})
	})
	t.Run("upgraded", func(t *testing.T) {
		wiretest.TestPipe(t, func(t *testing.T, r wire.Receiver) (wire.Pipe, wiretest.Peer) {
			s, p, socket := serveBare(t, r)
			c := s.webSocket(strings.Replace(strings.TrimPrefix(p.polls, s.URL), "polling", "websocket", 1))
			send(t, c, "5")
			for socket.Transport() == "polling" { // the server has yet to read it
				continue
			}
			return socket, &framing{c}
		})
	})
}

// passing is a client that polls.
type passing struct {
	polls   string // the URL
	packets []string
}

func (p *passing) open() {
	first, _ := p.Receive()
	_, id, _ := strings.Cut(string(first), `"sid":"`)
	id, _, _ = strings.Cut(id, `"`)
	p.polls += "&sid=" + id
}

func (p *passing) Send(data []byte) error {
	resp, err := http.Post(p.polls, "text/plain", strings.NewReader("4"+string(data)))
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		return errors.New(resp.Status)
	}
	return nil
}

func (p *passing) Receive() ([]byte, error) {
	for {
		for len(p.packets) > 0 {
			packet := p.packets[0]
			p.packets = p.packets[1:]
			switch packet[0] {
			case '4', '0':
				return []byte(packet[1:]), nil
			case '1':
				return nil, io.EOF
			}
		}
		resp, err := http.Get(p.polls)
		if err != nil {
			return nil, err
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			return nil, errors.New(resp.Status)
		}
		p.packets = strings.Split(string(body), "\x1e")
	}
}

// Leave breaks the protocol, for a client that polls no more is only noticed
// after its pings.
func (p *passing) Leave() {
	if resp, err := http.Post(p.polls, "text/plain", strings.NewReader("x")); err == nil {
		resp.Body.Close()
	}
}

// framing is a client on a WebSocket.
type framing struct{ *websocket.Conn }

func (f *framing) Send(data []byte) error {
	return f.Write(context.Background(), websocket.Message{Type: websocket.Text, Data: append([]byte("4"), data...)})
}

func (f *framing) Receive() ([]byte, error) {
	for {
		m, err := f.Read(context.Background())
		if err != nil {
			return nil, err
		}
		if m.Data[0] == '4' {
			return m.Data[1:], nil
		}
	}
}

func (f *framing) Leave() { f.CloseNow() }
