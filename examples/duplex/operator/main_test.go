package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/examples/duplex"
)

// lines is a writer that tells when a line has come.
type lines struct {
	mu   sync.Mutex
	rest []byte
	all  []string
	came chan string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		l.rest = rest
		l.all = append(l.all, string(line))
		select {
		case l.came <- string(line):
		default: // nobody waits for so many
		}
	}
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

func newServer(t *testing.T) string {
	t.Helper()
	app := duplex.New(&duplex.Options{Step: time.Millisecond})
	mux := http.NewServeMux()
	app.Mount(mux, "")
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		server.Close()
	})
	return server.URL + "/duplex"
}

func TestAnOperatorOrdersAndDecides(t *testing.T) {
	server := newServer(t)
	for _, via := range []string{"signalr", "socketio", "plain"} {
		t.Run(via, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			out := &lines{came: make(chan string, 1000)}
			args := []string{"-server", server, "-name", "Bo", "-via", via, "-approve", "web", "web:1.2:production", "mail:3:production", "mail:3:staging"}
			if err := run(ctx, args, out, io.Discard); err == nil {
				t.Error("an order was refused, and no error tells")
			}
			for _, want := range []string{
				"session opened",
				"session opened\n", // and what the runner says of it, below
				"Bo notes: I order web",
				"web 1.2 to production is waiting",
				"go to production? yes",
				`is done; approved as "Bo trusts web"`,
				"go to production? no",
				"Not approved: Bo knows nothing of mail",
				"mail 3 to staging is done",
				"session closed",
			} {
				if !strings.Contains(out.text(), want) {
					t.Errorf("%q is missing in\n%s", want, out.text())
				}
			}
		})
	}
}

func TestAnOperatorLooksOn(t *testing.T) {
	server := newServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	watching, interrupt := context.WithCancel(ctx)
	out := &lines{came: make(chan string, 1000)}
	done := make(chan error)
	go func() { done <- run(watching, []string{"-server", server, "-name", "Eve"}, out, io.Discard) }() // ends when interrupted
	out.wait(t, ctx, "0 jobs are running")
	if err := run(ctx, []string{"-server", server, "-name", "Bo", "-via", "plain", "web:1:staging"}, io.Discard, io.Discard); err != nil {
		t.Error(err)
	}
	out.wait(t, ctx, "Bo, by plain: session closed")
	interrupt()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, want := range []string{"Bo, by plain: session opened", "web 1 to staging is done"} {
		if !strings.Contains(out.text(), want) {
			t.Errorf("%q is missing in\n%s", want, out.text())
		}
	}
}

// wait returns when a line with that text has come.
func (l *lines) wait(t *testing.T, ctx context.Context, text string) {
	t.Helper()
	for {
		select {
		case line := <-l.came:
			if strings.Contains(line, text) {
				return
			}
		case <-ctx.Done():
			t.Fatalf("%q has not come:\n%s", text, l.text())
		}
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	server := newServer(t)
	for _, args := range [][]string{
		{"-server", server, "web"},
		{"-server", server, "-via", "pigeon"},
		{"-server", server, "-name", "", "web:1:staging"},
		{"-server", "http://127.0.0.1:1"},
		{"-what"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("operator %q: no error", args)
		}
	}
}
