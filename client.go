package parley

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/parley-go/parley/wire"
)

// DialFunc opens one connection for a [Client]: it makes a session by
// NewSession, shakes hands, calls Open, and starts the pipe. An error that is an
// *[Error] is the server's refusal: after it a client does not try again by itself.
// Protocol packages write one; applications use their NewClient.
type DialFunc func(ctx context.Context, cl *Client) (*Session, error)

// ClientOptions configures a client. Nil means all defaults.
type ClientOptions struct {
	// Limits bounds what the connection may cost; see [Limits].
	Limits Limits
	// Log gets the errors of the client's own handlers. Nil means slog.Default.
	Log *slog.Logger
	// Reconnect says how to come back after a loss.
	Reconnect Backoff
	// OnConnect runs after each connect and reconnect, before any event is
	// handled: the place to join groups again. Nil for nothing.
	OnConnect func(ctx context.Context)
	// OnDisconnect runs after each loss. err is nil after a goodbye; again
	// tells whether the client tries to come back. Nil for nothing.
	OnDisconnect func(err error, again bool)
}

// Backoff is exponential backoff with full jitter: before its n-th attempt the
// client waits a random time between zero and Min·2ⁿ, at most Max.
type Backoff struct {
	Off      bool          // do not reconnect
	Min, Max time.Duration // zero means 500 ms and 30 s
	Attempts int           // in a row, then the client ends; zero means no limit

	// Delays, unless empty, are the waits before each attempt after a loss, in
	// place of Min; when as many attempts have failed, the client ends. A
	// random part is added to each, up to half of it and at least up to a
	// second, as a server that starts again meets all of its clients at once.
	// A connection that did not last for Max does not start them anew.
	Delays []time.Duration
}

// lasting is how long a connection has to last to count as a success: a server
// that accepts and drops does not start the backoff anew.
func (b *Backoff) lasting() time.Duration { return orDefault(b.Max, 30*time.Second) }

func (b *Backoff) wait(attempt int) time.Duration {
	if last := len(b.Delays) - 1; last >= 0 {
		d := b.Delays[min(attempt, last)]
		return d + rand.N(max(d/2, time.Second)+1)
	}
	low, high := orDefault(b.Min, 500*time.Millisecond), b.lasting()
	ceiling := high
	if attempt < 30 && low<<attempt > 0 {
		ceiling = min(high, low<<attempt)
	}
	return rand.N(ceiling + 1)
}

// Client is the Go program's end of a connection: the same contracts as a
// [Hub], from the other side. All methods are safe for concurrent use.
type Client struct {
	core *core
	dial DialFunc
	opts ClientOptions
	done chan struct{} // closed when the client has ended for good

	mu      sync.Mutex
	session *Session      // the connection of the moment; nil between two
	bye     *wire.Goodbye // what the server said on leaving
	ended   bool
	err     error // why it ended
	tasks   sync.WaitGroup
	since   time.Time // when session connected
	failed  int       // attempts in a row that failed, or led to a connection that did not last

	dialing sync.Mutex // held during an attempt; taken before mu
}

// NewClient makes a client that connects by dial; protocol packages call it.
func NewClient(dial DialFunc, o *ClientOptions) *Client {
	if o == nil {
		o = &ClientOptions{}
	}
	cl := &Client{core: newCore(o.Limits, o.Log), dial: dial, opts: *o, done: make(chan struct{})}
	cl.core.enter, cl.core.leave = func(*Session) {}, func(*Session) {}
	cl.core.gone = cl.gone
	cl.core.peerBye = cl.peerBye
	if hook := o.OnConnect; hook != nil {
		run := func(ctx context.Context, _ *Conn) error { hook(ctx); return nil }
		cl.core.connectHook.Store(&run)
	}
	return cl
}

// NewSession begins a connection; a DialFunc calls it. Whoever calls it must
// see to it that Closed is called in the end.
func (cl *Client) NewSession(pipe wire.Pipe, o *SessionOptions) *Session {
	cl.core.sessions.Add(1)
	s := newSession(cl.core, pipe, o)
	s.dialed = make(chan struct{})
	s.await(o)
	return s
}

