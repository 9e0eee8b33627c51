package signalr

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/replay"
	"github.com/parley-go/parley/wire"
)

// resumable makes one connection of several WebSockets, each of which goes on
// where the last one was cut (stateful reconnect: docs/protocols/signalr.md). It
// is a [wire.Pipe] towards the session; each WebSocket's receiver is a [leg].
// Both ends of a connection use it. Until it is enabled it only passes on.
type resumable struct {
	// fixed before the first WebSocket
	above    wire.Receiver // gets what WebSockets read; shows messages to admit
	session  *parley.Session
	rewind   func()        // called before a WebSocket begins in the middle; what was read of a message is void
	left     func()        // called when a WebSocket was lost; nil: the peer comes back by itself
	patience time.Duration // how long a peer may be away

	mu      sync.Mutex
	leg     *leg // the WebSocket of the moment; nil while there is none
	legs    int  // how many there were
	spoke   bool // something was sent: the peer's handshake is done when ours is
	paused  bool // the session wants to be handed nothing
	closing bool // the session has closed its pipe
	over    bool // and it was told that it is closed
	cause   error
	timer   *time.Timer // the end of patience; nil until needed

	// what goes out
	dialect dialect // nil until enabled
	log     replay.Log[*wire.Encoded]
	pinging bool            // a Ping is to be sent
	held    []*wire.Encoded // for a peer that is not ready
	ready   bool            // the peer numbers what it gets
	settles *time.Timer     // when it is taken to be ready; nil until needed

	// what comes in
	next     int64       // number of the next message to come
	received int64       // the highest number that came
	silent   bool        // back, and its Sequence has not come
	owing    bool        // an Ack will fall due
	due      bool        // an Ack is due
	acks     *time.Timer // nil until needed
}

// newResumable makes the pipe of a session whose receiver is above. Of what was
// sent and not acknowledged it keeps limit bytes or more, at the expense of
// the budget.
func newResumable(above wire.Receiver, limit int, budget *replay.Budget, patience time.Duration) *resumable {
	return &resumable{above: above, patience: patience, log: replay.Log[*wire.Encoded]{Limit: limit, Budget: budget}}
}

// leg is one WebSocket of a connection.
type leg struct {
	*resumable
	pipe     wire.Pipe
	back     bool // it is not the first, and our Sequence is not sent
	replaced bool // another one has come
	gone     chan struct{}
}

// socket is what a leg stands on.
type socket interface {
	wire.Pipe
	Start(wire.Receiver)
}

// trackable tells whether messages of a kind are numbered: those that a lost
// WebSocket may not lose.
func trackable(k wire.Kind) bool {
	switch k {
	case wire.Call, wire.StreamCall, wire.Result, wire.Item, wire.End, wire.Cancel:
		return true
	}
	return false
}

// enable begins the numbering, with the first message after the handshake. A
// peer that is not ready is sent none before it has said something: npm's
// client does not count what comes in one go with the handshake's answer, and
// then says Ping. To one that is ready this end does so.
func (r *resumable) enable(d dialect, ready bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dialect, r.next, r.ready, r.pinging = d, 1, ready, ready
}

// status tells what to answer to a WebSocket that comes back: 0 means that it
// may.
func (r *resumable) status() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over || r.closing:
		return http.StatusNoContent
	case r.dialect == nil:
		return http.StatusConflict
	}
	return 0
}

// attach goes on with a WebSocket, in place of one that is still there. It is
// false when the connection has ended.
func (r *resumable) attach(s socket) bool {
	l := &leg{resumable: r, pipe: s, gone: make(chan struct{})}
	if !r.join(l) {
		return false
	}
	if l.back {
		r.session.Away(false)
		r.rewind()
	}
	s.Start(l)
	return true
}

