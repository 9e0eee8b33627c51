package parley

import (
	"cmp"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/parley-go/parley/internal/replay"
	"github.com/parley-go/parley/internal/wheel"
	"github.com/parley-go/parley/wire"
)

// KeepOptions say what a hub keeps for clients that were lost. The zero value of
// each field means its default.
type KeepOptions struct {
	// Window is how long a client that was lost may stay away. The default is 2
	// minutes.
	Window time.Duration
	// Lag is how long a loss may go unnoticed; events are kept for so much longer.
	// The default is 1 minute.
	Lag time.Duration
	// Bytes bounds the events that are kept, for all clients together. With more,
	// the oldest go. The default is 16 MiB.
	Bytes int
	// Clients bounds the lost clients that are waited for. The default is 65,536.
	Clients int
	// Codec writes the arguments of events of which nobody has yet needed the
	// words. Nil means wire.JSON.
	Codec wire.Codec
}

// Recover is a client's wish to be the one it was before it was lost.
type Recover struct {
	// ID is what the client was told as its Session.RecoveryID; empty for a client
	// that is new, and can be recovered later.
	ID string
	// Offset is that of the last event it has: see wire.Message. Empty when it has
	// none.
	Offset string
}

// Keep has the hub keep events, and the clients that are lost, so that these can
// go on where they were (Socket.IO's connection state recovery). A protocol package
// calls it, before its first session; only the first call counts. From then on
// everything that is sent to many has one order for the whole hub.
func (h *Hub) Keep(o KeepOptions) {
	o.Window, o.Lag = orDefault(o.Window, 2*time.Minute), orDefault(o.Lag, time.Minute)
	o.Bytes, o.Clients = orDefault(o.Bytes, 16<<20), orDefault(o.Clients, 1<<16)
	if o.Codec == nil {
		o.Codec = wire.JSON
	}
	k := &keeper{o: o, hub: h, places: make(map[string]*place), known: make(map[string]*place)}
	k.log.Limit = o.Bytes
	k.timer.Fire = k.sweep
	h.keeper.CompareAndSwap(nil, k)
}

// Recovered tells whether the client is one that was lost: its ID, groups and
// values are those it had. When it was lost with the process that knew it, there
// are no values ([Return]).
func (c *Conn) Recovered() bool { return c.session.Recovered() }

// Recovered is Conn.Recovered, known once the session is made.
func (s *Session) Recovered() bool { return s.returned || s.place != nil && s.place.was }

// RecoveryID is what the client needs to be recovered, and a secret of its own;
// empty where that is not possible.
func (s *Session) RecoveryID() string {
	if s.place == nil {
		return ""
	}
	return s.place.id
}

// keeper keeps the events of a hub, and its clients' places.
type keeper struct {
	// fixed after construction
	o   KeepOptions
	hub *Hub

	claims sync.Mutex // held while a client takes its place, as one that is cut meanwhile comes again; taken before order
	order  sync.Mutex // held from an event's position until it is in the queues of all; taken before a session's locks
	log    replay.Log[*kept]

	mu     sync.Mutex        // taken last
	places map[string]*place // by their IDs
	known  map[string]*place // by connection ID: also one that is just being taken
	lost   int               // those whose clients are away
	timer  wheel.Timer
	swept  bool // the timer runs
}

// place is what a client is at the hub, in the sense of recovery.
type place struct {
	// fixed after construction
	keeper  *keeper
	id      string // secret
	session *Session
	was     bool  // it was recovered
	from    int64 // position of the last event it has, if it was recovered

	before *Session      // the last one that was in its groups; nil once it is there itself. Guarded by keeper.order
	since  int64         // position at which the client came first; guarded by keeper.order
	vague  int64         // position up to which memberships are not known any more; guarded by keeper.order
	spans  []span        // guarded by keeper.order
	until  time.Duration // since core.start: when it is given up; 0 while the session lives. Guarded by keeper.mu
}

// span is a membership: of the events after one position, up to another.
type span struct {
	group    string
	from, to int64
}

const (
	stillIn     = math.MaxInt64
	maxPast     = 1000 // memberships of a client that have ended, and still count
	maxWritings = 4    // protocols in which an event is kept
)

// kept is an event.
type kept struct {
	position int64
	at       time.Duration // since core.start
	to       Audience
	event    *broadcast
}

// claim gives s the place that r names, or a new one.
func (k *keeper) claim(s *Session, r *Recover) {
	s.place = &place{keeper: k, id: NewID(), session: s, since: -1}
	if old := k.settle(s.place, r); old != nil {
		old.session.cutOff() // a loss that was not noticed
	}
}

