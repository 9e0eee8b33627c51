package plain

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/memnet"
)

// memory is a network inside a test's bubble of fake time. A goroutine that is
// left behind fails the test.
type memory struct {
	t *testing.T
	*memnet.Listener
	client *http.Client
}

// inBubble serves hub under / on a network in memory.
func inBubble(t *testing.T, o *Options, test func(t *testing.T, hub *parley.Hub, m *memory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Log: slog.New(slog.DiscardHandler)})
		m := &memory{t: t, Listener: memnet.Listen()}
		both := new(http.Protocols)
		both.SetHTTP1(true)
		both.SetUnencryptedHTTP2(true)
		server := &http.Server{Handler: Handler(hub, o), Protocols: both}
		go server.Serve(m) // ends with Close
		m.client = m.Client()
		test(t, hub, m)
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		m.client.CloseIdleConnections()
		server.Close()
	})
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
