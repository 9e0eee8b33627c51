package socketio

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/pauses"
	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/socketio/internal/engineio"
	"github.com/parley-go/parley/wire"
)

// visit is a client's Engine.IO connection, with its presence in one namespace
// or several.
type visit struct {
	// fixed after construction
	manager *Manager
	engine  *engineio.Dialed

	assembler assembler // owned by who calls Receive

	pauses pauses.Count // of presences that want the connection not to be read; its lock is taken before mu

	mu        sync.Mutex
	said      []*wire.Encoded // packets of no session
	presences []*presence     // copied when it changes
	over      bool            // it takes nobody in any more
}

// presence is a client's presence in one namespace: a virtual pipe inside the
// engine's.
type presence struct {
	// fixed after construction
	*visit
	joiner  *joiner
	session *parley.Session
	answer  chan error // gets nil when let in, else why not

	// owned by who calls Receive
	joined   bool           // the server has let the client in
	answered bool           // answer has its element
	early    []wire.Message // events that came before that
	missed   int            // bytes of those

	paused pauses.Wish // owned by visit.pauses
	open   bool        // joined; guarded by visit.mu
	left   bool        // the server has ended it, and reads nothing of it any more; guarded by visit.mu
	gone   bool        // ended; guarded by visit.mu
}

func newPresence(v *visit, j *joiner, cl *parley.Client) *presence {
	p := &presence{visit: v, joiner: j, answer: make(chan error, 1)}
	p.session = cl.NewSession(p, &parley.SessionOptions{HandshakeTimeout: j.manager.o.ConnectTimeout})
	return p
}

// enter asks to be let in by a CONNECT packet.
func (v *visit) enter(p *presence, request []byte) error {
	v.mu.Lock()
	switch {
	case v.over:
		v.mu.Unlock()
		return errOver
	case v.find(p.joiner.name) != nil:
		v.mu.Unlock()
		return errJoined
	}
	v.presences = append(slices.Clip(v.presences), p)
	v.said = append(v.said, v.encoded(request))
	v.mu.Unlock()
	v.engine.Wake()
	return nil
}

func (v *visit) encoded(data []byte) *wire.Encoded {
	return &wire.Encoded{Data: data, Binary: v.manager.o.MessagePack}
}

// find is for callers that hold mu.
func (v *visit) find(name string) *presence {
	for _, p := range v.presences {
		if p.joiner.name == name {
			return p
		}
	}
	return nil
}

