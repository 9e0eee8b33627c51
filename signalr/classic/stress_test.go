package classic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-go/parley"
)

// stressEnv is how long the stress lasts, such as 10m; two seconds when empty.
const stressEnv = "PARLEY_STRESS"

// Clients of all four transports come, talk, are cut off, come back where they
// were, and leave in every way, over real sockets. Each answer is checked, and
// that who comes back hears everybody's messages once and in order. When they
// have gone, connections, goroutines and memory are what they were.
func TestStress(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv(stressEnv))
	if err != nil {
		length = 2 * time.Second
	}
	st := newStress(t)
	st.patient = err == nil
	st.visits(200 * time.Millisecond) // what stays for good is there
	before := st.footprint()
	st.visits(length)
	after := st.footprint()
	if after.goroutines > before.goroutines+5 {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines became %d:\n%s", before.goroutines, after.goroutines, buf[:runtime.Stack(buf, true)])
	}
	if after.heap > before.heap+4<<20 {
		t.Errorf("%d bytes became %d", before.heap, after.heap)
	}
	st.end()
	t.Logf("%d connections, %d answers, %d messages, %d returns", st.connects.Load(), st.answers.Load(), st.heard.Load(), st.returns.Load())
}

// stress is a hub and what its visitors do and hear.
type stress struct {
	*testing.T
	hub    *parley.Hub
	other  *parley.Hub // to which TestStress does not go
	server *httptest.Server
	http   *http.Client
	last   atomic.Int64 // number of visitors so far

	patient bool // some visitors vanish, which the hub notices after 11 seconds

	connects, disconnects, answers, heard, returns atomic.Int64
}

func newStress(t *testing.T) *stress {
	st := &stress{T: t, hub: parley.NewHub(&parley.HubOptions{Log: slog.New(slog.DiscardHandler)}), other: newHub()}
	st.hub.OnConnect(func(_ context.Context, c *parley.Conn) error {
		st.connects.Add(1)
		return c.Join("room")
	})
	st.hub.OnDisconnect(func(context.Context, *parley.Conn, error) { st.disconnects.Add(1) })
	st.hub.Handle("Echo", parley.Func(func(text string) string { return text }))
	st.hub.Handle("Slow", parley.Func(func(ctx context.Context, text string) (string, error) {
		for range 3 {
			select {
			case <-time.After(time.Duration(len(text)) * time.Microsecond):
			case <-ctx.Done():
				return "", ctx.Err()
			}
			if err := parley.Progress(ctx, text); err != nil {
				return "", err
			}
		}
		return text, nil
	}))
	st.hub.Handle("Fail", parley.Func(func(text string) error { panic(text) }))
	st.hub.Handle("Say", parley.Func(func(ctx context.Context, who, n int) error {
		return st.hub.Group("room").Send(ctx, "said", who, n)
	}))
	mux := http.NewServeMux()
	Mount(mux, "/signalr", map[string]*parley.Hub{"Chat": st.hub, "Other": st.other}, &Options{
		DisconnectTimeout: 6 * time.Second,
		BufferMessages:    1 << 17,
		BufferBytes:       64 << 20,
	})
	st.server = httptest.NewUnstartedServer(mux)
	st.server.Config.ErrorLog = log.New(complaints{t}, "", 0)
	st.server.Start()
	st.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	return st
}

// complaints fail the test: net/http recovers from what panics and only writes about it.
type complaints struct{ *testing.T }

func (c complaints) Write(text []byte) (int, error) {
	c.Errorf("net/http: %s", text)
	return len(text), nil
}

func (st *stress) end() {
	st.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(st.Context(), time.Minute)
	defer cancel()
	for _, hub := range []*parley.Hub{st.hub, st.other} {
		if err := hub.Shutdown(ctx); err != nil {
			st.Error("Shutdown:", err)
		}
	}
	st.server.Close()
	if st.connects.Load() != st.disconnects.Load() {
		st.Errorf("%d connections began, %d ended", st.connects.Load(), st.disconnects.Load())
	}
}

func (st *stress) conns() int { return st.hub.Stats().Conns + st.other.Stats().Conns }

