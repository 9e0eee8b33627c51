package signalr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/replay"
	"github.com/parley-go/parley/wire"
)

// This file joins a hub and a Go client by cables, inside a bubble: each is
// one WebSocket, which can be cut at any byte. Above the cables stand two
// resumables, above them the least that makes a connection.

// cable is a socket in memory. What is sent arrives after a moment, in order;
// once cut, what was on its way is lost.
type cable struct {
	ends [2]*plug
	cut  chan struct{}
	once sync.Once

	mu   sync.Mutex
	left int // bytes until it is cut; negative: it is not
}

// plug is one end of a cable, a [socket].
type plug struct {
	*cable
	other    *plug
	moment   time.Duration // that a message takes to arrive
	notices  time.Duration // that it takes to see that the cable is cut
	rcv      wire.Receiver
	in       chan []byte
	wake     chan struct{}
	closed   chan struct{} // Close or CloseNow was called, and all is written
	bye      sync.Once
	closing  chan struct{}
	farewell sync.Once
}

func newCable(rnd *rand.Rand, left int) *cable {
	c := &cable{cut: make(chan struct{}), left: left}
	for i := range c.ends {
		c.ends[i] = &plug{
			cable:   c,
			moment:  time.Duration(rnd.IntN(5)) * time.Millisecond,
			notices: time.Duration(rnd.IntN(50)) * time.Millisecond,
			in:      make(chan []byte, 64),
			wake:    make(chan struct{}, 1),
			closed:  make(chan struct{}),
			closing: make(chan struct{}),
		}
	}
	c.ends[0].other, c.ends[1].other = c.ends[1], c.ends[0]
	return c
}

func (c *cable) sever() { c.once.Do(func() { close(c.cut) }) }

// spend counts what is sent, and returns how much of it gets through.
func (c *cable) spend(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left < 0 {
		return n
	}
	if n >= c.left {
		n = c.left
		c.sever()
	}
	c.left -= n
	return n
}

func (p *plug) Start(rcv wire.Receiver) {
	p.rcv = rcv
	p.Wake()
	go p.run() // ends with the cable, or when this end is closed
}

// run moves messages until the end, and tells the receiver of it.
func (p *plug) run() {
	var tasks sync.WaitGroup
	var err error
	tasks.Go(p.write)
	err = p.read()
	tasks.Wait()
	p.rcv.Closed(err)
}

func (p *plug) write() {
	for {
		last := false
		select {
		case <-p.closing:
			last = true
		default:
			select {
			case <-p.wake:
			case <-p.closing:
				continue
			case <-p.cut:
				return
			case <-p.closed:
				return
			}
		}
		for batch := p.rcv.Take(nil); len(batch) > 0; batch = p.rcv.Take(nil) {
			for _, e := range batch {
				if !p.send(slices.Clone(e.Data[:p.spend(len(e.Data))])) {
					p.sever() // nobody listens any more
					return
				}
			}
		}
		if last {
			p.send(nil) // the close frame
			p.bye.Do(func() { close(p.closed) })
			return
		}
	}
}

// send is false when the cable is cut, or the other end does not listen.
func (p *plug) send(data []byte) bool {
	select {
	case p.other.in <- data:
		return true
	case <-p.cut:
	case <-p.closed:
	case <-p.other.closed:
	}
	return false
}

var errCut = errors.New("the cable was cut")

func (p *plug) read() error {
	for {
		select {
		case data := <-p.in:
			if data == nil { // a goodbye
				p.Close(1000, "")
				select {
				case <-p.closed:
				case <-p.cut:
				}
				return nil
			}
			time.Sleep(p.moment)
			p.rcv.Receive(data, false)
			clear(data)
		case <-p.closed:
			return nil
		case <-p.cut:
			time.Sleep(p.notices)
			return errCut
		}
	}
}

func (p *plug) Transport() string { return "cable" }
func (p *plug) Ping() bool        { return false }
func (p *plug) Pause()            {}
func (p *plug) Resume()           {}

func (p *plug) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *plug) Close(int, string) { p.farewell.Do(func() { close(p.closing) }) }

func (p *plug) CloseNow() {
	p.bye.Do(func() { close(p.closed) })
	p.sever()
}

