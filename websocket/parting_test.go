package websocket

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// slowly is a handler that answers the first message when it may, and tells that it has
// begun with it.
func slowly(l *calls, o *AcceptOptions) (h *Handler, begun, may chan struct{}) {
	h = l.handler()
	h.Options = o
	begun, may = make(chan struct{}), make(chan struct{})
	answer := h.OnMessage
	h.OnMessage = func(c *Conn, m Message) {
		if string(m.Data) == "one" {
			close(begun)
			<-may
		}
		answer(c, m)
	}
	return h, begun, may
}

// waits tells whether the answer to the peer's close frame waits.
func (c *Conn) waits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == phaseParting
}

// A peer that says goodbye behind its messages gets their answers first, however long
// they take the handler.
func TestAGoodbyeWaitsForTheAnswersBeforeIt(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		var l calls
		h, begun, may := slowly(&l, nil)
		opened, open := make(chan *Conn, 1), h.OnOpen
		h.OnOpen = func(c *Conn, r *http.Request) { open(c, r); opened <- c }
		p := n.raw(t, n.serve(t, h))
		p.send(maskedText("one"), maskedText("two"))
		<-begun
		p.send(maskedText("three"), masked(0x88, []byte("\x03\xE9bye")), maskedText("too late"))
		c := <-opened
		until(t, "the close frame", c.waits)
		close(may)
		p.expect("\x81\x03one\x81\x03two\x81\x05three\x88\x02\x03\xE9")
		p.expectEnd()
		l.want(t, "open /; text one; text two; text three; close 1001 bye")
	})
}

func TestAGoodbyeOfDraft76WaitsForTheAnswersBeforeIt(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		var l calls
		h, begun, may := slowly(&l, drafts)
		opened, open := make(chan *Conn, 1), h.OnOpen
		h.OnOpen = func(c *Conn, r *http.Request) { open(c, r); opened <- c }
		p := n.old(t, n.serve(t, h))
		p.send(text76("one"), text76("two"))
		<-begun
		p.send(text76("three"), []byte(goodbye76))
		c := <-opened
		until(t, "the close frame", c.waits)
		close(may)
		p.expect("\x00one\xFF\x00two\xFF\x00three\xFF" + goodbye76)
		p.expectEnd()
		l.want(t, "open /there; text one; text two; text three; close 1005 ")
	})
}

// It waits no longer than a closing handshake may take: the handler may be waiting for
// the end itself.
func TestAGoodbyeDoesNotWaitForEver(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		closed := make(chan StatusCode, 1)
		p := n.raw(t, n.serve(t, &Handler{
			Options:   &AcceptOptions{Limits: &Limits{CloseTimeout: 50 * time.Millisecond}},
			OnMessage: func(c *Conn, _ Message) { <-c.Done() },
			OnClose:   func(_ *Conn, code StatusCode, _ string) { closed <- code },
		}))
		p.send(maskedText("one"))
		time.AfterFunc(2*time.Millisecond, func() { p.send(masked(0x88, []byte("\x03\xE8"))) })
		p.expect("\x88\x02\x03\xE8")
		p.expectEnd()
		if code := <-closed; code != StatusNormalClosure {
			t.Errorf("OnClose: got %d", code)
		}
	})
}

// A Close by the handler itself is the answer, at once.
func TestAGoodbyeThatWaitsIsGivenByClose(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		var l calls
		h := l.handler()
		begun := make(chan *Conn, 1)
		may, closing := make(chan struct{}), make(chan struct{})
		h.OnMessage = func(c *Conn, m Message) {
			begun <- c
			<-may
			c.Send(m)
			c.Close(4000, "enough")
			<-closing
		}
		p := n.raw(t, n.serve(t, h))
		p.send(maskedText("one"))
		c := <-begun
		p.send(masked(0x88, []byte("\x03\xE8")))
		until(t, "the close frame", c.waits)
		close(may)
		p.expect("\x81\x03one\x88\x02\x03\xE8")
		p.expectEnd()
		close(closing)
		l.want(t, "open /; close 1000 ")
	})
}

// stuck is a response whose writes wait for the deadline to be moved.
type stuck struct {
	http.ResponseWriter
	writing, deadline chan struct{}
	returned          chan struct{} // the handler has
	late              atomic.Bool
}

func (w *stuck) Write([]byte) (int, error) {
	close(w.writing)
	<-w.deadline
	return 0, http.ErrHandlerTimeout
}

func (w *stuck) SetWriteDeadline(time.Time) error {
	close(w.deadline)
	select {
	case <-w.returned: // w is gone, while we are at it
		w.late.Store(true)
	case <-time.After(20 * time.Millisecond):
	}
	return nil
}

// Close uses the response of an HTTP/2 stream for the last time before the handler of the
// request can return.
func TestTheHandlerReturnsBehindTheBrokenWrite(t *testing.T) {
	w := &stuck{writing: make(chan struct{}), deadline: make(chan struct{}), returned: make(chan struct{})}
	s := &serverStream{w: w}
	s.movers.Add(1)
	go func() {
		defer s.movers.Done()
		s.write([]byte("what the peer does not read"))
	}()
	go func() { // as Hold does
		s.movers.Wait()
		close(w.returned)
	}()
	<-w.writing
	s.breakOff()
	<-w.returned
	if w.late.Load() {
		t.Error("the response was used when the handler had returned")
	}
}
