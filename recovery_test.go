package parley_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// numbered is a protocol that knows offsets and attachments: name(arguments)@offset.
type numbered struct{}

func (numbered) Name() string                      { return "numbered" }
func (numbered) Codec() wire.Codec                 { return apart{} }
func (numbered) Binary() bool                      { return false }
func (numbered) Parse([]byte, *wire.Message) error { return nil }

func (numbered) Append(dst []byte, m *wire.Message) ([]byte, error) {
	switch m.Kind {
	case wire.Call:
		return fmt.Appendf(dst, "%s(%s)@%s", m.Name, bytes.Join(m.Args.Values, []byte(", ")), m.Offset), nil
	case wire.Result:
		return fmt.Appendf(dst, "%s=%s", m.ID, bytes.Join(m.Args.Values, []byte(", "))), nil
	}
	return dst, nil
}

// apart is JSON with bytes apart.
type apart struct{}

func (apart) Name() string { return "apart" }

func (apart) Marshal(values ...any) (wire.Args, error) {
	var attached [][]byte
	for i, v := range values {
		if data, ok := v.([]byte); ok {
			attached = append(attached, bytes.Clone(data))
			values[i] = len(attached)
		}
	}
	a, err := wire.JSON.Marshal(values...)
	a.Attachments = attached
	return a, err
}

func (apart) Unmarshal(a wire.Args, i int, into any) error { return wire.JSON.Unmarshal(a, i, into) }

func (apart) AppendValue(dst []byte, v any) ([]byte, error) {
	if _, is := v.([]byte); is {
		return dst, wire.ErrAttachments
	}
	return wire.JSON.(wire.Appender).AppendValue(dst, v)
}

// traveller is a client that may be lost.
type traveller struct {
	t       *testing.T
	hub     *parley.Hub
	session *parley.Session
	pid     string
	offset  string
	heard   []string // but for the welcome
}

// newKeeping makes a hub that keeps; a client joins what its "join" calls name.
func newKeeping(t *testing.T, o parley.KeepOptions) *parley.Hub {
	t.Helper()
	hub := newRoom(t, &parley.HubOptions{Log: quiet})
	o.Codec = apart{}
	hub.Keep(o)
	return hub
}

// come connects, as it was before if that is possible.
func (tr *traveller) come() (recovered bool) {
	tr.t.Helper()
	s, err := tr.hub.NewSession(request(tr.t), &still{}, &parley.SessionOptions{Recover: &parley.Recover{ID: tr.pid, Offset: tr.offset}})
	must(tr.t, err)
	tr.session, tr.pid = s, s.RecoveryID()
	s.Open(&parley.Opening{Protocol: numbered{}, Welcome: []byte("welcome"), KeepAlive: -1, IdleTimeout: -1})
	tr.t.Cleanup(func() { s.Closed(nil) })
	return s.Recovered()
}

// hear takes what was sent.
func (tr *traveller) hear() []string {
	var heard []string
	for _, e := range tr.session.Take(nil) {
		text := string(e.Data)
		heard = append(heard, text)
		if event, offset, is := strings.Cut(text, "@"); is {
			tr.offset = offset
			tr.heard = append(tr.heard, event)
		}
	}
	return heard
}

func (tr *traveller) lose() { tr.session.Closed(errors.New("cut")) }

func newTraveller(t *testing.T, hub *parley.Hub, groups ...string) *traveller {
	t.Helper()
	tr := &traveller{t: t, hub: hub}
	if tr.come() {
		t.Error("a new client is recovered")
	}
	for _, g := range groups {
		must(t, tr.session.Conn().Join(g))
	}
	tr.hear()
	return tr
}

func TestALostClientGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newKeeping(t, parley.KeepOptions{})
		tr := newTraveller(t, hub, "x", "y")
		c := tr.session.Conn()
		c.Set("name", "ann")
		must(t, hub.Send(ctx, "one"))
		tr.hear()
		must(t, hub.Group("x").Send(ctx, "two", "never read")) // lost on its way
		tr.session.Take(nil)
		tr.lose()
		must(t, hub.Group("x").Send(ctx, "three"))
		must(t, hub.Group("z").Send(ctx, "not for it"))
		must(t, hub.Group("x").And(hub.Group("y")).Send(ctx, "four"))
		must(t, hub.Group("x").ExceptGroups("y").Send(ctx, "not for it either"))
		must(t, hub.Audience().Except(c).Send(ctx, "nor this"))
		must(t, hub.Group("y").Volatile().Send(ctx, "volatile"))
		must(t, hub.Client(c.ID()).Send(ctx, "five", []byte("bytes")))
		if !tr.come() {
			t.Fatal("not recovered")
		}
		want := []string{`two("never read")@2`, "three()@3", "four()@5", "five(1)@8", "bytes", "welcome"}
		if got := tr.hear(); !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
		again := tr.session.Conn()
		if again.ID() != c.ID() || !slices.Equal(again.Groups(), []string{"x", "y"}) || again.Value("name") != "ann" || !again.Recovered() {
			t.Errorf("it is %v in %v with %v, recovered: %t", again.ID(), again.Groups(), again.Value("name"), again.Recovered())
		}
		must(t, hub.Group("y").Send(ctx, "live"))
		if got := tr.hear(); !slices.Equal(got, []string{"live()@9"}) {
			t.Errorf("then it hears %q", got)
		}
	})
}

func TestVolatileEventsHaveTheOffsetOfTheLastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newKeeping(t, parley.KeepOptions{})
		tr := newTraveller(t, hub)
		for _, want := range []string{"volatile()@0", "volatile()@0"} {
			must(t, hub.Audience().Volatile().Send(ctx, "volatile"))
			must(t, hub.Audience().Volatile().Send(ctx, "one too many"))
			if got := tr.hear(); !slices.Equal(got, []string{want}) {
				t.Errorf("heard %q, want %q", got, want)
			}
		}
		must(t, hub.Send(ctx, "kept"))
		tr.hear()
		must(t, hub.Audience().Volatile().Send(ctx, "volatile"))
		if got := tr.hear(); !slices.Equal(got, []string{"volatile()@1"}) {
			t.Errorf("heard %q", got)
		}
		if n := hub.Stats().Dropped["volatile"]; n != 2 {
			t.Errorf("%d volatile messages were dropped, want 2", n)
		}
	})
}

func TestWithoutAnOffsetAllIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newKeeping(t, parley.KeepOptions{})
		newTraveller(t, hub)
		must(t, hub.Send(ctx, "before it came"))
		tr := newTraveller(t, hub)
		must(t, hub.Send(ctx, "on its way"))
		tr.lose()
		must(t, hub.Send(ctx, "while it was away"))
		if !tr.come() {
			t.Fatal("not recovered")
		}
		tr.lose() // before it could read
		if !tr.come() {
			t.Fatal("not recovered a second time")
		}
		if got, want := tr.hear(), []string{"on its way()@2", "while it was away()@3", "welcome"}; !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	})
}

func TestWhatWasSaidInAGroupBeforeItJoinedIsNotForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newKeeping(t, parley.KeepOptions{})
		tr := newTraveller(t, hub)
		must(t, hub.Group("x").Send(ctx, "before"))
		must(t, tr.session.Conn().Join("x"))
		must(t, hub.Group("x").Send(ctx, "within"))
		tr.session.Conn().Leave("x")
		must(t, hub.Group("x").Send(ctx, "after"))
		tr.lose()
		if !tr.come() {
			t.Fatal("not recovered")
		}
		if got, want := tr.hear(), []string{"within()@2", "welcome"}; !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	})
}

