package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
	"github.com/parley-go/parley/wire/wiretest"
)

// serve runs a handler on the loopback network until the test is over.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestWebSocketIsAPipe(t *testing.T) {
	wiretest.TestPipe(t, func(t *testing.T, r wire.Receiver) (wire.Pipe, wiretest.Peer) {
		made := make(chan *WebSocket, 1)
		url := serve(t, func(w http.ResponseWriter, req *http.Request) {
			pipe, err := NewAcceptor(&Options{}).WebSocket(w, req)
			if err != nil {
				t.Errorf("WebSocket: %v", err)
				return
			}
			pipe.Start(r)
			made <- pipe
		})
		c, err := websocket.Dial(t.Context(), url, nil)
		if err != nil {
			t.Fatalf("Dial: %v", err)
		}
		return <-made, &webSocketPeer{c}
	})
}

// TestDialedWebSocketIsAPipe: the client's side of a connection keeps the same
// contract.
func TestDialedWebSocketIsAPipe(t *testing.T) {
	wiretest.TestPipe(t, func(t *testing.T, r wire.Receiver) (wire.Pipe, wiretest.Peer) {
		accepted := make(chan *websocket.Conn, 1)
		url := serve(t, func(w http.ResponseWriter, req *http.Request) {
			if c, err := websocket.Accept(w, req, nil); err == nil {
				accepted <- c
			}
		})
		pipe, err := DialWebSocket(t.Context(), url, &Dialing{}, &Options{})
		if err != nil {
			t.Fatalf("DialWebSocket: %v", err)
		}
		pipe.Start(r)
		return pipe, &webSocketPeer{<-accepted}
	})
}

type webSocketPeer struct{ c *websocket.Conn }

func (p *webSocketPeer) Send(data []byte) error {
	return p.c.Write(context.Background(), websocket.Message{Type: websocket.Text, Data: data})
}

func (p *webSocketPeer) Receive() ([]byte, error) {
	m, err := p.c.Read(context.Background())
	return bytes.Clone(m.Data), err
}

func (p *webSocketPeer) Leave() { p.c.CloseNow() }

// httpPeer is the client's end of a pipe made of HTTP requests.
type httpPeer struct {
	t     *testing.T
	url   string
	leave func()
	read  func() ([]byte, error)
}

func (p *httpPeer) Receive() ([]byte, error) { return p.read() }

func (p *httpPeer) Leave() { p.leave() }

func (p *httpPeer) Send(data []byte) error {
	resp, err := http.Post(p.url, "", bytes.NewReader(data))
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return errors.New(resp.Status)
	}
	return nil
}

// receivePOST hands the body of a POST up, as a protocol package does.
func receivePOST(t *testing.T, w http.ResponseWriter, r *http.Request, receive func([]byte, bool) error) {
	body, err := ReadBody(w, r, &Options{})
	if err != nil {
		t.Errorf("ReadBody: %v", err)
	}
	if receive(body, false) != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func TestEventStreamIsAPipe(t *testing.T) {
	wiretest.TestPipe(t, func(t *testing.T, r wire.Receiver) (wire.Pipe, wiretest.Peer) {
		pipe := NewEventStream(r, &Options{})
		url := serve(t, func(w http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodGet {
				pipe.Serve(w, req)
				return
			}
			receivePOST(t, w, req, pipe.Receive)
		})
		resp, err := http.Get(url)
		if err != nil {
			t.Fatalf("GET: %v", err)
		}
		if got, want := resp.Header.Get("Content-Type"), "text/event-stream"; got != want {
			t.Errorf("Content-Type: got %q, want %q", got, want)
		}
		events := bufio.NewReader(resp.Body)
		return pipe, &httpPeer{
			t: t, url: url,
			leave: func() { resp.Body.Close() },
			read:  func() ([]byte, error) { return readEvent(events) },
		}
	})
}

// readEvent reads an event stream by the book (WHATWG HTML §9.2.6).
func readEvent(r *bufio.Reader) ([]byte, error) {
	var data []string
	for {
		s, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		s = strings.TrimSuffix(s, "\n")
		if s == "" && data != nil {
			return []byte(strings.Join(data, "\n")), nil
		}
		if field, value, _ := strings.Cut(s, ":"); field == "data" {
			data = append(data, strings.TrimPrefix(value, " "))
		}
	}
}

func TestPollIsAPipe(t *testing.T) {
	wiretest.TestPipe(t, func(t *testing.T, r wire.Receiver) (wire.Pipe, wiretest.Peer) {
		pipe := NewPoll(r, &PollOptions{Cut: true, Write: writeLines})
		url := serve(t, func(w http.ResponseWriter, req *http.Request) {
			if req.Method != http.MethodGet {
				receivePOST(t, w, req, pipe.Receive)
			} else if pipe.Serve(w, req) == ErrGone {
				w.WriteHeader(http.StatusNotFound)
			}
		})
		poller := &poller{url: url}
		return pipe, &httpPeer{t: t, url: url, read: poller.read, leave: func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			pipe.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
		}}
	})
}

func writeLines(w http.ResponseWriter, _ *http.Request, batch []*wire.Encoded, _ bool) error {
	for _, e := range batch {
		if _, err := w.Write(append(bytes.Clone(e.Data), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// poller polls until something comes.
type poller struct {
	url  string
	have []string
}

func (p *poller) read() ([]byte, error) {
	for len(p.have) == 0 {
		resp, err := http.Get(p.url)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return nil, errors.Join(err, errors.New(resp.Status))
		}
		p.have = strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
		if len(body) == 0 {
			p.have = nil
		}
	}
	first := p.have[0]
	p.have = p.have[1:]
	return []byte(first), nil
}