// await waits for the server's answer.
func (p *presence) await(ctx context.Context) error {
	select {
	case err := <-p.answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// abandon ends an attempt that has failed because of err.
func (p *presence) abandon(err error) {
	p.mu.Lock()
	entered, left := slices.Contains(p.presences, p), p.left
	alone := len(p.presences) == 0 && !p.over // it was reached in vain
	if alone {
		p.presences = []*presence{p} // which is told of the end
		p.part()
	}
	p.mu.Unlock()
	switch {
	case left:
		p.Close(0, "")
		return
	case entered:
		p.CloseNow()
		return
	case alone:
		p.end(true, func() { p.engine.Close(0, "") })
		return
	}
	p.session.Closed(err)
}

// isOver tells whether the connection takes nobody in any more.
func (v *visit) isOver() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.over
}

// Take implements [wire.Receiver].
func (v *visit) Take(batch []*wire.Encoded) []*wire.Encoded {
	v.mu.Lock()
	batch = append(batch, v.said...)
	v.said = nil
	presences := v.presences
	v.mu.Unlock()
	for _, p := range presences {
		batch = p.take(batch)
	}
	return batch
}

// take leaves what is for a server that has ended the presence.
func (p *presence) take(batch []*wire.Encoded) []*wire.Encoded {
	n := len(batch)
	batch = p.session.Take(batch)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left {
		return batch[:n]
	}
	return batch
}

// Receive implements [wire.Receiver].
func (v *visit) Receive(data []byte, binary bool) {
	take := v.assembler.text
	if binary {
		take = v.assembler.binary
	}
	var p packet
	whole, err := take(data, &p)
	if err == nil && whole {
		err = v.packet(&p)
	}
	if err != nil {
		v.engine.Fail(err)
	}
}

func (v *visit) packet(p *packet) error {
	v.mu.Lock()
	to := v.find(p.nsp)
	v.mu.Unlock()
	if to != nil {
		return to.packet(p)
	}
	if p.kind == packetConnect { // of an attempt that took too long
		return v.decline(p.nsp)
	}
	return nil
}

// decline answers a server that lets the client in where it does not want to be.
func (v *visit) decline(name string) error {
	v.mu.Lock()
	if len(v.said) >= maxAnswers {
		v.mu.Unlock()
		return malformed("too many answers to CONNECTs that were not sent")
	}
	v.said = append(v.said, v.encoded(newWords(name, v.manager.o.MessagePack).disconnected()))
	v.mu.Unlock()
	v.engine.Wake()
	return nil
}

func (p *presence) packet(packet *packet) error {
	switch packet.kind {
	case packetConnect:
		return p.letIn(packet)
	case packetConnectError:
		return p.refused(packet)
	case packetDisconnect:
		p.goodbye(wire.Goodbye{}, errLeft)
		return nil
	}
	var m wire.Message
	if err := packet.message(&m); err != nil {
		return err
	}
	if !p.joined {
		return p.keep(&m)
	}
	p.joiner.note(&m)
	p.session.Receive(&m)
	return nil
}

// settle tells how the attempt to join went.
func (p *presence) settle(err error) {
	if !p.answered {
		p.answered = true
		p.answer <- err
	}
}

// letIn ends the handshake. What was missed has come before.
func (p *presence) letIn(packet *packet) error {
	if p.joined {
		return nil
	}
	payload, err := packet.object()
	if err == nil {
		err = p.joiner.joined(payload)
	}
	if err != nil {
		return err
	}
	p.joined = true
	p.mu.Lock()
	p.open = true
	p.mu.Unlock()
	p.session.Open(&parley.Opening{Protocol: p.joiner.words, KeepAlive: -1, IdleTimeout: -1}) // the engine's
	for i := range p.early {
		p.joiner.note(&p.early[i])
		p.session.Receive(&p.early[i])
	}
	p.early = nil
	p.settle(nil)
	return nil
}

// keep keeps an event that comes before the server has let the client in: it
// was missed.
func (p *presence) keep(m *wire.Message) error {
	if m.Kind != wire.Call {
		return nil
	}
	const more = 200 // bytes that an event takes beside its arguments
	if p.missed += m.Args.Size() + more; p.missed > p.manager.o.MaxMissedBytes {
		return malformed("more than MaxMissedBytes before the answer to CONNECT")
	}
	m.Args = m.Args.Clone()
	p.early = append(p.early, *m)
	return nil
}

// refused takes a CONNECT_ERROR.
func (p *presence) refused(packet *packet) error {
	payload, err := packet.object()
	if err != nil {
		return err
	}
	no, err := refusal(payload)
	if err == nil {
		p.goodbye(wire.Goodbye{Code: 1008, Reason: no.Message, Failed: true}, no)
	}
	return err
}

// refusal reads the payload of a CONNECT_ERROR.
func refusal(payload []byte) (*parley.Error, error) {
	var e struct {
		Message string
		Data    any
	}
	text, ok := rawjson.String(payload)
	if ok {
		e.Message = text
	}
	if !ok && json.Unmarshal(payload, &e) != nil {
		return nil, malformed("invalid payload")
	}
	return &parley.Error{Code: "refused", Message: e.Message, Data: e.Data}, nil
}

// goodbye takes the server's: err is that of an attempt to join, if this is its
// answer.
func (p *presence) goodbye(bye wire.Goodbye, err error) {
	p.mu.Lock()
	p.left = true
	p.mu.Unlock()
	p.settle(err)
	if p.joined {
		p.session.Receive(&wire.Message{Kind: wire.Close, Bye: bye})
	}
}

// Heard implements [wire.Receiver].
func (v *visit) Heard() {}

// Closed implements [wire.Receiver].
func (v *visit) Closed(err error) {
	v.mu.Lock()
	v.over = true
	presences := v.presences
	v.presences = nil
	v.mu.Unlock()
	v.manager.forget(v)
	v.manager.letGo()
	for _, p := range presences {
		p.settle(cmp.Or(err, errLeft))
		p.session.Closed(err)
	}
}

// Transport implements [wire.Pipe].
func (p *presence) Transport() string { return p.engine.Transport() }

// Lend implements [wire.Lender].
func (p *presence) Lend(w wire.Worker) bool { return p.engine.Lend(w) }

// Wake implements [wire.Pipe].
func (p *presence) Wake() { p.engine.Wake() }

// Ping implements [wire.Pipe]: it is for the server to ping.
func (p *presence) Ping() bool { return false }

// Pause implements [wire.Pipe]. The connection is not read while one of its
// namespaces wants that.
func (p *presence) Pause() { p.pauses.Pause(&p.paused, p.engine) }

// Resume implements [wire.Pipe].
func (p *presence) Resume() { p.pauses.Resume(&p.paused, p.engine) }

// Close implements [wire.Pipe]. The last one to go ends the connection, and has
// ended with it.
func (p *presence) Close(int, string) {
	p.mu.Lock()
	if p.gone {
		p.mu.Unlock()
		return
	}
	alone := p.part()
	if last := p.session.Take(nil); !p.left {
		p.said = append(p.said, last...)
	}
	p.mu.Unlock()
	p.end(alone, func() { p.engine.Close(0, "") })
}

// CloseNow implements [wire.Pipe].
func (p *presence) CloseNow() {
	p.mu.Lock()
	if p.gone {
		last := slices.Contains(p.presences, p) // then it ends with the connection
		p.mu.Unlock()
		if last {
			p.engine.CloseNow()
		}
		return
	}
	alone := p.part()
	if p.open && !p.left {
		p.said = append(p.said, p.encoded(p.joiner.words.disconnected()))
	}
	p.mu.Unlock()
	p.end(alone, p.engine.CloseNow)
}

// part takes the presence out, unless it is the only one: then it is told with
// the connection's end. The caller holds mu.
func (p *presence) part() (alone bool) {
	p.gone = true
	if alone = len(p.presences) <= 1; alone {
		p.over = true
		return true
	}
	p.presences = slices.DeleteFunc(slices.Clone(p.presences), func(other *presence) bool { return other == p })
	return false
}

func (p *presence) end(alone bool, endConnection func()) {
	if alone {
		p.manager.forget(p.visit)
		endConnection()
		return
	}
	p.pauses.Leave(&p.paused, p.engine) // its calls may go on for a while
	p.engine.Wake()
	p.session.Closed(nil)
}