// Connect connects, once: its error is that of the one attempt. After it has
// succeeded, the client reconnects by itself as ClientOptions.Reconnect says.
func (cl *Client) Connect(ctx context.Context) error {
	cl.mu.Lock()
	ended := cl.ended
	if !ended {
		cl.tasks.Add(1)
	}
	cl.mu.Unlock()
	if ended {
		return ErrClosed
	}
	defer cl.tasks.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(cl.core.ctx, cancel)()
	return cl.attempt(ctx)
}

func (cl *Client) attempt(ctx context.Context) error {
	cl.dialing.Lock() // Connect and a reconnect must not make two connections
	defer cl.dialing.Unlock()
	cl.mu.Lock()
	connected := cl.session != nil
	if !connected {
		cl.bye = nil
	}
	cl.mu.Unlock()
	if connected {
		return nil
	}
	s, err := cl.dial(ctx, cl)
	if err != nil {
		return err
	}
	if !cl.adopt(s) {
		s.Fail(wire.Goodbye{Code: 1000}, nil)
		return s.why()
	}
	close(s.dialed)
	return nil
}

// why is the reason a session that has ended, or is about to, ends.
func (s *Session) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reason == nil {
		return ErrClosed
	}
	return s.reason
}

// adopt makes s the connection of the moment, unless either has ended.
func (cl *Client) adopt(s *Session) bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.ended || s.life.ended() != nil {
		return false
	}
	cl.session, cl.since = s, time.Now()
	return true
}

func (cl *Client) peerBye(bye wire.Goodbye) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.bye = &bye
}

// gone is the last act of a connection.
func (cl *Client) gone(s *Session, reason error, connected bool) {
	defer cl.core.sessions.Done()
	cl.mu.Lock()
	current := cl.session == s
	if current {
		cl.session = nil
	}
	again := current && !cl.ended && !cl.opts.Reconnect.Off && (cl.bye == nil || cl.bye.Reconnect)
	if again {
		cl.tasks.Add(1)
	}
	if current && time.Since(cl.since) >= cl.opts.Reconnect.lasting() {
		cl.failed = 0
	}
	cl.mu.Unlock()
	if !current {
		return
	}
	if cl.opts.OnDisconnect != nil {
		s.protect("OnDisconnect", func() error { cl.opts.OnDisconnect(reason, again); return nil })
	}
	if !again {
		cl.finish(reason)
		return
	}
	go cl.reconnect() // ends with a connection, the last attempt or Close, which waits for it
}

func (cl *Client) reconnect() {
	defer cl.tasks.Done()
	b := &cl.opts.Reconnect
	err := ErrClosed
	for tried := 0; ; tried++ {
		n := cl.nextAttempt()
		if b.spent(n, tried) || tried > 0 && (cl.shownTheDoor() || refused(err)) {
			break
		}
		if !sleep(cl.core.ctx, b.wait(n)) {
			return
		}
		if err = cl.attempt(cl.core.ctx); err == nil {
			return
		}
		cl.core.log.Debug("parley: reconnect failed", "attempt", n+1, "error", err)
	}
	cl.finish(err)
}

// spent tells whether there are no more attempts, after so many since the loss
// and so many in a row.
func (b *Backoff) spent(inRow, sinceLoss int) bool {
	return b.Attempts > 0 && inRow >= b.Attempts || len(b.Delays) > 0 && sinceLoss >= len(b.Delays)
}

// shownTheDoor tells whether the server of the last attempt has said goodbye
// and does not want this client back.
func (cl *Client) shownTheDoor() bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.bye != nil && !cl.bye.Reconnect
}

// refused tells whether an attempt has failed because the server said so.
func refused(err error) bool {
	var no *Error
	return errors.As(err, &no)
}

// nextAttempt is the number of attempts in a row, before the next.
func (cl *Client) nextAttempt() int {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.failed++
	return cl.failed - 1
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (cl *Client) finish(err error) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if !cl.ended {
		cl.ended, cl.err = true, err
		close(cl.done)
	}
}