// footprint is what the hub occupies once its visitors have gone.
type footprint struct {
	goroutines int
	heap       uint64
}

func (st *stress) footprint() (f footprint) {
	st.http.CloseIdleConnections()
	deadline := time.Now().Add(time.Minute)
	for calm := 0; calm < 3; {
		<-time.After(100 * time.Millisecond)
		now := runtime.NumGoroutine()
		if st.conns() == 0 && now <= f.goroutines {
			calm++
		} else {
			calm = 0
		}
		f.goroutines = now
		if time.Now().After(deadline) {
			st.Fatalf("%d connections are left of visitors who have gone", st.conns())
		}
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools are empty after the second
	runtime.ReadMemStats(&m)
	f.heap = m.HeapAlloc
	return f
}

// visits has twelve clients at a time, again and again.
func (st *stress) visits(length time.Duration) {
	until := time.Now().Add(length)
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), uint64(time.Now().UnixNano())))
			for time.Now().Before(until) && !st.Failed() {
				st.visit(allTransports[(i+rnd.IntN(2)*2)%4], rnd)
			}
		})
	}
	all.Wait()
}

var allTransports = []string{"webSockets", "serverSentEvents", "foreverFrame", "longPolling"}

// visit is one client's life.
func (st *stress) visit(transport string, rnd *rand.Rand) {
	ctx, cancel := context.WithTimeout(st.Context(), time.Minute)
	defer cancel()
	g := &stressGuest{stress: st, rnd: rnd, transport: transport, number: int(st.last.Add(1)), last: make(map[int]int)}
	g.rawClient = &rawClient{base: st.server.URL + "/signalr", data: `[{"name":"chat"}]`, http: st.http}
	if err := g.live(ctx); err != nil {
		st.Errorf("visitor %d by %s: %v", g.number, transport, err)
	}
}

// stressGuest is a client that writes whatever it likes.
type stressGuest struct {
	*stress
	*rawClient
	rnd       *rand.Rand
	transport string
	number    int
	calls     int         // ID of the next call
	said      int         // number of what it says next
	last      map[int]int // what was heard last, by speaker
}

// live comes, talks and leaves, once.
func (g *stressGuest) live(ctx context.Context) error {
	if err := g.negotiate(ctx); err != nil {
		return err
	}
	switch g.rnd.IntN(12) {
	case 0: // has changed its mind
		return nil
	case 1:
		return g.abort(ctx, g.transport)
	case 2: // never starts
		s, err := g.open(ctx, "connect", g.transport)
		if err == nil {
			_, err = s.next()
			s.close()
		}
		return err
	case 3: // takes another transport
		s, err := g.open(ctx, "connect", allTransports[g.rnd.IntN(4)])
		if err != nil {
			return err
		}
		defer s.close()
	}
	s, err := g.rawClient.start(ctx, g.transport)
	if err != nil {
		return err
	}
	if s, err = g.talk(ctx, s); err != nil {
		s.close()
		return err
	}
	return g.leave(ctx, s)
}

// talk says something again and again, and loses its stream now and then.
func (g *stressGuest) talk(ctx context.Context, s rawStream) (rawStream, error) {
	for range g.rnd.IntN(40) {
		if err := g.say(ctx, s); err != nil {
			return s, fmt.Errorf("say: %w", err)
		}
		if g.rnd.IntN(6) > 0 {
			continue
		}
		old := s
		switch g.rnd.IntN(3) {
		case 0: // the old one is still there when the new one comes
		case 1:
			old.close()
		case 2:
			g.cut(ctx, old)
		}
		var err error
		s, err = g.open(ctx, "reconnect", g.transport)
		if err == nil {
			err = g.ahead(ctx, s) // by WebSocket, calls wait for nothing
		}
		old.close()
		if err != nil {
			return old, fmt.Errorf("reconnect: %w", err)
		}
		g.returns.Add(1)
	}
	return s, nil
}

// cut closes a stream while messages are on their way, which nobody gets.
func (g *stressGuest) cut(ctx context.Context, s rawStream) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(g.rnd.IntN(3000))*time.Microsecond)
	defer cancel()
	if _, polls := s.(*pollStream); polls {
		other := *g.rawClient
		s = &pollStream{c: &other, ctx: ctx, verb: "poll", cancel: cancel}
		s.next() // comes to nothing, or is lost
	}
	<-ctx.Done()
	s.close()
}

