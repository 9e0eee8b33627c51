package transport

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/wire"
)

// apart are the manners of SignalR: the end has an answer of its own, and so
// has a poll whose place was taken.
func apart(write func(w http.ResponseWriter, batch []*wire.Encoded, last bool) error) *PollOptions {
	return &PollOptions{
		Replace: true, LastAlone: true,
		Replaced: func(w http.ResponseWriter) { w.Write([]byte("replaced")) },
		Write: func(w http.ResponseWriter, _ *http.Request, batch []*wire.Encoded, last bool) error {
			return write(w, batch, last)
		},
	}
}

func writeOrEnd(w http.ResponseWriter, batch []*wire.Encoded, last bool) error {
	if last {
		w.Write([]byte("the end"))
	}
	return writeLines(w, nil, batch, last)
}

func TestEndIsToldApart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewPoll(b, apart(writeOrEnd))
		b.put("goodbye")
		p.Close(1000, "")
		poll(p).want(t, "goodbye\n", nil)
		if b.isClosed() {
			t.Fatal("the pipe ended before the end was told")
		}
		poll(p).want(t, "the end", nil)
		wantClosed(t, b, nil)
	})
	inBubble(t, func(t *testing.T) { // nobody comes to be told
		b := newBox()
		p := NewPoll(b, apart(writeOrEnd))
		b.put("goodbye")
		p.Close(1000, "")
		poll(p).want(t, "goodbye\n", nil)
		time.Sleep(6 * time.Second)
		wantClosed(t, b, nil)
	})
	inBubble(t, func(t *testing.T) { // a poll waits already
		b := newBox()
		p := NewPoll(b, apart(writeOrEnd))
		waiting := poll(p)
		p.CloseNow()
		waiting.want(t, "the end", nil)
		wantClosed(t, b, nil)
	})
}

func TestReplacedPollIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewPoll(b, apart(writeOrEnd))
		first := poll(p)
		second := poll(p)
		third := poll(p)
		first.want(t, "replaced", nil)
		second.want(t, "replaced", nil)
		b.put("hi")
		p.Wake()
		third.want(t, "hi\n", nil)
		p.CloseNow()
		wantClosed(t, b, nil)
	})
}

// TestNoAnswerOvertakesAnother: a poll that comes while another one is being
// answered takes nothing until that is done, and nothing at all if it fails.
func TestNoAnswerOvertakesAnother(t *testing.T) {
	for _, fails := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			b := newBox()
			writing, done := make(chan struct{}, 2), make(chan error, 2)
			p := NewPoll(b, apart(func(w http.ResponseWriter, batch []*wire.Encoded, last bool) error {
				if last {
					return nil
				}
				writing <- struct{}{}
				if err := <-done; err != nil {
					return err
				}
				return writeLines(w, nil, batch, last)
			}))
			b.put("first")
			one := poll(p)
			<-writing
			b.put("second")
			two := poll(p)
			if len(writing) > 0 {
				t.Fatal("an answer was written while another one was")
			}
			broken := errors.New("broken")
			if fails {
				done <- broken
				one.want(t, "", broken)
				two.want(t, "", nil)
				wantClosed(t, b, broken)
				return
			}
			done <- nil
			done <- nil
			one.want(t, "first\n", nil)
			two.want(t, "second\n", nil)
			p.CloseNow()
			wantClosed(t, b, nil)
		})
	}
}

// TestDoHoldsTheEndBack: a receiver that is being put together is not told of
// an end.
func TestDoHoldsTheEndBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewPoll(b, apart(writeOrEnd))
		failed := errors.New("failed")
		err := p.Do(func() error {
			p.CloseNow()
			synctest.Wait()
			if b.isClosed() {
				t.Error("the receiver was told of the end")
			}
			return failed
		})
		if err != failed {
			t.Errorf("Do: got %v, want %v", err, failed)
		}
		wantClosed(t, b, nil)
		if err := p.Do(func() error { return nil }); err != ErrGone {
			t.Errorf("Do after the end: got %v, want ErrGone", err)
		}
	})
}

func TestEventStreamWithCRLF(t *testing.T) {
	for in, want := range map[string]string{
		"hi":         "data: hi\r\n\r\n",
		"":           "data: \r\n\r\n",
		"a\nb\r\nc":  "data: a\r\ndata: b\r\ndata: c\r\n\r\n",
		"a\rb\x1e\n": "data: a\r\ndata: b\x1e\r\ndata: \r\n\r\n",
	} {
		if got := string(eventCRLF(&wire.Encoded{Data: []byte(in)})); got != want {
			t.Errorf("eventCRLF(%q): got %q, want %q", in, got, want)
		}
	}
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewEventStream(b, &Options{EventCRLF: true, EventHeader: http.Header{"X-Own": {"yes"}}})
		w := &stubborn{header: make(http.Header), room: 1 << 20}
		ctx, cancel := context.WithCancel(context.Background())
		go p.Serve(w, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)) // ends with ctx
		synctest.Wait()
		if got := w.got.String(); got != ":\r\n" || w.flushes != 1 || w.header.Get("X-Own") != "yes" || w.header.Get("Content-Type") != "" {
			t.Errorf("before any message: got %q in %d flushes, header %v", got, w.flushes, w.header)
		}
		b.put("a")
		p.Wake()
		synctest.Wait()
		if !bytes.HasSuffix(w.got.Bytes(), []byte("data: a\r\n\r\n")) {
			t.Errorf("got %q", w.got.String())
		}
		cancel()
		wantClosed(t, b, nil)
	})
}