// Close says goodbye and returns when all of the client's goroutines are gone.
// When ctx ends first, the connection is cut off. A handler of the client must
// not call it, as it waits for the handlers.
func (cl *Client) Close(ctx context.Context) error {
	cl.finish(nil)
	cl.mu.Lock()
	s := cl.session
	cl.mu.Unlock()
	if s != nil {
		s.Fail(wire.Goodbye{Code: 1000}, nil)
	}
	stop := context.AfterFunc(ctx, func() {
		cl.core.cancel()
		if s != nil {
			s.life.end(ErrClosed)
			s.pipe.CloseNow()
		}
	})
	defer stop()
	if s == nil {
		cl.core.cancel()
		cl.tasks.Wait() // for the attempt of the moment, which may make a session
	}
	cl.core.sessions.Wait()
	cl.core.cancel()
	cl.tasks.Wait()
	cl.core.sessions.Wait() // those that an attempt has made
	cl.core.wheel.Stop()
	return ctx.Err()
}

// Done is closed when the client has ended for good: by Close, by a goodbye of
// the server that does not ask it back, or after the last attempt.
func (cl *Client) Done() <-chan struct{} { return cl.done }

// Err tells, after Done, why the client ended; nil after a goodbye.
func (cl *Client) Err() error {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.err
}

func (cl *Client) current() (*Session, error) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.session == nil {
		return nil, ErrClosed
	}
	return cl.session, nil
}

// Call calls the hub's handler named name and reads the answer into the
// variable out points to; a nil out discards it. The error is an *[Error] when
// the hub failed the call, ErrTimeout, or ErrClosed when there is no
// connection or it was lost; whether the hub saw the call is then unknown.
//
// An argument that is an iter.Seq[T] or an iter.Seq2[T, error] travels as a
// stream, where the protocol can carry one (SignalR): its values go up while the
// call runs. It is left at the next value once the call has been answered.
func (cl *Client) Call(ctx context.Context, name string, out any, args ...any) error {
	s, err := cl.current()
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, name, args)
	if err != nil {
		return err
	}
	return readAnswer(s.codec(), answer, out)
}

// Send calls without waiting for, or wanting, an answer. Arguments are as for
// Call.
func (cl *Client) Send(ctx context.Context, name string, args ...any) error {
	s, err := cl.current()
	if err != nil {
		return err
	}
	return s.tell(ctx, name, args)
}

// Stream calls a handler that answers with a stream. Leaving the loop cancels
// it. A stream that fails yields its error last.
func (cl *Client) Stream(ctx context.Context, name string, args ...any) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		s, err := cl.current()
		if err != nil {
			yield(Value{}, err)
			return
		}
		w, err := s.begin(ctx, wire.StreamCall, name, args)
		if err != nil {
			yield(Value{}, err)
			return
		}
		defer s.abandon(w)
		w.each(ctx, s.codec(), yield)
	}
}

// each yields the values of a stream until its end.
func (w *waiter) each(ctx context.Context, codec wire.Codec, yield func(Value, error) bool) {
	for {
		values, err := w.next(ctx)
		for _, v := range values {
			if !yield(Value{v, codec}, nil) {
				return
			}
		}
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				err = callEnded(ctx)
			}
			yield(Value{}, err)
			return
		}
		if len(values) == 0 {
			return
		}
	}
}

// Handle registers the handler of what the hub calls by name: an event, or a
// question to be answered. It panics when there is one already.
func (cl *Client) Handle(name string, h Handler) { cl.core.handlers.add(name, h) }

// HandleOther registers the handler of what no other handler is named for.
func (cl *Client) HandleOther(h Handler) { cl.core.handlers.addOther(h) }

// On sets what the client does with the event named name: fn is an ordinary
// function, as for [Func], without a *Conn.
func (cl *Client) On(name string, fn any) {
	h := Func(fn)
	if h.(*function).conn {
		panic("parley: a client's function for " + name + " takes a *Conn, which only a hub has")
	}
	cl.Handle(name, h)
}