// station is one end of a connection above its resumable.
type station struct {
	resume  *resumable
	session *parley.Session
	dialect dialect
	records splitter
	shaken  bool
	ready   bool // the other end counts from the start
	open    func()
	hello   string // what it says first
}

func (s *station) Receive(data []byte, _ bool) {
	if err := eachRecord(s.records, data, s.record); err != nil {
		s.broken(err)
	}
}

func (s *station) record(record []byte) bool {
	if !s.shaken {
		s.shaken = true
		s.resume.enable(s.dialect, s.ready)
		s.open()
		return true
	}
	var m message
	if err := s.dialect.parse(record, &m); err != nil {
		s.broken(err)
		return false
	}
	seen, err := s.resume.admit(&m)
	if err != nil {
		s.broken(err)
		return false
	}
	if seen {
		s.session.Receive(&m.Message)
	}
	return true
}

func (s *station) broken(err error) {
	s.session.Fail(wire.Goodbye{Code: 1002, Reason: err.Error(), Failed: true, Reconnect: true}, errors.Join(parley.ErrProtocol, err))
}

func (s *station) Take(batch []*wire.Encoded) []*wire.Encoded {
	if s.hello != "" {
		batch = append(batch, &wire.Encoded{Data: []byte(s.hello)})
		s.hello = ""
	}
	return s.session.Take(batch)
}

func (s *station) Heard()           { s.session.Heard() }
func (s *station) Closed(err error) { s.session.Closed(err) }

func (s *station) rewind() { s.records = s.dialect.splitter(1 << 20) }

// line is a hub and a client with one connection between them.
type line struct {
	t         *testing.T
	rnd       *rand.Rand
	hub       *parley.Hub
	budget    *replay.Budget
	limit     int
	patience  time.Duration
	keepAlive time.Duration
	cuts      func() int // bytes that the next cable lasts; negative: for ever
	cut       int        // how often one was cut

	mu     sync.Mutex
	cable  *cable // the newest
	server *station
	client *station
}

func newLine(t *testing.T, seed uint64) *line {
	l := &line{t: t, rnd: rand.New(rand.NewPCG(seed, 2)), limit: 100_000, patience: 15 * time.Second, budget: replay.NewBudget(64 << 20)}
	l.cuts = func() int { return -1 }
	l.hub = parley.NewHub(&parley.HubOptions{Log: slog.New(slog.DiscardHandler)})
	return l
}

// dial is a [parley.DialFunc].
func (l *line) dial(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
	opened := make(chan struct{})
	here, there := l.station(protocol{manner: manner{client: true}}), l.station(protocol{})
	here.ready = true
	here.hello = `{"protocol":"json","version":2}` + "\x1e"
	here.resume.left = func() { go l.again() }
	here.session = cl.NewSession(here.resume, nil)
	here.open = func() {
		here.session.Open(&parley.Opening{Protocol: here.dialect, PingPipe: true, KeepAlive: l.keepAlive})
		close(opened)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://hub/", nil)
	if err != nil {
		return nil, err
	}
	there.session, err = l.hub.NewSession(r, there.resume, nil)
	if err != nil {
		return nil, err
	}
	there.open = func() {
		there.session.Open(&parley.Opening{
			Protocol: there.dialect, Welcome: []byte(welcome), PingPipe: true, KeepAlive: l.keepAlive, CallPrefix: "s",
		})
	}
	here.resume.session, there.resume.session = here.session, there.session
	l.mu.Lock()
	l.client, l.server = here, there
	l.mu.Unlock()
	l.again()
	select {
	case <-opened:
		return here.session, nil
	case <-here.session.Context().Done():
		return nil, errors.New("cut off")
	}
}

func (l *line) station(d dialect) *station {
	s := &station{dialect: d}
	s.resume = newResumable(s, l.limit, l.budget, l.patience)
	s.resume.rewind = s.rewind
	s.rewind()
	return s
}

// again lays the next cable.
func (l *line) again() {
	l.mu.Lock()
	n := l.cuts()
	if l.cable != nil {
		l.cut++
	}
	l.cable = newCable(l.rnd, max(n, -1))
	if n == 0 {
		l.cable.sever()
	}
	c, server, client := l.cable, l.server, l.client
	l.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() {
		if !server.resume.attach(c.ends[0]) {
			c.sever()
		}
	})
	both.Go(func() {
		if !client.resume.attach(c.ends[1]) {
			c.sever()
		}
	})
	both.Wait()
}