// join makes l the leg of the moment, once no other one is.
func (r *resumable) join(l *leg) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.leg != nil {
		old := r.leg
		old.replaced = true
		r.mu.Unlock()
		old.pipe.CloseNow()
		<-old.gone
		r.mu.Lock()
	}
	if r.over {
		return false
	}
	l.back = r.legs > 0
	r.silent = l.back
	r.leg, r.cause = l, nil
	r.legs++
	if r.timer != nil {
		r.timer.Stop()
	}
	if l.back {
		r.log.Carry(0)
	}
	if r.paused {
		l.pipe.Pause()
	}
	return true
}

// Receive implements [wire.Receiver].
func (l *leg) Receive(data []byte, binary bool) { l.above.Receive(data, binary) }

// Heard implements [wire.Receiver].
func (l *leg) Heard() { l.above.Heard() }

// Take implements [wire.Receiver]: what is due of our own, then what the
// session has, unless too much of it is on its way already.
func (l *leg) Take(batch []*wire.Encoded) []*wire.Encoded {
	r := l.resumable
	r.mu.Lock()
	defer r.mu.Unlock()
	batch = r.greet(l, batch)
	if !r.flows() {
		return batch
	}
	n := len(batch)
	batch = r.above.Take(append(batch, r.held...))
	r.held = nil
	r.spoke = r.spoke || len(batch) > n
	batch = r.hold(batch, n)
	r.keep(batch[n:])
	return r.signs(batch) // what has waited for the handshake's answer
}

// flows tells whether the session's messages may be taken.
func (r *resumable) flows() bool {
	return r.closing || !r.log.Full() && (r.ready || len(r.held) == 0)
}

// settling is how long a peer may take to say something before it is taken to
// be ready.
const settling = time.Second

// hold keeps back what a peer that is not ready would not count.
func (r *resumable) hold(batch []*wire.Encoded, from int) []*wire.Encoded {
	if r.dialect == nil || r.ready || r.closing {
		return batch
	}
	passed := batch[:from]
	for _, e := range batch[from:] {
		if trackable(e.Kind) {
			r.held = append(r.held, e)
			continue
		}
		passed = append(passed, e)
	}
	if len(r.held) > 0 && r.settles == nil {
		r.settles = time.AfterFunc(settling, r.settle)
	}
	return passed
}

// settle takes the peer to be ready.
func (r *resumable) settle() {
	r.mu.Lock()
	r.ready = true
	l := r.leg
	r.mu.Unlock()
	if l != nil {
		l.pipe.Wake()
	}
}

// greet appends what goes before all else: on a WebSocket that goes on, the
// number of the message that comes next, and those that the peer may not have.
func (r *resumable) greet(l *leg, batch []*wire.Encoded) []*wire.Encoded {
	if !l.back {
		return r.signs(batch)
	}
	l.back = false
	first := r.dialect.appendSequence(nil, r.log.First())
	return r.log.All(r.signs(append(batch, r.encoded(first))))
}

// signs appends an Ack and a Ping as far as they are due.
func (r *resumable) signs(batch []*wire.Encoded) []*wire.Encoded {
	if !r.spoke { // nothing may go before the handshake's answer
		return batch
	}
	if r.due {
		r.due = false
		batch = append(batch, r.encoded(r.dialect.appendAck(nil, r.received)))
	}
	if r.pinging {
		r.pinging = false
		if data, err := r.dialect.Append(nil, &wire.Message{Kind: wire.Ping}); err == nil {
			batch = append(batch, r.encoded(data))
		}
	}
	return batch
}

func (r *resumable) encoded(data []byte) *wire.Encoded {
	return &wire.Encoded{Data: data, Binary: r.dialect.Binary()}
}

// keep numbers messages, and keeps them until they are acknowledged. It is
// false when there was no memory for one of them.
func (r *resumable) keep(messages []*wire.Encoded) bool {
	if r.dialect == nil {
		return true
	}
	kept := true
	for _, e := range messages {
		if trackable(e.Kind) {
			kept = r.log.Append(e, len(e.Data)) && kept
		}
	}
	return kept
}

