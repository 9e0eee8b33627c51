package transport

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/parley-go/parley/wire"
)

// EventStream is a pipe of Server-Sent Events (WHATWG HTML §9.2): one GET whose
// response goes on and brings messages, and POSTs that take them. Whoever makes
// it calls Serve.
type EventStream struct {
	requests
	form    *StreamForm   // fixed after construction
	timeout time.Duration // likewise: of a write
	pinging bool          // guarded by mu: a ping is to be written
}

// StreamForm is how an [EventStream] is written. It does not change any more once
// it is in use, and may be shared.
type StreamForm struct {
	// Name is the transport's name; empty means "sse".
	Name   string
	Header http.Header
	// Opening is what comes first. Nothing more than the header is sent when it is
	// empty.
	Opening []byte
	// Ping keeps the way open; empty for none.
	Ping []byte
	// Frame writes a message. The result is kept with the message.
	Frame func(e *wire.Encoded) []byte
	// Once ends the stream with the first batch: it is a poll that is held.
	Once bool
}

// NewEventStream makes a pipe of events under rcv.
func NewEventStream(rcv wire.Receiver, o *Options) *EventStream {
	form := &StreamForm{Header: o.EventHeader, Opening: comment, Ping: comment, Frame: event}
	if o.EventCRLF {
		form.Opening, form.Frame = commentCRLF, eventCRLF
	}
	if form.Header == nil {
		form.Header = eventHeader()
	}
	return NewStream(rcv, o, form)
}

// NewStream makes a pipe under rcv whose messages are written otherwise.
func NewStream(rcv wire.Receiver, o *Options, form *StreamForm) *EventStream {
	return &EventStream{requests: newRequests(rcv), form: form, timeout: o.writeTimeout()}
}

// Serve answers the GET: it writes until the pipe has ended. A client that
// hangs up has said goodbye in the only way EventSource knows; one that does
// not read for the write timeout is cut off.
func (p *EventStream) Serve(w http.ResponseWriter, r *http.Request) {
	if p.enter() != nil {
		return
	}
	defer p.running.Done()
	for name, values := range p.form.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(http.StatusOK)
	p.end(p.write(w, r.Context().Done()))
}

func eventHeader() http.Header {
	return http.Header{
		"Content-Type":      {"text/event-stream"},
		"Cache-Control":     {"no-cache, no-store, no-transform"},
		"X-Accel-Buffering": {"no"}, // nginx must not wait for more
	}
}

// write writes what can be taken, each batch with one flush.
func (p *EventStream) write(w http.ResponseWriter, hungUp <-chan struct{}) error {
	out := &response{w: w, rc: http.NewResponseController(w), timeout: p.timeout}
	out.write(p.form.Opening) // the first bytes tell the client that it is connected
	frame := func(e *wire.Encoded) any { return p.form.Frame(e) }
	var batch []*wire.Encoded
	for {
		ping, last := p.asked()
		if ping {
			out.write(p.form.Ping)
		}
		batch = p.rcv.Take(batch[:0])
		for _, e := range batch {
			out.write(e.Framed(wire.EventStreamForm, frame).([]byte))
			last = last || p.form.Once
		}
		clear(batch)
		if err := out.flush(); err != nil || last {
			return err
		}
		select {
		case <-p.wake:
		case <-p.gone:
			return nil
		case <-hungUp:
			return nil
		}
	}
}

// comment is a line that clients ignore (§9.2.6), and keeps the way open.
var comment = []byte(":\n\n")

var commentCRLF = []byte(":\r\n")

// asked tells whether there is a ping to be written, and whether the next
// batch is the last. It looks before the batch is taken, so that all that was
// said before Close is in it.
func (p *EventStream) asked() (ping, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ping, p.pinging = p.pinging, false
	return ping, p.bye
}

// event frames a message as an event of the default type. Every line of it
// becomes a line of the event, as carriage returns and line feeds end one
// (§9.2.6).
func event(e *wire.Encoded) []byte { return frameEvent(e.Data, "\n") }

func eventCRLF(e *wire.Encoded) []byte { return frameEvent(e.Data, "\r\n") }

func frameEvent(rest []byte, newline string) []byte {
	framed := make([]byte, 0, len(rest)+16)
	for {
		i := bytes.IndexAny(rest, "\r\n")
		if i < 0 {
			framed = append(append(framed, "data: "...), rest...)
			return append(append(framed, newline...), newline...)
		}
		framed = append(append(append(framed, "data: "...), rest[:i]...), newline...)
		if rest[i] == '\r' && i+1 < len(rest) && rest[i+1] == '\n' {
			i++
		}
		rest = rest[i+1:]
	}
}

// response is a response written piece by piece, of which none may take longer
// than the timeout. After an error it writes nothing more.
type response struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	written int // since the deadline was set
	dirty   bool
	err     error
}

const pieceBytes = 64 << 10 // what one timeout is for

func (o *response) write(p []byte) {
	if o.err != nil {
		return
	}
	if !o.dirty || o.written >= pieceBytes {
		// Where deadlines are unsupported, net/http's own stands.
		o.rc.SetWriteDeadline(time.Now().Add(o.timeout))
		o.dirty, o.written = true, 0
	}
	o.written += len(p)
	_, o.err = o.w.Write(p)
}

// flush sends what was written and lifts the deadline: an HTTP/2 stream would
// fail at it even while nothing is being written.
func (o *response) flush() error {
	if !o.dirty || o.err != nil {
		return o.failed()
	}
	if o.err = o.rc.Flush(); o.err == nil {
		o.rc.SetWriteDeadline(time.Time{})
		o.dirty = false
	}
	return o.failed()
}

func (o *response) failed() error {
	if o.err == nil {
		return nil
	}
	return fmt.Errorf("transport: event stream: %w", o.err)
}

// Transport implements [wire.Pipe].
func (p *EventStream) Transport() string {
	if p.form.Name == "" {
		return "sse"
	}
	return p.form.Name
}

// Ping implements [wire.Pipe]: it writes a comment, which nobody answers, but
// which shows whether the way is open.
func (p *EventStream) Ping() bool {
	if len(p.form.Ping) == 0 {
		return false
	}
	p.mu.Lock()
	p.pinging = true
	p.mu.Unlock()
	p.Wake()
	return true
}

// Close implements [wire.Pipe]. A client that does not read is cut off by the
// write timeout.
func (p *EventStream) Close(int, string) {
	p.mu.Lock()
	p.bye = true
	p.mu.Unlock()
	p.Wake()
}

// CloseNow implements [wire.Pipe]. A write that is under way still has its
// timeout.
func (p *EventStream) CloseNow() { p.end(nil) }
