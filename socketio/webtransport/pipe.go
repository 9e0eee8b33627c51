package webtransport

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/parley-go/parley/wire"
)

// stream is what a pipe needs of a *webtransport.Stream.
type stream interface {
	io.ReadWriteCloser // Close ends the writing half
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	CancelRead(webtransport.StreamErrorCode)
	CancelWrite(webtransport.StreamErrorCode)
}

// pipe is a [wire.Pipe] over one stream. The goroutine that runs serve reads it;
// another writes it while there is something to write.
type pipe struct {
	// fixed after construction
	stream       stream
	ctx          context.Context // of the session; ends with it
	writeTimeout time.Duration
	closeTimeout time.Duration

	frames *frames // owned by serve

	mu      sync.Mutex
	rcv     wire.Receiver // nil before begin
	resumed chan struct{} // closed by Resume; nil when not paused
	wanted  bool          // there is something to Take
	written chan struct{} // closed when the goroutine that writes is gone; nil when there is none
	late    *time.Timer   // when the end comes after a Close; nil before
	ours    bool          // this side has ended it
	over    bool          // nothing is to be written any more
	err     error         // why, when it was not the peer or the session
}

func newPipe(ctx context.Context, s stream, o *limits) *pipe {
	return &pipe{
		stream: s, ctx: ctx, frames: newFrames(s, o.message),
		writeTimeout: cmp.Or(o.write, 10*time.Second),
		closeTimeout: cmp.Or(o.close, 5*time.Second),
	}
}

// limits are those of the endpoint.
type limits struct {
	message      int64 // bytes
	write, close time.Duration
}

// begin hands the pipe to its receiver.
func (p *pipe) begin(rcv wire.Receiver) {
	p.mu.Lock()
	p.rcv = rcv
	p.mu.Unlock()
	p.Wake()
}

// serve hands up what comes in, until the pipe has ended.
func (p *pipe) serve() {
	err := p.read()
	p.mu.Lock()
	p.over = true
	why, writing := p.why(err), p.written
	if p.late != nil {
		p.late.Stop()
	}
	p.mu.Unlock()
	p.cut()
	if writing != nil {
		<-writing
	}
	p.rcv.Closed(why)
}

func (p *pipe) read() error {
	for {
		data, binary, err := p.frames.next()
		if err != nil {
			return err
		}
		if !p.flows() {
			_, err := p.stream.Read(make([]byte, 1)) // which tells why
			return err
		}
		p.rcv.Receive(data, binary)
	}
}

// why is the reason the pipe ended, as the receiver wants to hear it. The caller
// holds mu.
func (p *pipe) why(err error) error {
	var session *webtransport.SessionError
	var conn *quic.ApplicationError
	if p.err != nil {
		err = p.err
	}
	switch {
	case p.ours || errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &session) && session.Remote:
		return ordinary(int(session.ErrorCode), session.Message)
	case errors.As(err, &conn) && conn.Remote && (conn.ErrorCode == 0 || http3.ErrCode(conn.ErrorCode) == http3.ErrCodeNoError):
		return nil // the browser has gone
	}
	return err
}

// ordinary is nil for the goodbye of a peer that simply leaves: code 0, which is
// also what a browser says that is given none.
func ordinary(code int, reason string) error {
	if code == 0 {
		return nil
	}
	return &wire.CloseError{Code: code, Reason: reason}
}

// Transport implements [wire.Pipe].
func (p *pipe) Transport() string { return "webtransport" }

// Wake implements [wire.Pipe].
func (p *pipe) Wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
	if p.written == nil && p.rcv != nil && !p.over {
		p.written = make(chan struct{})
		go p.write(p.written) // owned by the pipe; ends when there is nothing to write, and serve waits for that
	}
}

// Writable implements [wire.Gauge].
func (p *pipe) Writable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.written == nil && !p.over
}

// write writes until there is nothing more.
func (p *pipe) write(written chan struct{}) {
	defer close(written)
	var batch []*wire.Encoded
	for p.wants() {
		batch = p.rcv.Take(batch[:0])
		if err := p.send(batch); err != nil {
			p.fail(err)
		}
		clear(batch)
	}
}

// wants tells whether there is something to Take. When there is not, whoever
// asks has nothing more to do; then, after a Close, the last word is said.
func (p *pipe) wants() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted && !p.over {
		p.wanted = false
		return true
	}
	p.written = nil
	if p.late != nil && !p.over {
		p.over = true
		p.stream.Close()
		p.late.Reset(min(lastWords, p.closeTimeout))
	}
	return false
}

// lastWords is how long the end of the session waits for what was written before
// it: it travels on another stream, and a browser that gets it first drops the
// rest.
const lastWords = 200 * time.Millisecond

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// send writes a batch at once.
func (p *pipe) send(batch []*wire.Encoded) error {
	if len(batch) == 0 {
		return nil
	}
	buf := buffers.Get().(*[]byte)
	b := (*buf)[:0]
	for _, e := range batch {
		b = appendFrame(b, e)
	}
	p.stream.SetWriteDeadline(time.Now().Add(p.writeTimeout))
	_, err := p.stream.Write(b)
	if *buf = b; cap(b) <= growBytes {
		buffers.Put(buf)
	}
	return err
}

// fail ends a pipe that cannot be written.
func (p *pipe) fail(err error) {
	p.mu.Lock()
	if !p.over && !p.ours && p.ctx.Err() == nil {
		p.err = err
	}
	p.over = true
	p.mu.Unlock()
	p.cut()
}

// Ping implements [wire.Pipe]: Engine.IO has pings of its own.
func (p *pipe) Ping() bool { return false }

// Pause implements [wire.Pipe].
func (p *pipe) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resumed == nil {
		p.resumed = make(chan struct{})
	}
}

// Resume implements [wire.Pipe].
func (p *pipe) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resumed != nil {
		close(p.resumed)
		p.resumed = nil
	}
}

// flows returns when there is no pause, or with false when the session has ended.
func (p *pipe) flows() bool {
	for {
		p.mu.Lock()
		resumed := p.resumed
		p.mu.Unlock()
		if resumed == nil {
			return true
		}
		select {
		case <-resumed:
		case <-p.ctx.Done():
			return false
		}
	}
}

// Close implements [wire.Pipe]. The transport has no words for code and reason.
func (p *pipe) Close(int, string) {
	p.mu.Lock()
	if p.late != nil || p.over {
		p.mu.Unlock()
		return
	}
	p.ours = true
	p.late = time.AfterFunc(p.closeTimeout, p.CloseNow)
	p.mu.Unlock()
	p.Resume()
	p.Wake()
}

// CloseNow implements [wire.Pipe].
func (p *pipe) CloseNow() {
	p.mu.Lock()
	p.ours, p.over = true, true
	p.mu.Unlock()
	p.Resume()
	p.cut()
}

// cut ends what runs: a Read that waits for the rest of the session's end, too.
func (p *pipe) cut() {
	p.stream.CancelRead(0)
	p.stream.CancelWrite(0)
	p.stream.SetReadDeadline(time.Unix(1, 0))
}