// Closed implements [wire.Receiver].
func (l *leg) Closed(err error) {
	r := l.resumable
	r.mu.Lock()
	r.leg = nil
	r.keep(r.held) // whoever comes back is ready
	r.held, r.ready = nil, true
	away := r.survives(l, err)
	if away {
		r.depart(err)
	} else {
		r.finish()
	}
	r.mu.Unlock()
	if !away {
		close(l.gone)
		r.above.Closed(err)
		return
	}
	r.session.Away(true)
	close(l.gone)
	r.Wake()
	if r.left != nil && !l.replaced {
		r.left()
	}
}

// survives tells whether the connection outlives the end of a leg: that end
// was no goodbye, and nothing the peer may have missed is lost.
func (r *resumable) survives(l *leg, err error) bool {
	var bye *wire.CloseError
	graceful := err == nil || errors.As(err, &bye) || errors.Is(err, wire.ErrProtocol)
	switch {
	case r.dialect == nil || !r.spoke || r.closing:
		return false
	case graceful && !l.replaced:
		return false
	}
	return r.log.Complete() && r.log.Carry(absence)
}

// absence is what a connection without its WebSocket takes from the budget
// beside its messages, roughly what it occupies.
const absence = 4 << 10

// errReplaced is why a WebSocket ended for which another one came, and failed.
var errReplaced = errors.New("replaced")

// depart begins to wait for the peer.
func (r *resumable) depart(cause error) {
	r.cause = cause
	if cause == nil {
		r.cause = errReplaced
	}
	r.pinging = false
	if r.timer != nil {
		r.timer.Stop()
	}
	legs := r.legs
	r.timer = time.AfterFunc(r.patience, func() { r.expire(legs) })
}

// expire ends a connection whose peer has not come back since so many legs.
func (r *resumable) expire(legs int) {
	r.mu.Lock()
	stale := r.leg != nil || r.legs != legs || r.over
	cause := r.cause
	if !stale {
		r.finish()
	}
	r.mu.Unlock()
	if !stale {
		r.above.Closed(fmt.Errorf("signalr: the other end did not come back: %w", cause))
	}
}

// abandon ends a connection that waits for its peer in vain.
func (r *resumable) abandon(err error) {
	r.mu.Lock()
	stale := r.leg != nil || r.over
	if !stale {
		r.finish()
	}
	r.mu.Unlock()
	if !stale {
		r.above.Closed(err)
	}
}

// finish lets go of everything.
func (r *resumable) finish() {
	r.over = true
	r.log.Clear()
	r.held = nil
	for _, t := range []*time.Timer{r.timer, r.acks, r.settles} {
		if t != nil {
			t.Stop()
		}
	}
}

// Transport implements [wire.Pipe].
func (r *resumable) Transport() string { return "websocket" }

// Wake implements [wire.Pipe]. For a peer that is away, what waits goes into
// the log.
func (r *resumable) Wake() {
	r.mu.Lock()
	l := r.leg
	fits := l != nil || r.legs == 0 || r.over || r.gather()
	r.mu.Unlock()
	if l != nil {
		l.pipe.Wake()
	}
	if !fits {
		r.session.Fail(wire.Goodbye{Code: 1013, Reason: "too slow", Failed: true, Reconnect: true}, parley.ErrSlow)
	}
}

// gather takes what waits for a peer that is away. It is false when that is
// more than the budget allows.
func (r *resumable) gather() bool {
	if !r.log.Full() && !r.keep(r.above.Take(nil)) {
		return false
	}
	return r.log.Carry(absence + r.session.Waiting())
}

// Ping implements [wire.Pipe]: the ping is the hub protocol's. It does not
// wait in the session's queue, so that none gather while the peer is away, and
// one gets through when the log is full.
func (r *resumable) Ping() bool {
	r.mu.Lock()
	l, enabled := r.leg, r.dialect != nil
	r.pinging = l != nil && enabled && r.spoke
	r.mu.Unlock()
	if l == nil {
		return true
	}
	if !enabled {
		return l.pipe.Ping()
	}
	l.pipe.Wake()
	return true
}