// run connects a client, and ends all of it after body.
func (l *line) run(setup func(cl *parley.Client), body func(ctx context.Context, cl *parley.Client)) {
	l.t.Helper()
	cl := parley.NewClient(l.dial, &parley.ClientOptions{Reconnect: parley.Backoff{Off: true}})
	if setup != nil {
		setup(cl)
	}
	ctx := l.t.Context()
	if err := cl.Connect(ctx); err != nil {
		l.t.Fatal(err)
	}
	body(ctx, cl)
	l.end(cl)
}

func (l *line) end(cl *parley.Client) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := cl.Close(ctx); err != nil {
		l.t.Errorf("closing the client: %v", err)
	}
	if err := l.hub.Shutdown(ctx); err != nil {
		l.t.Errorf("Shutdown: %v", err)
	}
	synctest.Wait()
	if used := l.budget.Used(); used != 0 {
		l.t.Errorf("%d bytes of the budget are used when all is over", used)
	}
}

// tally wants numbers from 1, each once and in order.
type tally struct {
	mu   sync.Mutex
	last int
	bad  error
	want int
	done chan struct{}
}

func newTally(want int) *tally { return &tally{want: want, done: make(chan struct{})} }

func (n *tally) count(i int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i != n.last+1 && n.bad == nil {
		n.bad = fmt.Errorf("%d came after %d", i, n.last)
	}
	n.last = i
	if i == n.want {
		close(n.done)
	}
}

func (n *tally) check(t *testing.T, who string) {
	t.Helper()
	select {
	case <-n.done:
	case <-time.After(10 * time.Minute):
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.bad != nil || n.last != n.want {
		t.Errorf("%s: the last is %d, want %d: %v", who, n.last, n.want, n.bad)
	}
}

// However often the way is cut, and wherever, everything arrives once and in
// order, in both directions: broadcasts, calls, their results and streams.
func TestNothingIsLostOrDoubledWhereverTheWayIsCut(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { cutAtRandom(t, seed) })
		})
	}
}

func cutAtRandom(t *testing.T, seed uint64) {
	const messages = 300
	l := newLine(t, seed)
	l.cuts = func() int { return 200 + l.rnd.IntN(4000) }
	up, down, items := newTally(messages), newTally(messages), newTally(messages)
	l.hub.Handle("up", parley.Func(func(i int) { up.count(i) }))
	l.hub.Handle("add", parley.Func(func(a, b int) int { return a + b }))
	parley.Stream[int, int]("stream").Handle(l.hub, func(_ context.Context, _ *parley.Conn, n int, send func(int) error) error {
		for i := range n {
			if err := send(i + 1); err != nil {
				return err
			}
		}
		return nil
	})
	l.run(func(cl *parley.Client) {
		cl.Handle("down", parley.Func(func(i int) { down.count(i) }))
	}, func(ctx context.Context, cl *parley.Client) {
		var all sync.WaitGroup
		pause := func() { time.Sleep(time.Duration(1+len(t.Name())%7) * time.Millisecond) }
		all.Go(func() {
			for i := range messages {
				if err := cl.Send(ctx, "up", i+1); err != nil {
					t.Errorf("up %d: %v", i+1, err)
					return
				}
				pause()
			}
		})
		all.Go(func() {
			for i := range messages {
				if err := l.hub.Send(ctx, "down", i+1); err != nil {
					t.Errorf("down %d: %v", i+1, err)
					return
				}
				pause()
			}
		})
		all.Go(func() {
			for i := range messages / 10 {
				var sum int
				if err := cl.Call(ctx, "add", &sum, i, 1000); err != nil || sum != i+1000 {
					t.Errorf("call %d: got %d and error %v, want %d", i, sum, err, i+1000)
					return
				}
			}
		})
		all.Go(func() {
			for v, err := range cl.Stream(ctx, "stream", messages) {
				var i int
				if err == nil {
					err = v.Scan(&i)
				}
				if err != nil {
					t.Errorf("stream: %v", err)
					return
				}
				items.count(i)
			}
		})
		all.Wait()
		up.check(t, "up")
		down.check(t, "down")
		items.check(t, "stream")
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.cut < 5 {
			t.Errorf("the way was cut %d times, which proves nothing", l.cut)
		}
		l.cuts = func() int { return -1 }
	})
}

