package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
)

// newServer serves one small hub in all dialects.
func newServer(t *testing.T) string {
	t.Helper()
	hub := parley.NewHub(nil)
	hub.Handle("echo", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
		var v any
		if err := call.Scan(&v); err != nil {
			return err
		}
		return call.Reply(v)
	}))
	hub.Handle("refuse", parley.Func(func() error { return parley.Errorf("full", "no more seats") }))
	hub.Handle("tell", parley.Func(func(ctx context.Context, c *parley.Conn) error {
		return c.Send(ctx, "told", "ann", []int{1, 2})
	}))
	hub.Handle("ask", parley.Func(func(ctx context.Context, c *parley.Conn) string {
		if c.Call(ctx, "sure?", nil) != nil {
			return "no answer"
		}
		return "answered"
	}))
	hub.Handle("count", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
		var n int
		if err := call.Scan(&n); err != nil {
			return err
		}
		for i := range n {
			if err := call.Send(i + 1); err != nil {
				return err
			}
		}
		return nil
	}))
	mux := http.NewServeMux()
	plain.Mount(mux, "/plain", hub, nil)
	signalr.Mount(mux, "/signalr", hub, nil)
	inner := parley.NewHub(nil) // of clients that say who they are
	inner.OnConnect(func(_ context.Context, c *parley.Conn) error {
		if string(socketio.Auth(c)) != `{"name":"ann"}` {
			return parley.Errorf("who", "who are you?")
		}
		return nil
	})
	inner.Handle("where", parley.Func(func() string { return "inside" }))
	socketio.Mount(mux, "/socket.io/", hub, &socketio.Options{Namespaces: map[string]*parley.Hub{"/inner": inner}})
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		for _, h := range []*parley.Hub{hub, inner} {
			if err := h.Shutdown(ctx); err != nil {
				t.Errorf("shutdown: %v", err)
			}
		}
		server.Close()
	})
	return server.URL
}

func TestConnectWorksInAPipe(t *testing.T) {
	server := newServer(t)
	input := strings.Join([]string{
		`echo hello`,
		`echo "two words"`,
		`echo {"a": [1, 2]}`,
		`# a comment`,
		``,
		`tell`,
		`ask`,
		`> echo 1`,
		`echo last`,
	}, "\n")
	want := []string{`= "hello"`, `= "two words"`, `= {"a":[1,2]}`, `told "ann" [1,2]`, `= null`, `sure?`, `= "no answer"`, `= "last"`}
	for _, path := range []string{"/plain", "/signalr", "/socket.io/"} {
		var out bytes.Buffer
		err := connect(t.Context(), []string{server + path}, strings.NewReader(input), &out, io.Discard)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		got := strings.Split(strings.TrimSpace(out.String()), "\n")
		slices.Sort(got) // an event may be printed before or after the answer it overtakes
		sorted := slices.Sorted(slices.Values(want))
		if !slices.Equal(got, sorted) {
			t.Errorf("%s prints %q, want %q", path, got, sorted)
		}
	}
}

func TestConnectJoinsANamespace(t *testing.T) {
	server := newServer(t)
	var out bytes.Buffer
	args := []string{"--namespace", "/inner", "--auth", `{"name":"ann"}`, server + "/socket.io/"}
	if err := connect(t.Context(), args, strings.NewReader("where"), &out, io.Discard); err != nil || out.String() != "= \"inside\"\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	err := connect(t.Context(), []string{"--namespace", "inner", server + "/socket.io/"}, strings.NewReader("where"), &out, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "who are you?") {
		t.Errorf("without auth: %v", err)
	}
}

func TestConnectStreamsAndFails(t *testing.T) {
	server := newServer(t)
	for _, path := range []string{"/plain", "/signalr"} {
		var out bytes.Buffer
		err := connect(t.Context(), []string{server + path}, strings.NewReader("* count 3\nrefuse\nnobody"), &out, io.Discard)
		if !errors.Is(err, errCallsFailed) {
			t.Errorf("%s: %v, want errCallsFailed", path, err)
		}
		got := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(got) != 6 || !slices.Equal(got[:4], []string{"* 1", "* 2", "* 3", "="}) {
			t.Fatalf("%s prints %q", path, got)
		}
		if !strings.Contains(got[4], "no more seats") || !strings.HasPrefix(got[5], "! ") {
			t.Errorf("%s prints failures %q", path, got[4:])
		}
	}
}

func TestConnectRefusesNonsense(t *testing.T) {
	tests := [][]string{
		{},
		{"one", "two"},
		{"not an address"},
		{"--auth", "{", "http://127.0.0.1:1/socket.io/"},
		{"--protocol", "smoke", "http://127.0.0.1:1/"},
		{"http://127.0.0.1:1/nobody-listens"},
	}
	for _, args := range tests {
		if err := connect(t.Context(), args, strings.NewReader(""), io.Discard, io.Discard); err == nil {
			t.Errorf("connect %q: no error", args)
		}
	}
}

// gate is a writer that tells when a line has come.
type gate struct {
	mu    sync.Mutex
	text  string
	lines chan string
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.text += string(p)
	for {
		line, rest, whole := strings.Cut(g.text, "\n")
		if !whole {
			return len(p), nil
		}
		g.text = rest
		g.lines <- line
	}
}

func TestConnectStaysUntilInterrupted(t *testing.T) {
	server := newServer(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &gate{lines: make(chan string, 10)}
	done := make(chan error)
	go func() {
		done <- connect(ctx, []string{"--stay", server + "/plain"}, strings.NewReader("> tell"), out, io.Discard)
	}()
	if got := <-out.lines; got != `told "ann" [1,2]` {
		t.Errorf("printed %q", got)
	}
	interrupt()
	if err := <-done; err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

func TestParseArgs(t *testing.T) {
	tests := []struct {
		line string
		want []string
	}{
		{``, nil},
		{`1 two "three four" 5th`, []string{`1`, `two`, `"three four"`, `5th`}},
		{`{"a":"b c"} [1, 2] null true`, []string{`{"a":"b c"}`, `[1, 2]`, `null`, `true`}},
		{`"unfinished here`, []string{`"unfinished`, `here`}},
		{`lobby it's`, []string{`lobby`, `it's`}},
	}
	for _, tt := range tests {
		var got []string
		for _, a := range parseArgs(tt.line) {
			got = append(got, fmt.Sprintf("%s", a))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.line, got, tt.want)
		}
	}
}
