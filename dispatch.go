package parley

import (
	"slices"
	"sync"

	"github.com/parley-go/parley/wire"
)

// dispatch runs the calls that come in on one connection: in order, a bounded
// number at a time, each until its end. Streams, and calls that bring streams,
// begin in order too and then run beside the others.
//
// A call runs on the goroutine that received it where the pipe lends that,
// unless its handler has been seen to take its time; else on one of its own.
type dispatch struct {
	session *Session // fixed after construction

	mu         sync.Mutex
	waiting    line
	bytes      int     // of the waiting calls
	workers    int     // places that are taken, of Limits.Parallelism
	beside     int     // goroutines that run calls without a place
	asking     int     // calls of this side that wait for the peer's answer
	active     []*Call // running or waiting, that have an ID
	lent       *Call   // what the goroutine that receives is to begin with
	loan       uint32  // counts the goroutines that were lent
	borrowing  bool    // what comes stays where it is until the goroutine that was lent returns
	connecting bool    // OnConnect runs: calls wait, whatever the parallelism
	paused     bool    // the pipe was asked to pause
	last       func()  // runs once all is done; set by finish
}

// push takes a call: it runs at once if fewer than the allowed number run,
// else it waits for its turn. It does not block.
func (d *dispatch) push(c *Call) {
	d.mu.Lock()
	if d.last != nil {
		d.mu.Unlock()
		c.release()
		return
	}
	if refusal := d.admit(c); refusal != nil {
		d.mu.Unlock()
		d.session.answer(c, refusal)
		c.release()
		return
	}
	if d.workers < d.session.core.limits.Parallelism && !d.connecting {
		d.begin(c)
		d.mu.Unlock()
		return
	}
	if d.borrowing {
		c.loan = d.loan
	} else {
		c.own()
	}
	d.waiting.add(c)
	d.bytes += c.size()
	pause := !d.paused && d.crowded()
	d.paused = d.paused || pause
	d.mu.Unlock()
	if pause {
		d.session.pause(true)
	}
}

// begin gives c a place, and a goroutine: the one that is lent, or its own. The
// caller holds mu.
func (d *dispatch) begin(c *Call) {
	d.workers++
	d.connecting = c.hook != nil
	if d.lent == nil && c.quick() && d.session.lend() {
		d.loan++
		c.loan, d.lent, d.borrowing = d.loan, c, true
		return
	}
	c.own()
	go d.work(c, 0) // ends when no call waits; Session.Closed waits for it
}

// received ends the Receive whose goroutine was lent: what comes now lies
// elsewhere.
func (d *dispatch) received() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.borrowing = false
}

// workLent works on the goroutine that was lent.
func (d *dispatch) workLent() {
	d.mu.Lock()
	c := d.lent
	d.lent = nil
	d.mu.Unlock()
	if c != nil {
		d.work(c, c.loan)
	}
}

// admit notes the call's ID. Only streams insist on theirs being free:
// Socket.IO clients may use an ack ID again.
func (d *dispatch) admit(c *Call) error {
	if c.ID == "" {
		return nil
	}
	if c.stream && d.find(c.ID) != nil {
		return hubErrorf(wire.CodeDuplicate, "call ID %q is already in use", c.ID)
	}
	d.active = append(d.active, c)
	return nil
}

// find returns the running or waiting call of that ID. The caller holds mu.
func (d *dispatch) find(id string) *Call {
	for _, c := range d.active {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// crowded tells whether the pipe should pause. While the peer is asked
// something, more may wait: its answer comes behind its calls.
func (d *dispatch) crowded() bool {
	l, factor := &d.session.core.limits, 1
	if d.asking > 0 {
		factor = 4
	}
	return len(d.waiting.all()) >= factor*l.WaitingCalls || d.bytes >= factor*l.WaitingBytes
}

// ask notes that the peer is asked something, until the function it returns is
// called.
func (d *dispatch) ask() (answered func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asking++
	if d.paused && !d.crowded() {
		d.paused = false
		d.session.pause(false)
	}
	return d.answered
}

func (d *dispatch) answered() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asking--
	if !d.paused && d.crowded() {
		d.paused = true
		d.session.pause(true)
	}
}

// work runs c, and then what waits. loan is that of a goroutine that was lent,
// else 0.
func (d *dispatch) work(c *Call, loan uint32) {
	defer func() { // c is nil unless a handler ended its goroutine, as t.FailNow does
		if c == nil {
			return
		}
		d.keep()
		if c = d.next(c, 0); c != nil {
			go d.work(c, 0) // in place of the one that ends
		}
	}()
	for c != nil {
		if loan != 0 && !c.quick() {
			c.own()
			d.keep()
			go d.work(c, 0) // as this one
			c = nil
			return
		}
		d.run(c, loan)
		c = d.next(c, loan)
	}
}

// keep makes what waits independent of the goroutine that was lent, which is
// about to go.
func (d *dispatch) keep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keepLocked()
}

// keepLocked is keep for a caller that holds mu.
func (d *dispatch) keepLocked() {
	for _, c := range d.waiting.all() {
		c.own()
	}
}