// ahead has the server hold some messages that nobody reads yet.
func (g *stressGuest) ahead(ctx context.Context, s rawStream) error {
	for range g.rnd.IntN(3) {
		if err := g.rawClient.send(ctx, s, g.transport, g.call("Say", g.number, g.utter())); err != nil {
			return err
		}
	}
	return nil
}

func (g *stressGuest) utter() int { g.said++; return g.said }

func (g *stressGuest) call(method string, args ...any) *rawCall {
	c := &rawCall{H: "CHAT", M: method, I: fmt.Sprint(g.calls)}
	g.calls++
	for _, a := range args {
		text, err := json.Marshal(a)
		if err != nil {
			g.Error(err)
		}
		c.A = append(c.A, text)
	}
	return c
}

// say makes one call and reads until its answer has come.
func (g *stressGuest) say(ctx context.Context, s rawStream) error {
	text := fmt.Sprintf("<%*d>", 1+g.rnd.IntN(1<<g.rnd.IntN(10)), g.calls)
	want, _ := json.Marshal(text) // a string
	var c *rawCall
	fails, progress := false, 0
	switch g.rnd.IntN(5) {
	case 0:
		c, progress = g.call("slow", text), 3
	case 1:
		c, fails = g.call("FAIL", text), true
	case 2:
		c, want = g.call("Say", g.number, g.utter()), nil
	default:
		c = g.call("echo", text)
	}
	if err := g.rawClient.send(ctx, s, g.transport, c); err != nil {
		return err
	}
	for {
		e, err := s.next()
		if err != nil {
			return err
		}
		all, err := g.hear(e)
		if err != nil {
			return err
		}
		for _, a := range all {
			switch {
			case a.P != nil && a.P.I == c.I:
				progress--
			case a.I == nil || *a.I != c.I:
			case (a.E != nil) != fails || !fails && !sameJSON(a.R, want) || progress != 0:
				return fmt.Errorf("answer to %s: %+v, %d times progress missing, want %s", c.M, a, progress, want)
			default:
				g.answers.Add(1)
				return nil
			}
		}
	}
}

// hear notes what was said, and returns answers.
func (g *stressGuest) hear(e *rawEnvelope) (answers []rawAnswer, err error) {
	if e.I != nil {
		answers = append(answers, e.rawAnswer)
	}
	for _, m := range e.M {
		var c rawCall
		var a rawAnswer
		if err := json.Unmarshal(m, &c); err != nil {
			return nil, err
		}
		if c.M == "" {
			err := json.Unmarshal(m, &a)
			answers = append(answers, a)
			if err != nil {
				return nil, err
			}
			continue
		}
		var who, n int
		if err := errors.Join(json.Unmarshal(c.A[0], &who), json.Unmarshal(c.A[1], &n)); err != nil {
			return nil, err
		}
		if last, known := g.last[who]; known && n != last+1 {
			return nil, fmt.Errorf("heard %d of visitor %d after %d", n, who, last)
		}
		g.last[who] = n
		g.heard.Add(1)
	}
	return answers, nil
}

// leave goes in one of many ways.
func (g *stressGuest) leave(ctx context.Context, s rawStream) error {
	defer s.close()
	switch g.rnd.IntN(5) {
	case 0:
		if g.patient { // without a word
			return nil
		}
	case 1: // twice
		if err := g.abort(ctx, g.transport); err != nil {
			return err
		}
	case 2: // while somebody waits for an answer
		if err := g.rawClient.send(ctx, s, g.transport, g.call("Slow", "sloooooow")); err != nil {
			return err
		}
	case 3: // and somebody comes back at the same time
		var other sync.WaitGroup
		defer other.Wait()
		again := *g.rawClient
		other.Go(func() {
			if s, err := again.open(ctx, "reconnect", g.transport); err == nil {
				s.close()
			}
		})
	}
	return g.abort(ctx, g.transport)
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return len(a) == 0 && len(b) == 0 || json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x == y
}