// mute is a socket that does what a test says, and no more.
type mute struct {
	rcv  wire.Receiver
	over sync.Once
}

func (m *mute) Start(rcv wire.Receiver)       { m.rcv = rcv }
func (m *mute) Transport() string             { return "mute" }
func (m *mute) Wake()                         {}
func (m *mute) Ping() bool                    { return false }
func (m *mute) Pause()                        {}
func (m *mute) Resume()                       {}
func (m *mute) Close(int, string)             { m.end(nil) }
func (m *mute) CloseNow()                     { m.end(nil) }
func (m *mute) lose()                         { m.end(errCut) }
func (m *mute) say(text string)               { m.rcv.Receive([]byte(raw(text)), false) }
func (m *mute) take() (batch []*wire.Encoded) { return m.rcv.Take(nil) }

func (m *mute) end(err error) {
	m.over.Do(func() { go m.rcv.Closed(err) }) // ends at once; apart, as sockets do
}

// quiet is a connection of the line's hub whose client does what a test says.
func (l *line) quiet() (*station, *mute) {
	l.t.Helper()
	s := l.station(protocol{})
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://hub/", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	s.session, err = l.hub.NewSession(r, s.resume, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	s.open = func() {
		s.session.Open(&parley.Opening{
			Protocol: s.dialect, Welcome: []byte(welcome), PingPipe: true, KeepAlive: -1, IdleTimeout: -1, CallPrefix: "s",
		})
	}
	s.resume.session = s.session
	m := &mute{}
	s.resume.attach(m)
	m.say(`{"protocol":"json","version":2}␞{"type":6}␞`)
	if batch := m.take(); len(batch) != 1 {
		l.t.Fatalf("got %d messages for a handshake, want its answer", len(batch))
	}
	return s, m
}

// However many clients vanish, what is kept for them stays within the budget,
// and those who are there get all they should.
func TestThousandsOfHalfDeadConnectionsStayWithinTheBudget(t *testing.T) { // CVE-2026-56170
	synctest.Test(t, func(t *testing.T) {
		const limit, vanish, messages = 4 << 20, 3000, 100
		l := newLine(t, 1)
		l.budget = replay.NewBudget(limit)
		down := newTally(messages)
		l.run(func(cl *parley.Client) {
			cl.Handle("down", parley.Func(func(i int, _ string) { down.count(i) }))
		}, func(ctx context.Context, _ *parley.Client) {
			within := func() {
				t.Helper()
				if used := l.budget.Used(); used < 0 || used > limit {
					t.Fatalf("%d bytes of %d are used", used, limit)
				}
			}
			for range vanish {
				_, m := l.quiet()
				m.lose()
				synctest.Wait()
				within()
			}
			synctest.Wait()
			if n := l.hub.Stats().Conns; n < 500 || n > limit/absence {
				t.Errorf("%d connections wait for their clients, want as many as the budget has room for", n-1)
			}
			for i := range messages {
				if err := l.hub.Send(ctx, "down", i+1, fmt.Sprint(make([]int, 500))); err != nil {
					t.Fatal(err)
				}
				within()
				time.Sleep(10 * time.Millisecond)
			}
			down.check(t, "who is there")
			if n := l.hub.Stats().Conns; n > 101 {
				t.Errorf("%d connections wait with 100 KB each", n-1)
			}
			time.Sleep(l.patience)
			synctest.Wait()
			if n := l.hub.Stats().Conns; n != 1 {
				t.Errorf("%d connections are left when their time is over, want the one that lives", n)
			}
		})
	})
}