// Lend implements [wire.Lender].
func (r *resumable) Lend(w wire.Worker) bool {
	r.mu.Lock()
	l := r.leg
	r.mu.Unlock()
	if l == nil {
		return false
	}
	lender, ok := l.pipe.(wire.Lender)
	return ok && lender.Lend(w)
}

// Pause implements [wire.Pipe].
func (r *resumable) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = true
	if r.leg != nil {
		r.leg.pipe.Pause()
	}
}

// Resume implements [wire.Pipe].
func (r *resumable) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = false
	if r.leg != nil {
		r.leg.pipe.Resume()
	}
}

// Close implements [wire.Pipe].
func (r *resumable) Close(code int, reason string) {
	if p := r.end(); p != nil {
		p.Close(code, reason)
	}
}

// CloseNow implements [wire.Pipe].
func (r *resumable) CloseNow() {
	if p := r.end(); p != nil {
		p.CloseNow()
	}
}

// end is the session's: nothing is resumed any more. It returns the pipe that
// is to be closed, if there is one.
func (r *resumable) end() wire.Pipe {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closing = true
	if r.leg != nil {
		return r.leg.pipe
	}
	if !r.over {
		r.finish()
		go r.above.Closed(nil) // ends at once; apart, as the session may be in the middle of something
	}
	return nil
}

// admit takes the messages of stateful reconnect and tells whether the session
// is to see another one. The error is the peer's fault.
func (r *resumable) admit(m *message) (bool, error) {
	r.mu.Lock()
	flowed := r.flows()
	r.ready = true
	seen, err := r.judge(m)
	var wake wire.Pipe
	if r.leg != nil && (r.due || !flowed && r.flows()) {
		wake = r.leg.pipe
	}
	r.mu.Unlock()
	if wake != nil {
		wake.Wake()
	}
	return seen, err
}

func (r *resumable) judge(m *message) (bool, error) {
	switch {
	case r.dialect == nil:
		return m.typ != ack && m.typ != sequence, nil
	case m.typ == sequence:
		return false, r.resequence(m.sequence)
	case r.silent: // as both of Microsoft's ends do; what is numbered will come again
		return m.typ == closing, nil
	case m.typ == ack:
		return false, r.acknowledge(m.sequence)
	case m.typ >= invocation && m.typ <= cancelInvocation:
		return r.count(), nil
	}
	return true, nil
}

// resequence takes the number of the message that comes next, which a peer
// that has come back says first. If that is not a new one, our Ack was lost.
func (r *resumable) resequence(id int64) error {
	switch {
	case !r.silent:
		return errors.New(unasked())
	case id < 1:
		return errors.New(tooLow())
	case id > r.received+1:
		return errors.New(tooHigh())
	}
	r.silent, r.next = false, id
	r.due = r.due || id <= r.received
	return nil
}

// tooHigh is Microsoft's sentence, the others are ours.
func tooHigh() string { return "Sequence ID greater than amount of messages we've received." }

func tooLow() string { return "Sequence ID less than 1." }

func unasked() string { return "Sequence message without a reconnect." }

func unsent() string { return "Ack of a message that was never sent." }

func (r *resumable) acknowledge(id int64) error {
	if !r.log.Release(id) {
		return errors.New(unsent())
	}
	return nil
}

// count numbers a message and tells whether it is new. One that is not gets an
// Ack as well: the one before was lost.
func (r *resumable) count() bool {
	id := r.next
	r.next++
	r.oweAck()
	if id <= r.received {
		return false
	}
	r.received = id
	return true
}

// ackInterval is the least time between two Acks.
const ackInterval = time.Second

func (r *resumable) oweAck() {
	if r.owing || r.over {
		return
	}
	r.owing = true
	if r.acks == nil {
		r.acks = time.AfterFunc(ackInterval, r.sendAck)
		return
	}
	r.acks.Reset(ackInterval)
}

func (r *resumable) sendAck() {
	r.mu.Lock()
	r.owing, r.due = false, true
	l := r.leg
	r.mu.Unlock()
	if l != nil {
		l.pipe.Wake()
	}
}
