package transport

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/parley-go/parley/wire"
)

// Requesting says how a client reaches its server by HTTP requests.
type Requesting struct {
	URL string
	// Do sends a request, as [http.Client.Do] does. It must not bound the time
	// of an answer's body.
	Do func(*http.Request) (*http.Response, error)
	// Timeout bounds each request that does not wait for messages, and is when
	// a poll is given up and sent again. Zero means 100 s.
	Timeout time.Duration
}

// StatusError is an answer of the server that opens no pipe, or ends one.
type StatusError struct {
	Code int
	Err  error // what else is known; nil for nothing
}

// Error tells the status.
func (e *StatusError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("transport: the server answered %d %s", e.Code, http.StatusText(e.Code))
}

// Unwrap returns what else is known.
func (e *StatusError) Unwrap() error { return e.Err }

// posts is what the client's pipes made of HTTP requests have in common: POSTs
// take messages to the server, one at a time, and when they fail or Close is
// called, the pipe ends.
type posts struct {
	gate // holds back what comes from the server

	// fixed after construction
	how    Requesting
	o      *Options
	ctx    context.Context // ends with the pipe, and so do its requests
	cancel context.CancelFunc
	leave  func()                                           // says goodbye by a request, where there is one; nil for none
	join   func(batch []*wire.Encoded) (body []byte, n int) // writes the body of one POST, of n messages; nil: one behind the other
	last   []byte                                           // the body of a POST that is Close's goodbye; nil for none

	tasks sync.WaitGroup // the reader and the flusher of the moment

	mu       sync.Mutex
	rcv      wire.Receiver // nil: not started
	woken    bool          // there may be something to take
	flushing bool          // a flusher runs, or has run for the last time
	failed   bool          // a POST has
	bye      bool          // Close was called
	cut      bool          // CloseNow was called
	quit     bool          // Quit was called: the pipe ends after its reader
	read     bool          // the reader has ended
	ended    bool
	late     *time.Timer // ends a pipe that is about to end anyway
	err      error       // how it ended
}

func (p *posts) init(how *Requesting, o *Options) {
	p.how, p.o = *how, o
	p.how.Timeout = orDefault(how.Timeout, 100*time.Second)
	p.ctx, p.cancel = context.WithCancel(context.Background())
}

// start hands what comes in to rcv from now on, by read, which returns when
// the server has ended the pipe.
func (p *posts) start(rcv wire.Receiver, read func() error) {
	p.mu.Lock()
	p.rcv = rcv
	ended := p.ended
	if !ended {
		p.tasks.Go(func() { p.readTo(read()) }) // ends with the pipe, which waits for it
	}
	p.mu.Unlock()
	if ended {
		go p.tell() // as below
		return
	}
	p.Wake()
}

// readTo ends the pipe after its reader has. What is being posted when there is
// to be no other request arrives before.
func (p *posts) readTo(err error) {
	p.mu.Lock()
	p.read = true
	waits := p.quit && p.flushing && !p.failed && err == nil
	p.mu.Unlock()
	if !waits {
		p.end(err)
	}
}

// end ends the pipe for the reason err, unless there was one before. Only the
// first call counts.
func (p *posts) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = true
	if p.err == nil {
		p.err = err
	}
	if p.late != nil {
		p.late.Stop()
	}
	p.cancel()
	if p.rcv != nil {
		go p.tell() // ends with the pipe's last request; the receiver's session waits for Closed
	}
}

// tell tells the receiver that the pipe has ended.
func (p *posts) tell() {
	p.tasks.Wait()
	p.mu.Lock()
	err := p.err
	if p.bye || p.cut {
		err = nil
	}
	leaving := p.bye && !p.cut
	p.mu.Unlock()
	if leaving && p.leave != nil {
		p.leave()
	}
	p.rcv.Closed(err)
}

// Wake implements [wire.Pipe].
func (p *posts) Wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.woken = true
	if p.flushing || p.rcv == nil || p.ended || p.quit && p.read {
		return
	}
	p.flushing = true
	p.tasks.Go(p.flush) // ends when nothing is left to take; the pipe's end waits for it
}