// settle makes p a place, in place of the one that r names, which it returns.
func (k *keeper) settle(p *place, r *Recover) (old *place) {
	if r.ID != "" {
		k.claims.Lock()
		defer k.claims.Unlock()
		if old = k.take(r.ID, p.session.conn.user); old != nil {
			k.inherit(p, old, r.Offset)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.places[p.id], k.known[p.session.id] = p, p
	if old != nil {
		k.removeLocked(old)
	}
	return old
}

// take takes a place that is not given up, and is that of the same user. Its
// client is known until it has another, so that nothing for it is overlooked.
func (k *keeper) take(id, user string) *place {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.places[id]
	if p == nil || p.session.conn.user != user {
		return nil
	}
	if p.until != 0 && p.until < k.now() {
		k.removeLocked(p)
		return nil
	}
	delete(k.places, id)
	return p
}

func (k *keeper) now() time.Duration { return time.Since(k.hub.core.start) }

// inherit makes p what old was, if the log has all since the offset.
func (k *keeper) inherit(p, old *place, offset string) {
	k.order.Lock()
	defer k.order.Unlock()
	from, err := strconv.ParseInt(offset, 36, 64)
	if offset == "" {
		from, err = old.since, nil // every event has an offset: it has none yet
	}
	if err != nil || from < max(old.since, old.vague, k.log.First()-1) || from > k.log.Last() {
		return
	}
	p.id, p.was, p.from, p.since, p.vague = old.id, true, from, old.since, old.vague
	p.before = cmp.Or(old.before, old.session)
	p.session.id = old.session.id
	p.session.conn.takeOver(old.session.conn)
}

// takeOver makes the values of a connection that was lost c's own.
func (c *Conn) takeOver(old *Conn) {
	old.mu.Lock()
	values := maps.Clone(old.values)
	old.mu.Unlock()
	c.values = values
}

// enter runs once the session is found by others: it is in its groups again. It
// returns what was missed. The error says that the log has let go of some of it since
// the claim. The caller holds order.
func (p *place) enter() ([]*wire.Encoded, error) {
	k := p.keeper
	if !p.was {
		p.since = k.log.Last()
		return nil, nil
	}
	if p.from < k.log.First()-1 {
		return nil, ErrLimit
	}
	for _, group := range p.before.conn.Groups() {
		p.session.conn.join(group)
	}
	p.spans = slices.Clone(p.before.place.spans) // that one may leave groups still
	p.before = nil
	var missed []*wire.Encoded
	for _, e := range k.log.All(nil) {
		if e.position <= p.from || !p.gets(e) {
			continue
		}
		message, err := e.event.again(p.session.opening.Protocol)
		if err != nil {
			k.hub.core.log.Error("parley: a missed event cannot be written again", "event", e.event.name, "error", err)
			continue
		}
		if message != nil {
			missed = append(missed, message)
		}
	}
	return missed, nil
}

// again writes an event that is kept, and keeps that too, within bounds: the
// clients of an hour may bring any number of protocols.
func (b *broadcast) again(p wire.Protocol) (*wire.Encoded, error) {
	if len(b.encoded) >= maxWritings {
		once := *b
		b = &once
	}
	err := b.encode(p)
	return b.of(p), err
}

// gets tells whether an event was meant for the client.
func (p *place) gets(e *kept) bool {
	in := func(group string) bool { return p.member(group, e.position) }
	if e.to.excepts(p.session.id) || slices.ContainsFunc(e.to.exceptGroups, in) {
		return false
	}
	meant := func(to part) bool {
		switch to.kind {
		case toGroup:
			return in(to.name)
		case toUser:
			return to.name == p.session.conn.user
		case toOne:
			return to.name == p.session.id
		}
		return true // to everyone
	}
	return meant(e.to.part) || slices.ContainsFunc(e.to.more, meant)
}

func (p *place) member(group string, position int64) bool {
	return slices.ContainsFunc(p.spans, func(s span) bool {
		return s.group == group && s.from < position && position <= s.to
	})
}

// lock orders a change of groups among the events. p may be nil, also below.
func (p *place) lock() {
	if p != nil {
		p.keeper.order.Lock()
	}
}

func (p *place) unlock() {
	if p != nil {
		p.keeper.order.Unlock()
	}
}

// joins notes a new membership. The caller holds the lock.
func (p *place) joins(group string) {
	if p == nil {
		return
	}
	log := &p.keeper.log
	p.spans = slices.DeleteFunc(p.spans, func(s span) bool { return s.to < log.First() })
	p.spans = append(p.spans, span{group, log.Last(), stillIn})
	if len(p.spans) > p.keeper.hub.core.limits.Groups+maxPast {
		oldest := slices.IndexFunc(p.spans, func(s span) bool { return s.to != stillIn })
		p.vague = max(p.vague, p.spans[oldest].to)
		p.spans = slices.Delete(p.spans, oldest, oldest+1)
	}
}

// leaves notes the end of a membership. The caller holds the lock.
func (p *place) leaves(group string) {
	if p == nil {
		return
	}
	i := slices.IndexFunc(p.spans, func(s span) bool { return s.group == group && s.to == stillIn })
	if i < 0 {
		return
	}
	if p.spans[i].to = p.keeper.log.Last(); p.spans[i].from == p.spans[i].to { // nothing was said meanwhile
		p.spans = slices.Delete(p.spans, i, i+1)
	}
}

// deliver delivers b and keeps it.
func (k *keeper) deliver(a *Audience, b *broadcast) error {
	if k.concerned(a) { // before the lock, as what writes values may be the application's
		if _, err := b.argsFor(k.o.Codec); err != nil {
			return err
		}
	}
	k.order.Lock()
	defer k.order.Unlock()
	if a.policy == nowOrNever || !k.concerned(a) {
		b.offset = offset(k.log.Last()) // it has all up to here; of such a message there is no more
		return k.hub.deliver(a, b)
	}
	if _, err := b.argsFor(k.o.Codec); err != nil {
		return err
	}
	b.offset = offset(k.log.Last() + 1)
	err := k.hub.deliver(a, b)
	if err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrSlow) {
		return err
	}
	k.keep(a, b)
	if errors.Is(err, ErrClosed) && a.single() {
		return nil // it is away, or about to be
	}
	return err
}

func offset(position int64) string { return strconv.FormatInt(position, 36) }

// concerned tells whether there may be a client that can be recovered.
func (k *keeper) concerned(a *Audience) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a.single() {
		return k.known[a.name] != nil
	}
	return len(k.known) > 0
}

