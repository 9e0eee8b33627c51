package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/wire"
)

func TestEventFrames(t *testing.T) {
	for in, want := range map[string]string{
		"hi":             "data: hi\n\n",
		"":               "data: \n\n",
		"a\nb":           "data: a\ndata: b\n\n",
		"a\r\nb\rc\n\nd": "data: a\ndata: b\ndata: c\ndata: \ndata: d\n\n",
		"a\n":            "data: a\ndata: \n\n",
		" : x":           "data:  : x\n\n",
	} {
		if got := string(event(&wire.Encoded{Data: []byte(in)})); got != want {
			t.Errorf("event(%q): got %q, want %q", in, got, want)
		}
	}
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte("a\r\nb\rc\n"))
	f.Add([]byte("data: \n\n: x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		framed := event(&wire.Encoded{Data: data})
		got, err := readEvent(bufio.NewReader(bytes.NewReader(framed)))
		want := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
		if err != nil || string(got) != want {
			t.Errorf("event(%q) reads as %q, %v, want %q", data, got, err, want)
		}
	})
}

// TestBroadcastIsFramedOnce: connections that share a message share its frame.
func TestBroadcastIsFramedOnce(t *testing.T) {
	e := &wire.Encoded{Data: []byte("hi")}
	build := func(e *wire.Encoded) any { return event(e) }
	first := e.Framed(wire.EventStreamForm, build).([]byte)
	second := e.Framed(wire.EventStreamForm, build).([]byte)
	if &first[0] != &second[0] {
		t.Error("two connections framed one message twice")
	}
}

// stubborn is a ResponseWriter whose client reads only so many bytes. Writes
// beyond them block until the deadline.
type stubborn struct {
	header http.Header
	room   int

	mu       sync.Mutex
	got      bytes.Buffer
	flushes  int
	deadline time.Time
}

func (s *stubborn) Header() http.Header { return s.header }

func (s *stubborn) WriteHeader(int) {}

func (s *stubborn) FlushError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushes++
	return nil
}

func (s *stubborn) SetWriteDeadline(d time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = d
	return nil
}

func (s *stubborn) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.got.Len()+len(p) <= s.room {
		return s.got.Write(p)
	}
	if s.deadline.IsZero() {
		return 0, errors.New("a write without a deadline")
	}
	time.Sleep(time.Until(s.deadline))
	return 0, os.ErrDeadlineExceeded
}

func TestEventStreamFlushesOncePerBatch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewEventStream(b, &Options{})
		w := &stubborn{header: make(http.Header), room: 1 << 20}
		ctx, cancel := context.WithCancel(context.Background())
		go p.Serve(w, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)) // ends with ctx
		synctest.Wait()
		if got := w.got.String(); got != ":\n\n" || w.flushes != 1 {
			t.Errorf("before any message: got %q in %d flushes", got, w.flushes)
		}
		b.put("a")
		b.put("b")
		p.Wake()
		p.Wake()
		synctest.Wait()
		if got, want := w.got.String(), ":\n\ndata: a\n\ndata: b\n\n"; got != want || w.flushes != 2 {
			t.Errorf("after one batch: got %q in %d flushes, want %q in 2", got, w.flushes, want)
		}
		p.Ping()
		synctest.Wait()
		if !strings.HasSuffix(w.got.String(), "\n\n:\n\n") || w.flushes != 3 {
			t.Errorf("after a ping: got %q in %d flushes, want a comment", w.got.String(), w.flushes)
		}
		if !w.deadline.IsZero() {
			t.Error("a deadline runs while nothing is written")
		}
		cancel()
		wantClosed(t, b, nil)
	})
}

func TestEventStreamCutsOffWhoDoesNotRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewEventStream(b, &Options{WriteTimeout: 3 * time.Second})
		w := &stubborn{header: make(http.Header), room: 8}
		began := time.Now()
		b.put("more than it reads")
		p.Serve(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if err := <-b.closed; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Closed: got %v, want one that wraps %v", err, os.ErrDeadlineExceeded)
		}
		if got, want := time.Since(began), 3*time.Second; got != want {
			t.Errorf("the client was cut off after %v, want %v", got, want)
		}
	})
}

func TestEventStreamHeaders(t *testing.T) {
	b := newBox()
	p := NewEventStream(b, &Options{})
	p.Close(1000, "")
	w := httptest.NewRecorder()
	p.Serve(w, httptest.NewRequest(http.MethodGet, "/", nil))
	for name, want := range map[string]string{
		"Content-Type":      "text/event-stream",
		"Cache-Control":     "no-cache, no-store, no-transform",
		"X-Accel-Buffering": "no",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	wantClosed(t, b, nil)
}
