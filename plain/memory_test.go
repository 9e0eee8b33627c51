package plain

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley"
)

// memory is a network inside a test's bubble of fake time. A goroutine that is
// left behind fails the test.
type memory struct {
	t      *testing.T
	conns  chan net.Conn
	done   chan struct{}
	client *http.Client
}

// inBubble serves hub under / on a network in memory.
func inBubble(t *testing.T, o *Options, test func(t *testing.T, hub *parley.Hub, m *memory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Log: slog.New(slog.DiscardHandler)})
		m := &memory{t: t, conns: make(chan net.Conn), done: make(chan struct{})}
		both := new(http.Protocols)
		both.SetHTTP1(true)
		both.SetUnencryptedHTTP2(true)
		server := &http.Server{Handler: Handler(hub, o), Protocols: both}
		go server.Serve(m) // ends with Close
		m.client = &http.Client{Transport: &http.Transport{DialContext: m.dial}}
		test(t, hub, m)
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		m.client.CloseIdleConnections()
		server.Close()
	})
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	close(m.done)
	return nil
}

func (m *memory) Addr() net.Addr { return &net.UnixAddr{} }

func (m *memory) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case m.conns <- server:
		return client, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

// get requests a path and returns the whole answer.
func (m *memory) get(path string) (status int, body string) {
	m.t.Helper()
	resp, err := m.client.Get("http://memory/" + path)
	if err != nil {
		m.t.Fatalf("GET %s: %v", path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatalf("GET %s: %v", path, err)
	}
	return resp.StatusCode, strings.TrimSpace(string(b))
}

// listen opens an event stream and returns its lines.
func (m *memory) listen(path string) (*http.Response, *bufio.Scanner) {
	m.t.Helper()
	resp, err := m.client.Get("http://memory/" + path)
	if err != nil {
		m.t.Fatalf("GET %s: %v", path, err)
	}
	return resp, bufio.NewScanner(resp.Body)
}

// openSession begins a polling connection and returns its token.
func (m *memory) openSession() (token string) {
	m.t.Helper()
	_, body := m.get("?transport=poll")
	_, token, found := strings.Cut(body, `"session":"`)
	if !found {
		m.t.Fatalf("the first poll brought %q", body)
	}
	token, _, _ = strings.Cut(token, `"`)
	return token
}