// keep puts b into the log. The caller holds order.
func (k *keeper) keep(a *Audience, b *broadcast) {
	b.values = nil // they are the application's
	e := &kept{position: k.log.Last() + 1, at: k.now(), to: *a, event: b}
	k.log.Append(e, b.size()+a.size())
	k.age()
}

// age lets go of events that are too old or too many. The caller holds order.
func (k *keeper) age() {
	oldest := k.now() - k.o.Window - k.o.Lag
	for {
		e, any := k.log.Oldest()
		if !any || e.at >= oldest && !k.log.Full() {
			return
		}
		k.log.Release(e.position)
	}
}

// size is about what an event costs while it is kept.
func (b *broadcast) size() int {
	const each = 256
	n := each
	for _, a := range b.args {
		n += a.args.Size()
	}
	for _, m := range b.encoded {
		n += m.message.Size()
	}
	return n
}

// size is about what the description of an audience costs.
func (a *Audience) size() (n int) {
	const each = 16 // of a string
	for _, names := range [...][]string{a.except, a.exceptGroups} {
		for _, name := range names {
			n += each + len(name)
		}
	}
	for _, p := range a.more {
		n += 2*each + len(p.name)
	}
	return n
}

// lose notes that a session has ended, and whether its client is waited for.
func (k *keeper) lose(p *place, mayReturn bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.places[p.id] != p || p.until != 0 {
		return // another has its place, or it is lost already
	}
	if !mayReturn || k.lost >= k.o.Clients {
		k.removeLocked(p)
		return
	}
	p.until = k.now() + k.o.Window
	k.lost++
	if !k.swept {
		k.swept = true
		k.hub.core.wheel.Reset(&k.timer, k.o.Window/4)
	}
}

// removeLocked forgets a place, once. The caller holds mu.
func (k *keeper) removeLocked(p *place) {
	if k.places[p.id] == p {
		delete(k.places, p.id)
	}
	if k.known[p.session.id] == p {
		delete(k.known, p.session.id)
	}
	if p.until != 0 {
		k.lost--
		p.until = 0
	}
}

// sweep runs on the wheel while clients are waited for.
func (k *keeper) sweep() {
	if k.order.TryLock() {
		k.age()
		k.order.Unlock()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	for _, p := range k.places {
		if p.until != 0 && p.until < now {
			k.removeLocked(p)
		}
	}
	if k.swept = k.lost > 0; k.swept {
		k.hub.core.wheel.Reset(&k.timer, k.o.Window/4)
	}
}

// mayReturn tells whether a client whose session ended so was lost: nobody has said
// goodbye, and it has broken no rule.
func mayReturn(reason error, goodbye bool) bool {
	switch {
	case reason == nil:
		return !goodbye
	case errors.Is(reason, ErrProtocol), errors.Is(reason, ErrShutdown), errors.Is(reason, ErrExpired):
		return false
	}
	return true
}