// next gives back the place of done and takes the call whose turn it is, if
// there is any.
func (d *dispatch) next(done *Call, loan uint32) *Call {
	d.mu.Lock()
	defer d.mu.Unlock()
	done.over = true
	switch {
	case done.yielded:
		d.beside--
	case d.waiting.empty():
		d.workers--
	default:
		return d.shift(loan)
	}
	d.endIfDone()
	return nil
}

// shift takes the first waiting call, for a goroutine of that loan. The caller
// holds mu.
func (d *dispatch) shift(loan uint32) *Call {
	c := d.waiting.take()
	d.bytes -= c.size()
	if c.loan != loan {
		c.own()
	}
	l := &d.session.core.limits
	if d.paused && len(d.waiting.all()) <= l.WaitingCalls/2 && d.bytes <= l.WaitingBytes/2 {
		d.paused = false
		d.session.pause(false)
	}
	return c
}

// yield gives back the place of a call that goes on: it waits for its client,
// whose answer may come behind other calls. The next may run meanwhile, unless
// as many run without a place as may.
func (d *dispatch) yield(c *Call) {
	c.entry.waits(d.session.core.start)
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.yielded || c.over || c.besides() || d.beside >= d.session.core.limits.Streams {
		return
	}
	c.yielded = true
	d.beside++
	d.keepLocked()
	if d.waiting.empty() || d.connecting {
		d.workers--
		return
	}
	go d.work(d.shift(0), 0) // ends when no call waits; Session.Closed waits for it
}

func (d *dispatch) run(c *Call, loan uint32) {
	if c.hook != nil {
		defer d.connected()
		c.hook()
		return
	}
	if c.besides() {
		d.runBeside(c)
		return
	}
	defer d.forget(c)
	if loan == 0 {
		d.session.serve(c)
		return
	}
	d.session.serveTimed(c)
}

// besides tells whether the call needs no place.
func (c *Call) besides() bool { return c.stream || len(c.uploads) > 0 }

// runBeside runs a stream, or a call that brings streams, on a goroutine of its
// own.
func (d *dispatch) runBeside(c *Call) {
	c.own()
	if !d.startBeside() {
		d.session.answer(c, hubErrorf(wire.CodeBusy, "too many streams on this connection"))
		d.forget(c)
		return
	}
	go func() { // ends with the stream; Session.Closed waits for it
		defer d.endBeside(c)
		d.session.serve(c)
	}()
}

func (d *dispatch) endBeside(c *Call) {
	d.forget(c)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.beside--
	d.endIfDone()
}

// connected lets the calls go that have waited for OnConnect; the worker that
// ran it takes one itself.
func (d *dispatch) connected() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.connecting = false
	for len(d.waiting.all()) > 1 && d.workers < d.session.core.limits.Parallelism {
		d.workers++
		go d.work(d.shift(0), 0) // ends when no call waits; Session.Closed waits for it
	}
}

// startBeside reserves a place beside the ordered calls.
func (d *dispatch) startBeside() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.beside >= d.session.core.limits.Streams {
		return false
	}
	d.beside++
	return true
}

// forget notes that a call has ended.
func (d *dispatch) forget(c *Call) {
	c.release()
	if c.ID == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.Index(d.active, c); i >= 0 {
		d.active = slices.Delete(d.active, i, i+1)
	}
	if len(d.active) == 0 && cap(d.active) > keptCalls {
		d.active = nil
	}
}

// cancel ends the context of a running or waiting call.
func (d *dispatch) cancel(id string) {
	d.mu.Lock()
	c := d.find(id)
	d.mu.Unlock()
	if c != nil {
		c.ctx.stop(errCancelled)
	}
}

// finish runs last after the calls that run, and, with drain, after those that
// wait. Streams end. It tells whether there is anything to wait for.
func (d *dispatch) finish(drain bool, last func()) (busy bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.active {
		if c.stream {
			c.ctx.stop(ErrClosed)
		}
	}
	if !drain {
		for _, c := range d.waiting.all() {
			c.release()
		}
		d.waiting, d.bytes = line{}, 0
	}
	d.last = last
	busy = d.workers > 0 || d.beside > 0
	d.endIfDone()
	return busy
}

func (d *dispatch) endIfDone() {
	if d.last != nil && d.workers == 0 && d.beside == 0 {
		go d.last() // the last goroutine of the session; the hub's Shutdown waits for it
	}
}

// line is calls in their order.
type line struct {
	calls []*Call
	gone  int // of them
}

const keptCalls = 8 // an emptied list keeps room for so many

func (l *line) all() []*Call { return l.calls[l.gone:] }

func (l *line) empty() bool { return l.gone == len(l.calls) }

func (l *line) add(c *Call) { l.calls = append(l.calls, c) }

func (l *line) take() *Call {
	c := l.calls[l.gone]
	l.calls[l.gone] = nil
	l.gone++
	if !l.empty() {
		return c
	}
	l.calls, l.gone = l.calls[:0], 0
	if cap(l.calls) > keptCalls {
		l.calls = nil
	}
	return c
}
