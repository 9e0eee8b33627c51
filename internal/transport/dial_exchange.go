package transport

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/parley-go/parley/wire"
)

// Exchange says what travels in the polls and POSTs of a session that is open
// already, as Engine.IO has them.
type Exchange struct {
	// First is handed up as if a poll had brought it. Nil for nothing.
	First []byte
	// Join writes the body of one POST, and tells of how many messages of the
	// batch, which is not empty, it is made.
	Join func(batch []*wire.Encoded) (body []byte, n int)
	// Last is the body of a last POST, by which Close says goodbye.
	Last []byte
}

// DialedExchange is the client's side of a [Poll] whose answers and bodies are
// payloads of the layer above, which reads and writes them. Do has to turn
// every answer but a good one into an error: it ends the pipe. Polls are not
// given up: that is for the layer above, which knows when to expect answers.
type DialedExchange struct {
	posts
	first []byte        // owned by the reader
	left  chan struct{} // closed by Quit
}

// NewDialedExchange makes a pipe, which does nothing before Start.
func NewDialedExchange(how *Requesting, x *Exchange, o *Options) *DialedExchange {
	p := &DialedExchange{first: x.First, left: make(chan struct{})}
	p.init(how, o)
	p.join, p.last = x.Join, x.Last
	return p
}

// Start hands what comes in to rcv from now on. It returns at once.
func (p *DialedExchange) Start(rcv wire.Receiver) { p.start(rcv, p.read) }

// Transport implements [wire.Pipe].
func (p *DialedExchange) Transport() string { return "polling" }

// Quit ends the pipe without a goodbye and without a loss: the poll of the
// moment comes to its end, until then messages are sent, and no other begins. It
// may be called once.
func (p *DialedExchange) Quit() {
	p.mu.Lock()
	p.quit = true
	p.mu.Unlock()
	close(p.left)
}

func (p *DialedExchange) read() error {
	data := p.first
	p.first = nil
	for {
		if !p.wait(p.ctx.Done()) {
			return nil
		}
		if len(data) > 0 {
			p.rcv.Receive(data, false)
		}
		select {
		case <-p.left:
			return nil
		default:
		}
		began := time.Now()
		var err error
		if data, err = p.poll(); err != nil {
			return err
		}
		if len(data) <= 1 {
			p.rest(time.Until(began.Add(soonest)))
		}
	}
}

// soonest is how long after a poll that was answered with nothing the next one
// begins: a server that does so at once is not run down.
const soonest = 50 * time.Millisecond

func (p *DialedExchange) rest(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.left:
	case <-p.ctx.Done():
	}
}

func (p *DialedExchange) poll() ([]byte, error) {
	resp, err := p.request(p.ctx, http.MethodGet, once{}, "", "")
	if err != nil {
		return nil, err
	}
	return ReadAnswer(resp, orDefault(p.o.MaxMessageBytes, 1<<20))
}

// once is the body, empty, of a request that net/http does not send again by
// itself when its connection breaks: the answer may be lost, and what was in it.
type once struct{}

func (once) Read([]byte) (int, error) { return 0, io.EOF }

// ReadAnswer reads the body of an answer, which may have so many bytes.
func ReadAnswer(resp *http.Response, limit int64) ([]byte, error) {
	defer discard(resp)
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("transport: poll: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("transport: poll: the answer has more than %d bytes", limit)
	}
	return data, nil
}
