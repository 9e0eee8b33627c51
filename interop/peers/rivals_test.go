package peers

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

var messages = flag.Int("messages", 100, "the messages of each conversation; make peers has 10,000")

// rival is another implementation in Go, in both roles.
type rival struct {
	dial  func(ctx context.Context, url string, e *echoer) error
	serve func(w http.ResponseWriter, r *http.Request, e *echoer) error
}

var rivals = map[string]rival{
	"gorilla": {dialGorilla, serveGorilla},
	"coder":   {dialCoder, serveCoder},
	"gws":     {dialGWS, serveGWS},
	"gobwas":  {dialGobwas, serveGobwas},
}

func TestRivalsAsClients(t *testing.T) {
	for name, peer := range rivals {
		for _, p := range Plans(*messages) {
			t.Run(name+"/"+p.ID, func(t *testing.T) {
				server := NewServer(false)
				defer server.Close()
				url := server.Expect(p)
				e := newEchoer(t, url)
				e.fail(peer.dial(t.Context(), url, e))
				if err := server.Outcome(p); err != nil {
					t.Error(err)
				}
				if err := p.Check(e.Report); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestRivalsAsServers(t *testing.T) {
	for name, peer := range rivals {
		for _, p := range Plans(*messages) {
			t.Run(name+"/"+p.ID, func(t *testing.T) {
				reports := make(chan Report, 1)
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					e := newEchoer(t, r.URL.String())
					recorder := &answerRecorder{ResponseWriter: w}
					e.fail(peer.serve(recorder, r, e))
					e.Extensions = recorder.extensions()
					reports <- e.Report
				}))
				defer server.Close()
				if err := p.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")); err != nil {
					t.Errorf("our end: %v", err)
				}
				if err := p.Check(<-reports); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// echoer does what a peer has to do, whatever its implementation.
type echoer struct {
	Report
	after  int
	code   int
	reason string
	digest Digest

	write func(text, fragments bool, data []byte) error // data is not kept
	ping  func() error
	close func(code int, reason string) error
}

func newEchoer(t *testing.T, rawURL string) *echoer {
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	e := &echoer{Report: Report{ID: q.Get("id")}, reason: q.Get("reason")}
	if e.after, err = strconv.Atoi(q.Get("after")); err != nil {
		t.Fatal(err)
	}
	if e.code, err = strconv.Atoi(q.Get("code")); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *echoer) fail(err error) {
	if err != nil {
		e.Error = err.Error()
	}
}

// message echoes one, pings with every twentieth, and closes if it was the last.
func (e *echoer) message(text bool, data []byte) error {
	e.digest.Add(text, data)
	e.Digest = e.digest.String()
	e.Messages++
	if err := e.write(text, e.Messages%3 == 0, data); err != nil {
		return fmt.Errorf("echo %d: %w", e.Messages, err)
	}
	if e.Messages%20 == 1 {
		e.Pings++
		if err := e.ping(); err != nil {
			return fmt.Errorf("ping: %w", err)
		}
	}
	if e.Messages == e.after {
		return e.close(e.code, e.reason)
	}
	return nil
}

// closed notes our close frame.
func (e *echoer) closed(code int, reason string) { e.Code, e.Reason = code, reason }

// answerRecorder keeps the first that a rival writes to the connection it has
// taken over: its answer to the handshake, unless it left that to net/http.
type answerRecorder struct {
	http.ResponseWriter
	first []byte
}

func (w *answerRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := w.ResponseWriter.(http.Hijacker).Hijack()
	if err != nil {
		return nil, nil, err
	}
	recorded := &recordedConn{c, w}
	return recorded, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(recorded)), nil
}

type recordedConn struct {
	net.Conn
	w *answerRecorder
}

func (c *recordedConn) Write(p []byte) (int, error) {
	if c.w.first == nil {
		c.w.first = bytes.Clone(p)
	}
	return c.Conn.Write(p)
}

func (w *answerRecorder) extensions() string {
	if !bytes.HasPrefix(w.first, []byte("HTTP/")) {
		return w.Header().Get("Sec-WebSocket-Extensions")
	}
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(w.first)), nil)
	if err != nil {
		return err.Error()
	}
	return answer.Header.Get("Sec-WebSocket-Extensions")
}