// flush posts what can be taken, until nothing is left.
func (p *posts) flush() {
	var batch []*wire.Encoded
	for p.more() {
		batch = p.rcv.Take(batch[:0])
		for rest := batch; len(rest) > 0; {
			body, n := p.body(rest)
			if err := p.post(body, p.join == nil && rest[0].Binary); err != nil {
				p.fail(err)
				return
			}
			rest = rest[n:]
		}
		clear(batch)
	}
}

// body is that of one POST, and how many messages of the batch are in it.
func (p *posts) body(batch []*wire.Encoded) (body []byte, n int) {
	if p.join != nil {
		return p.join(batch)
	}
	n = joined(batch)
	for _, e := range batch[:n] {
		body = append(body, e.Data...)
	}
	return body, n
}

const postBytes = 64 << 10 // of messages that share a POST

// joined is how many messages of a batch go into one POST.
func joined(batch []*wire.Encoded) int {
	size := 0
	for i, e := range batch {
		size += len(e.Data)
		if i > 0 && (size > postBytes || e.Binary != batch[0].Binary) {
			return i
		}
	}
	return len(batch)
}

// more tells the flusher whether to look again. When all is said and Close was
// called, it ends the pipe.
func (p *posts) more() bool {
	p.mu.Lock()
	quit := p.quit && p.read
	more := p.woken && !p.ended && !quit
	bye := p.bye && !more
	over := bye || quit
	p.woken, p.flushing = false, more || over
	p.mu.Unlock()
	if bye && p.last != nil {
		p.post(p.last, false) // whatever it is answered, the pipe has ended
	}
	if over {
		p.end(nil)
	}
	return more
}

func (p *posts) post(body []byte, binary bool) error {
	ctx, cancel := context.WithTimeout(p.ctx, p.how.Timeout)
	defer cancel()
	kind := "text/plain;charset=UTF-8"
	if binary {
		kind = "application/octet-stream"
	}
	resp, err := p.request(ctx, http.MethodPost, bytes.NewReader(body), "Content-Type", kind)
	if err != nil {
		return err
	}
	defer discard(resp)
	if resp.StatusCode/100 != 2 {
		return &StatusError{Code: resp.StatusCode}
	}
	return nil
}

// fail ends a pipe by which nothing can be sent any more, but not at once: the
// server may have ended it, and its last words may be on their way.
func (p *posts) fail(err error) {
	p.mu.Lock()
	over := p.bye
	p.failed = true
	if !p.ended {
		p.err = err
		if !over {
			p.late = time.AfterFunc(p.o.closeTimeout(), func() { p.end(nil) })
		}
	}
	p.mu.Unlock()
	if over {
		p.end(nil)
	}
}

func (p *posts) request(ctx context.Context, method string, body io.Reader, name, value string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.how.URL, body)
	if err != nil {
		return nil, err
	}
	if name != "" {
		req.Header.Set(name, value)
	}
	return p.how.Do(req)
}

// discard lets go of an answer. A short one is read, so that its connection
// serves again.
func discard(resp *http.Response) {
	io.CopyN(io.Discard, resp.Body, 4<<10)
	resp.Body.Close()
}

// Ping implements [wire.Pipe]: no request is one.
func (p *posts) Ping() bool { return false }

// Close implements [wire.Pipe]. A server that does not take what is left is
// given twice the close timeout.
func (p *posts) Close(int, string) {
	p.mu.Lock()
	if p.bye || p.ended {
		p.mu.Unlock()
		return
	}
	p.bye = true
	failed := p.failed
	if p.late != nil {
		p.late.Stop()
	}
	p.late = time.AfterFunc(2*p.o.closeTimeout(), p.CloseNow)
	p.mu.Unlock()
	if failed {
		p.end(nil)
		return
	}
	p.Wake()
}

// CloseNow implements [wire.Pipe].
func (p *posts) CloseNow() {
	p.mu.Lock()
	p.cut = true
	p.mu.Unlock()
	p.end(nil)
}