// A live connection that would take too much of the budget gives up what it
// has kept and goes on; from the time its client has all, it can be resumed
// again.
func TestALiveConnectionWithoutBudgetGoesOn(t *testing.T) {
	for _, catchesUp := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLine(t, 1)
			l.budget = replay.NewBudget(64 << 10) // 8 KiB for each
			s, m := l.quiet()
			for i := range 20 {
				if err := s.session.Conn().Send(t.Context(), "down", fmt.Sprint(i, make([]int, 500))); err != nil {
					t.Fatal(err)
				}
				if got := len(m.take()); got != 1 {
					t.Fatalf("message %d: %d came", i, got)
				}
			}
			if catchesUp {
				m.say(`{"type":8,"sequenceId":20}␞`)
			}
			m.lose()
			synctest.Wait()
			if stays := l.hub.Stats().Conns == 1; stays != catchesUp {
				t.Errorf("caught up %v: it waits for its client %v", catchesUp, stays)
			}
			if err := l.hub.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if used := l.budget.Used(); used != 0 {
				t.Errorf("%d bytes are used when all is over", used)
			}
		})
	}
}

// What waits in the queue of a connection without its client is in the budget,
// too.
func TestTheQueueOfWhoIsAwayIsInTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 1)
		l.limit = 1000
		l.budget = replay.NewBudget(8 * 40_000)
		s, m := l.quiet()
		m.lose()
		synctest.Wait()
		before := int64(0)
		for i := 0; l.hub.Stats().Conns > 0; i++ {
			if err := l.hub.Send(t.Context(), "down", fmt.Sprint(make([]int, 500))); err != nil || i > 100 {
				t.Fatalf("message %d: %v", i, err)
			}
			if used := l.budget.Used(); l.hub.Stats().Conns > 0 && used <= before {
				t.Fatalf("message %d: %d bytes are used, as before", i, used)
			} else {
				before = used
			}
			synctest.Wait()
		}
		if reason := context.Cause(s.session.Context()); reason == nil {
			t.Error("the session goes on")
		}
		if err := l.hub.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// An idle connection has no timer, and no buffer.
func TestAnIdleConnectionHasNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 1)
		s, m := l.quiet()
		m.say(`{"type":1,"target":"up","arguments":[]}␞`)
		time.Sleep(ackInterval)
		synctest.Wait()
		if got := m.take(); len(got) != 1 || string(got[0].Data) != raw(`{"type":8,"sequenceId":1}␞`) {
			t.Errorf("got %d messages, want an Ack", len(got))
		}
		time.Sleep(time.Hour)
		if r := s.resume; r.owing || r.due || r.timer != nil || r.settles != nil || r.log.Bytes() != 0 || r.held != nil {
			t.Errorf("an idle connection holds %+v", r)
		}
		if err := l.hub.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// FuzzResuming feeds bytes of a client, over several WebSockets, to a
// connection. 0x00 cuts, and comes back.
func FuzzResuming(f *testing.F) {
	for _, seed := range []string{
		`{"type":1,"target":"up","arguments":[]}␞`, `{"type":8,"sequenceId":1}␞`, "\x00" + `{"type":9,"sequenceId":1}␞`,
		"\x00" + `{"type":9,"sequenceId":-1}␞`, "\x00\x00" + `{"type":9,"sequenceId":2}␞`,
		`{"type":1,"target":"echo","arguments":[1],"invocationId":"0"}␞` + "\x00" + `{"type":9,"sequenceId":1}␞{"type":8,"sequenceId":1}␞`,
		`{"type":1,"tar` + "\x00" + `get":"up"}␞`, `{"type":7}␞` + "\x00",
	} {
		f.Add([]byte(raw(seed)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := newLine(t, 1)
		l.patience = time.Hour
		l.hub.Handle("echo", parley.Func(func(v any) any { return v }))
		s, m := l.quiet()
		r := s.resume
		for i, part := range bytes.Split(data, []byte{0}) {
			if i > 0 {
				m.lose()
				next := &mute{}
				if !r.attach(next) {
					break
				}
				m = next
			}
			before := r.received
			m.rcv.Receive(bytes.Clone(part), false)
			records := int64(bytes.Count(part, []byte{separator}))
			m.take()
			r.mu.Lock()
			if r.received < before || r.received > before+records || r.next > r.received+1 || r.next < 1 || !r.log.Complete() || r.log.First() > r.log.Last()+1 {
				t.Errorf("received %d after %d, next %d, log from %d to %d", r.received, before, r.next, r.log.First(), r.log.Last())
			}
			r.mu.Unlock()
		}
		if err := l.hub.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