func TestNotRecovered(t *testing.T) {
	for _, tt := range []struct {
		name string
		keep parley.KeepOptions
		loss func(hub *parley.Hub, tr *traveller)
	}{
		{name: "a goodbye of its own", loss: func(_ *parley.Hub, tr *traveller) {
			tr.session.Receive(&wire.Message{Kind: wire.Close})
			tr.session.Closed(nil)
		}},
		{name: "a goodbye of the hub", loss: func(_ *parley.Hub, tr *traveller) {
			tr.session.Conn().Close("")
			tr.session.Closed(nil)
		}},
		{name: "it broke the protocol", loss: func(_ *parley.Hub, tr *traveller) {
			tr.session.Closed(fmt.Errorf("odd: %w", parley.ErrProtocol))
		}},
		{name: "it stayed away for too long", loss: func(_ *parley.Hub, tr *traveller) {
			tr.lose()
			time.Sleep(2*time.Minute + time.Second)
		}},
		{name: "another ID", loss: func(_ *parley.Hub, tr *traveller) { tr.lose(); tr.pid = "x" }},
		{name: "no offset of ours", loss: func(_ *parley.Hub, tr *traveller) { tr.lose(); tr.offset = "-" }},
		{name: "an offset of the future", loss: func(_ *parley.Hub, tr *traveller) { tr.lose(); tr.offset = "zzz" }},
		{name: "an offset below all", loss: func(_ *parley.Hub, tr *traveller) { tr.lose(); tr.offset = "-5" }},
		{name: "too many are away", keep: parley.KeepOptions{Clients: 1}, loss: func(hub *parley.Hub, tr *traveller) {
			newTraveller(t, hub).lose()
			tr.lose()
		}},
		{name: "too much was said", keep: parley.KeepOptions{Bytes: 10 << 10}, loss: func(hub *parley.Hub, tr *traveller) {
			tr.lose()
			for range 20 {
				must(t, hub.Send(t.Context(), "said", strings.Repeat("x", 1000)))
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newKeeping(t, tt.keep)
				tr := newTraveller(t, hub, "x")
				must(t, hub.Send(context.Background(), "one"))
				tr.hear()
				id, pid := tr.session.ID(), tr.pid
				tt.loss(hub, tr)
				if tr.come() {
					t.Error("recovered")
				}
				if tr.session.ID() == id || tr.pid == pid || len(tr.session.Conn().Groups()) != 0 {
					t.Errorf("it is %s (%s) in %v as before", tr.session.ID(), tr.pid, tr.session.Conn().Groups())
				}
				if got := tr.hear(); !slices.Equal(got, []string{"welcome"}) {
					t.Errorf("heard %q", got)
				}
			})
		})
	}
}

func TestAClientComesBackBeforeItsLossIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newKeeping(t, parley.KeepOptions{})
		tr := newTraveller(t, hub, "x")
		old := tr.session
		must(t, hub.Group("x").Send(ctx, "unread"))
		if !tr.come() {
			t.Fatal("not recovered")
		}
		must(t, hub.Group("x").Send(ctx, "new"))
		if got, want := tr.hear(), []string{"unread()@1", "welcome", "new()@2"}; !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
		old.Closed(nil) // noticed at last
		if c := hub.Conn(old.ID()); c != tr.session.Conn() {
			t.Errorf("the connection is %v", c)
		}
		tr.lose()
		if !tr.come() {
			t.Error("not recovered a second time")
		}
	})
}

func TestNothingIsLostBetweenTwoConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newKeeping(t, parley.KeepOptions{})
		tr := newTraveller(t, hub, "x")
		id := tr.session.ID()
		tr.session.Conn().CloseNow()
		must(t, hub.Client(id).Send(ctx, "not yet noticed"))
		tr.lose()
		must(t, hub.Client(id).Send(ctx, "noticed"))
		o := &parley.SessionOptions{Recover: &parley.Recover{ID: tr.pid, Offset: tr.offset}}
		s, err := hub.NewSession(request(t), &still{}, o)
		must(t, err)
		must(t, hub.Client(id).Send(ctx, "it is coming"))
		must(t, hub.Group("x").Send(ctx, "to all"))
		s.Closed(errors.New("cut")) // before it has come
		must(t, hub.Client(id).Send(ctx, "it was cut again"))
		if !tr.come() {
			t.Fatal("not recovered")
		}
		must(t, hub.Group("x").Send(ctx, "it is here"))
		want := []string{"not yet noticed()@1", "noticed()@2", "it is coming()@3", "to all()@4", "it was cut again()@5", "welcome", "it is here()@6"}
		if got := tr.hear(); !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
		tr.session.Conn().Close("enough")
		if err := hub.Client(id).Send(ctx, "over"); !errors.Is(err, parley.ErrClosed) {
			t.Errorf("after a goodbye: got %v, want ErrClosed", err)
		}
	})
}

