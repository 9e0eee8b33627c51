package transport

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/parley-go/parley/wire"
)

// DialedPoll is the client's side of a [Poll], as SignalR's servers poll: an
// answer 200 brings what there is, 204 ends the pipe, and so does DELETE from
// this side. Whoever makes it calls Start.
type DialedPoll struct {
	posts
	first []byte // what the first answer brought; owned by the reader
	over  bool   // the server has ended the pipe; owned by the reader, then by leave
}

// DialPoll opens a series of polls with the first, which a server answers at
// once. ctx bounds it.
func DialPoll(ctx context.Context, how *Requesting, o *Options) (*DialedPoll, error) {
	p := &DialedPoll{}
	p.init(how, o)
	p.leave = p.delete
	stop := context.AfterFunc(ctx, p.cancel)
	defer stop()
	first, err := p.poll()
	if err == nil && p.over {
		err = &StatusError{Code: http.StatusNoContent}
	}
	if err != nil {
		p.cancel()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	p.first = first
	return p, nil
}

// Start hands what comes in to rcv from now on. It returns at once.
func (p *DialedPoll) Start(rcv wire.Receiver) { p.start(rcv, p.read) }

// Transport implements [wire.Pipe].
func (p *DialedPoll) Transport() string { return "polling" }

// read polls until the server has ended the pipe.
func (p *DialedPoll) read() error {
	data := p.first
	p.first = nil
	for {
		if !p.wait(p.ctx.Done()) {
			return nil
		}
		if len(data) > 0 {
			p.rcv.Receive(data, false)
		}
		began := time.Now()
		var err error
		if data, err = p.poll(); p.over || err != nil && err != errNoAnswer {
			return err
		}
		if len(data) > 0 {
			continue
		}
		p.rcv.Heard()
		if !p.rest(time.Until(began.Add(time.Second))) {
			return nil
		}
	}
}

// rest waits before the next poll when a server has nothing to say and does
// not take its time to say so.
func (p *DialedPoll) rest(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.ctx.Done():
		return false
	}
}

var errNoAnswer = errors.New("transport: no answer to a poll in time")

// poll sends one poll and returns what it brought. The error is errNoAnswer when
// it was given up before an answer had begun; then it may no longer be lost.
func (p *DialedPoll) poll() ([]byte, error) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	late := time.AfterFunc(p.how.Timeout, cancel)
	defer late.Stop()
	resp, err := p.request(ctx, http.MethodGet, once{}, "", "")
	if err != nil && ctx.Err() != nil && p.ctx.Err() == nil {
		return nil, errNoAnswer
	}
	if err != nil {
		return nil, err
	}
	defer discard(resp)
	late.Reset(p.how.Timeout)
	return p.answer(resp)
}

func (p *DialedPoll) answer(resp *http.Response) ([]byte, error) {
	if resp.StatusCode == http.StatusNoContent {
		p.over = true
		return nil, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &StatusError{Code: resp.StatusCode}
	}
	return ReadAnswer(resp, orDefault(p.o.MaxMessageBytes, 1<<20))
}

// delete tells the server that no poll will follow. Whatever it answers, the
// pipe has ended.
func (p *DialedPoll) delete() {
	if p.over {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.o.closeTimeout())
	defer cancel()
	if resp, err := p.request(ctx, http.MethodDelete, nil, "", ""); err == nil {
		discard(resp)
	}
}
