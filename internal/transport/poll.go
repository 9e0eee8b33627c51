package transport

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/parley-go/parley/wire"
)

// ErrPolling means a poll while another one waits.
var ErrPolling = errors.New("transport: another poll is waiting")

// ErrGone means a request to a pipe that has ended.
var ErrGone = errors.New("transport: connection has ended")

// PollOptions are the manners of one protocol's polls.
type PollOptions struct {
	// Name is the transport's name; empty means "polling".
	Name string
	// Wait bounds how long a poll waits for a message. Zero means 25 s.
	Wait time.Duration
	// Idle ends the pipe when so long no poll came. Zero means 15 s, negative
	// never.
	Idle time.Duration
	// WriteTimeout bounds one response. Zero means 10 s.
	WriteTimeout time.Duration
	// Write answers a poll: with a batch, or with an empty one when the wait
	// is over. last tells that the pipe has been closed and this is all.
	Write func(w http.ResponseWriter, r *http.Request, batch []*wire.Encoded, last bool) error
	// Cut ends the pipe when the client goes away during a poll, as Engine.IO
	// wants it. Otherwise it may come back within Idle.
	Cut bool
	// Replace lets a poll take the place of one that waits, which is answered
	// with an empty batch. Otherwise the newcomer gets ErrPolling.
	Replace bool
}

// Poll is a pipe of HTTP requests: GETs that wait for messages, POSTs that
// bring them. The protocol's HTTP handlers call Serve and Receive.
type Poll struct {
	rcv  wire.Receiver // fixed after construction
	o    PollOptions
	idle *time.Timer

	receiving sync.Mutex     // held while a message is handed up: one at a time
	requests  sync.WaitGroup // inside Serve or Receive
	wake      chan struct{}  // has an element when there may be something to take

	mu      sync.Mutex
	waiting chan struct{} // of the poll that waits: closed when another takes its place; nil when none waits
	bye     bool          // Close was called
	ended   bool
	resumed chan struct{} // closed by Resume; nil when not paused
	gone    chan struct{} // closed when the pipe has ended
}

// NewPoll makes a pipe under rcv. It ends by Close, CloseNow, or its idle time.
func NewPoll(rcv wire.Receiver, o *PollOptions) *Poll {
	p := &Poll{rcv: rcv, o: *o, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	p.o.Wait, p.o.Idle = orDefault(o.Wait, 25*time.Second), orDefault(o.Idle, 15*time.Second)
	p.o.WriteTimeout = orDefault(o.WriteTimeout, 10*time.Second)
	p.idle = time.AfterFunc(max(p.o.Idle, 0), func() { p.end(errIdle) })
	if p.o.Idle < 0 {
		p.idle.Stop()
	}
	return p
}

var errIdle = errors.New("transport: no poll in time")

// Serve answers one poll. The error is ErrPolling or ErrGone when it has
// answered nothing, or that of the client's connection.
func (p *Poll) Serve(w http.ResponseWriter, r *http.Request) error {
	mine, err := p.begin()
	if err != nil {
		return err
	}
	defer p.finish(mine)
	batch, last, err := p.await(r, mine)
	if err != nil {
		return err
	}
	rc := http.NewResponseController(w)
	rc.SetWriteDeadline(time.Now().Add(p.o.WriteTimeout)) // where unsupported, net/http's own deadline stands
	if err := p.o.Write(w, r, batch, last); err != nil {
		p.end(err)
		return err
	}
	if last {
		p.end(nil)
	}
	return nil
}

// begin makes this poll the one that waits.
func (p *Poll) begin() (mine chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil, ErrGone
	}
	if p.waiting != nil {
		if !p.o.Replace {
			return nil, ErrPolling
		}
		close(p.waiting)
	}
	p.idle.Stop()
	p.requests.Add(1)
	mine = make(chan struct{})
	p.waiting = mine
	return mine, nil
}

func (p *Poll) finish(mine chan struct{}) {
	p.mu.Lock()
	if p.waiting == mine {
		p.waiting = nil
		if p.o.Idle > 0 && !p.ended {
			p.idle.Reset(p.o.Idle)
		}
	}
	p.mu.Unlock()
	p.requests.Done()
}

// await waits for something to take. An empty batch ends the wait.
func (p *Poll) await(r *http.Request, mine chan struct{}) (batch []*wire.Encoded, last bool, err error) {
	limit := time.NewTimer(p.o.Wait)
	defer limit.Stop()
	for {
		batch, last = p.take(mine)
		if len(batch) > 0 || last {
			return batch, last, nil
		}
		select {
		case <-p.wake:
		case <-mine:
			return nil, false, nil
		case <-limit.C:
			return nil, false, nil
		case <-p.gone:
			return nil, true, nil
		case <-r.Context().Done():
			if p.o.Cut {
				p.end(r.Context().Err())
			}
			return nil, false, r.Context().Err()
		}
	}
}

// take empties the receiver, unless another poll has taken this one's place.
// Close is seen before the take, so that what was said before it is in it.
func (p *Poll) take(mine chan struct{}) (batch []*wire.Encoded, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting != mine {
		return nil, false
	}
	return p.rcv.Take(nil), p.bye
}

// Receive hands up a message that a POST has brought, waiting while the pipe
// is paused. The error is ErrGone.
func (p *Poll) Receive(data []byte, binary bool) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.requests.Done()
	p.receiving.Lock()
	defer p.receiving.Unlock()
	if err := p.waitResumed(); err != nil {
		return err
	}
	p.rcv.Receive(data, binary)
	return nil
}

func (p *Poll) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return ErrGone
	}
	p.requests.Add(1)
	return nil
}

func (p *Poll) waitResumed() error {
	p.mu.Lock()
	resumed := p.resumed
	p.mu.Unlock()
	if resumed == nil {
		return nil
	}
	select {
	case <-resumed:
		return nil
	case <-p.gone:
		return ErrGone
	}
}

// end ends the pipe for the reason err.
func (p *Poll) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = true
	if p.bye {
		err = nil
	}
	p.idle.Stop()
	close(p.gone)
	go func() { // ends when the last request has; the receiver's session waits for Closed
		p.requests.Wait()
		p.rcv.Closed(err)
	}()
}

// Transport implements [wire.Pipe].
func (p *Poll) Transport() string {
	if p.o.Name == "" {
		return "polling"
	}
	return p.o.Name
}

// Wake implements [wire.Pipe].
func (p *Poll) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Ping implements [wire.Pipe]: polls are signs of life by themselves.
func (p *Poll) Ping() bool { return false }

// Pause implements [wire.Pipe]: POSTs wait.
func (p *Poll) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resumed == nil {
		p.resumed = make(chan struct{})
	}
}

// Resume implements [wire.Pipe].
func (p *Poll) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resumed != nil {
		close(p.resumed)
		p.resumed = nil
	}
}

// Close implements [wire.Pipe]: the poll that waits, or the next one, brings
// what is left. Without a next one, the idle time ends the pipe.
func (p *Poll) Close(int, string) {
	p.mu.Lock()
	p.bye = true
	p.mu.Unlock()
	p.Wake()
}

// CloseNow implements [wire.Pipe].
func (p *Poll) CloseNow() { p.end(nil) }
