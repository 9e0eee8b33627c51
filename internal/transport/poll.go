package transport

import (
	"errors"
	"net/http"
	"time"

	"github.com/parley-go/parley/wire"
)

// ErrPolling means a poll while another one waits.
var ErrPolling = errors.New("transport: another poll is waiting")

// ErrIdle is what a pipe ends with when no poll came within its idle time.
var ErrIdle = errors.New("transport: no poll in time")

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
	// CloseTimeout bounds the wait for the poll that fetches a goodbye. Zero
	// means 5 s.
	CloseTimeout time.Duration
	// Write answers a poll: with a batch, or with an empty one when the wait
	// is over. last tells that the pipe has been closed and this is all.
	Write func(w http.ResponseWriter, r *http.Request, batch []*wire.Encoded, last bool) error
	// Cut ends the pipe when the client goes away during a poll, as Engine.IO
	// wants it. Otherwise it may come back within Idle.
	Cut bool
	// Replace lets a poll take the place of one that waits, which is answered
	// with an empty batch. Otherwise the newcomer gets ErrPolling.
	Replace bool
	// Replaced answers the poll whose place was taken, in its own way. Nil
	// means Write with an empty batch.
	Replaced func(w http.ResponseWriter)
	// LastAlone keeps the last messages and the end apart: the batch that is
	// the last is empty.
	LastAlone bool
}

// Poll is a pipe of HTTP requests: GETs that wait for messages, POSTs that
// bring them. The protocol's HTTP handlers call Serve and Receive.
type Poll struct {
	requests
	o    PollOptions   // fixed after construction
	idle *time.Timer   // runs while no poll waits
	mine chan struct{} // guarded by mu: of the poll that waits, closed when another takes its place; nil when none waits

	answering chan struct{} // has an element from taking a batch until it is written, so that none overtakes it
}

// NewPoll makes a pipe under rcv. It ends by Close, CloseNow, or its idle time.
func NewPoll(rcv wire.Receiver, o *PollOptions) *Poll {
	p := &Poll{requests: newRequests(rcv), o: *o, answering: make(chan struct{}, 1)}
	p.o.Wait, p.o.Idle = orDefault(o.Wait, 25*time.Second), orDefault(o.Idle, 15*time.Second)
	p.o.WriteTimeout = orDefault(o.WriteTimeout, 10*time.Second)
	p.o.CloseTimeout = orDefault(o.CloseTimeout, 5*time.Second)
	p.idle = time.AfterFunc(p.patience(), p.expire)
	return p
}

// patience is how long the pipe waits for a poll. The caller holds mu, or is
// alone.
func (p *Poll) patience() time.Duration {
	const never = 1 << 62
	idle := p.o.Idle
	if idle < 0 {
		idle = never
	}
	if p.bye {
		return min(idle, p.o.CloseTimeout)
	}
	return idle
}

// expire ends the pipe unless a poll has come at the last moment.
func (p *Poll) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mine == nil {
		p.endLocked(ErrIdle)
	}
}

// Serve answers one poll. The error is ErrPolling or ErrGone when it has
// answered nothing, or that of the client's connection.
func (p *Poll) Serve(w http.ResponseWriter, r *http.Request) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.running.Done()
	mine, err := p.begin()
	if err != nil {
		return err
	}
	batch, last, err := p.await(r, mine)
	current := p.finish(mine) // now: a client that has read the answer may poll again before Write returns
	if err != nil {
		return err
	}
	if len(batch) > 0 {
		defer func() { <-p.answering }()
	} else if !last && !current && p.o.Replaced != nil {
		p.o.Replaced(w)
		return nil
	}
	// Where deadlines are unsupported, net/http's own stands.
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(p.o.WriteTimeout))
	if err := p.o.Write(w, r, batch, last); err != nil {
		p.stop(err) // what was taken is lost
		return err
	}
	if last {
		p.stop(nil)
	}
	return nil
}

// begin makes this poll the one that waits.
func (p *Poll) begin() (mine chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mine != nil {
		if !p.o.Replace {
			return nil, ErrPolling
		}
		close(p.mine)
	}
	p.idle.Stop()
	p.mine = make(chan struct{})
	return p.mine, nil
}

// finish tells whether this was still the poll that waits.
func (p *Poll) finish(mine chan struct{}) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mine != mine {
		return false
	}
	p.mine = nil
	if !p.ended {
		p.idle.Reset(p.patience())
	}
	return true
}

// await waits for something to take. An empty batch ends the wait; with another
// one, answering has its element.
func (p *Poll) await(r *http.Request, mine chan struct{}) (batch []*wire.Encoded, last bool, err error) {
	limit := time.NewTimer(p.o.Wait)
	defer limit.Stop()
	hungUp := r.Context().Done()
	for {
		batch, last, replaced := p.take(mine, hungUp)
		if len(batch) > 0 || last || replaced {
			return batch, last, nil
		}
		select {
		case <-p.wake:
		case <-mine:
		case <-limit.C:
			return nil, false, nil
		case <-p.gone:
			return nil, true, nil
		case <-hungUp:
			if p.o.Cut {
				p.stop(r.Context().Err())
			}
			return nil, false, r.Context().Err()
		}
	}
}

// take empties the receiver, unless another poll has taken this one's place,
// which then gets the wake-up too, or nobody is there to read. Close is called
// under the same lock, so that what was said before it is in the last batch. With
// a batch that is not empty, answering has its element.
func (p *Poll) take(mine, hungUp <-chan struct{}) (batch []*wire.Encoded, last, replaced bool) {
	select {
	case p.answering <- struct{}{}:
	case <-hungUp:
		return nil, false, false
	}
	defer func() {
		if len(batch) == 0 {
			<-p.answering
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mine != mine {
		p.Wake()
		return nil, false, true
	}
	select {
	case <-hungUp:
		return nil, false, false
	default:
	}
	if p.ended {
		return nil, true, false
	}
	batch = p.rcv.Take(nil)
	return batch, p.bye && !(p.o.LastAlone && len(batch) > 0), false
}

// stop ends the pipe.
func (p *Poll) stop(err error) {
	p.end(err)
	p.idle.Stop() // last: a poll that finishes meanwhile sets it, until the pipe has ended
}

// Transport implements [wire.Pipe].
func (p *Poll) Transport() string {
	if p.o.Name == "" {
		return "polling"
	}
	return p.o.Name
}

// Ping implements [wire.Pipe]: polls are signs of life by themselves.
func (p *Poll) Ping() bool { return false }

// Writable implements [wire.Gauge]: only while a poll waits.
func (p *Poll) Writable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mine != nil && !p.ended
}

// Close implements [wire.Pipe]: the poll that waits, or the next one, brings
// what is left. Without a next one, the close timeout ends the pipe.
func (p *Poll) Close(int, string) {
	p.mu.Lock()
	first := !p.bye && !p.ended
	p.bye = true
	if first && p.mine == nil {
		p.idle.Reset(p.patience())
	}
	p.mu.Unlock()
	p.Wake()
}

// CloseNow implements [wire.Pipe]. A poll that waits is answered with an empty
// batch.
func (p *Poll) CloseNow() { p.stop(nil) }