func TestWhoIsAwayIsWrittenToOnlyWhileThereIsHope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newKeeping(t, parley.KeepOptions{Window: time.Minute})
		tr := newTraveller(t, hub)
		id := tr.session.ID()
		tr.lose()
		must(t, hub.Client(id).Send(ctx, "hello"))
		if err := hub.Client(id).Volatile().Send(ctx, "hello"); !errors.Is(err, parley.ErrClosed) {
			t.Errorf("a volatile message: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if err := hub.Client(id).Send(ctx, "hello"); !errors.Is(err, parley.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	})
}

// TestNothingIsLostNorTwice has travellers come and go while many send.
func TestNothingIsLostNorTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const senders, each = 4, 250
		hub := newKeeping(t, parley.KeepOptions{})
		var travellers, sending sync.WaitGroup
		done := make(chan struct{})
		var all []*traveller
		for range 5 {
			tr := newTraveller(t, hub, "a", "b")
			all = append(all, tr)
			travellers.Go(func() { tr.wander(done) })
		}
		for n := range senders {
			to := []parley.Audience{hub.Audience(), hub.Group("a"), hub.Group("b"), hub.Group("a").And(hub.Group("b"))}[n]
			sending.Go(func() {
				for i := range each {
					must(t, to.Send(context.Background(), fmt.Sprintf("%d-%d", n, i)))
					time.Sleep(time.Millisecond)
				}
			})
		}
		sending.Wait()
		close(done)
		travellers.Wait()
		for _, tr := range all {
			var next [senders]int
			for _, event := range tr.heard {
				var n, i int
				fmt.Sscanf(event, "%d-%d", &n, &i)
				if i != next[n] {
					t.Fatalf("sender %d: %d came where %d was due", n, i, next[n])
				}
				next[n]++
			}
			if next != [senders]int{each, each, each, each} {
				t.Errorf("heard %v of each", next)
			}
		}
	})
}

// wander is lost now and then, sometimes with what was on its way.
func (tr *traveller) wander(done chan struct{}) {
	for turn := 0; ; turn++ {
		select {
		case <-done:
			tr.hear()
			return
		default:
		}
		switch turn % 7 {
		case 3:
			tr.session.Take(nil) // lost on its way
			tr.lose()
		case 4, 6:
			if tr.session.Context().Err() != nil || turn%2 == 0 {
				if !tr.come() {
					tr.t.Error("not recovered")
				}
			}
		default:
			if tr.session.Context().Err() == nil {
				tr.hear()
			}
		}
		time.Sleep(3 * time.Millisecond)
	}
}

func TestAttachmentsGoBehindTheirMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		hub.Handle("bytes", parley.Func(func(n int) []byte { return bytes.Repeat([]byte{'x'}, n) }))
		s, _ := openStill(t, hub, numbered{})
		data := []byte("first")
		must(t, hub.Send(t.Context(), "said", data, "and", []byte("second")))
		copy(data, "later")
		s.Receive(&wire.Message{Kind: wire.Call, ID: "7", Name: "bytes", Args: wire.Args{Values: [][]byte{[]byte("3")}}})
		synctest.Wait()
		var got []string
		for _, e := range s.Take(nil) {
			got = append(got, fmt.Sprint(e.Binary, " ", string(e.Data)))
		}
		want := []string{`false said(1, "and", 2)@`, "true first", "true second", "false 7=1", "true xxx"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestALogThatRunsOverInBetweenIsNoSilentGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newKeeping(t, parley.KeepOptions{Bytes: 10 << 10})
		tr := newTraveller(t, hub)
		must(t, hub.Send(t.Context(), "one"))
		tr.hear()
		tr.lose()
		pipe := &still{}
		s, err := hub.NewSession(request(t), pipe, &parley.SessionOptions{Recover: &parley.Recover{ID: tr.pid, Offset: tr.offset}})
		must(t, err)
		if !s.Recovered() {
			t.Fatal("not recovered")
		}
		for range 20 {
			must(t, hub.Send(t.Context(), "said", strings.Repeat("x", 1000)))
		}
		s.Open(&parley.Opening{Protocol: numbered{}, Welcome: []byte("welcome"), KeepAlive: -1, IdleTimeout: -1})
		synctest.Wait()
		if pipe.closed.Load() == nil {
			t.Error("it goes on with a gap")
		}
		for _, e := range s.Take(nil) {
			t.Errorf("it is told %q", e.Data)
		}
		s.Closed(nil)
		tr.pid, tr.session = s.RecoveryID(), s
		if tr.come() {
			t.Error("recovered with a gap")
		}
	})
}
