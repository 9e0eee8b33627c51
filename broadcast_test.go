package parley_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/wire"
)

// still is a pipe that nobody reads until the test takes.
type still struct{ closed atomic.Pointer[wire.Goodbye] }

func (*still) Transport() string { return "still" }
func (*still) Wake()             {}
func (*still) Ping() bool        { return false }
func (*still) Pause()            {}
func (*still) Resume()           {}
func (*still) CloseNow()         {}

func (p *still) Close(code int, reason string) {
	p.closed.Store(&wire.Goodbye{Code: code, Reason: reason})
}

// counting is a protocol that counts how often it encodes.
type counting struct {
	wire.Protocol
	appended *atomic.Int64
	codec    countingCodec
}

type countingCodec struct {
	wire.Codec
	marshalled *atomic.Int64
}

func (p counting) Codec() wire.Codec { return p.codec }

func (p counting) Append(dst []byte, m *wire.Message) ([]byte, error) {
	p.appended.Add(1)
	return p.Protocol.Append(dst, m)
}

func (c countingCodec) Marshal(values ...any) (wire.Args, error) {
	c.marshalled.Add(1)
	return c.Codec.Marshal(values...)
}

// openStill makes a connected session whose pipe does not move.
func openStill(t *testing.T, hub *parley.Hub, p wire.Protocol) (*parley.Session, *still) {
	t.Helper()
	pipe := &still{}
	s := newStill(t, hub, pipe)
	s.Open(&parley.Opening{Protocol: p, KeepAlive: -1, IdleTimeout: -1})
	t.Cleanup(func() { s.Closed(nil) })
	return s, pipe
}

func texts(batch []*wire.Encoded) string {
	var all []string
	for _, e := range batch {
		var m wire.Message
		if err := parleytest.Protocol.Parse(e.Data, &m); err != nil {
			return err.Error()
		}
		if len(m.Args.Values) > 0 {
			all = append(all, strings.Trim(string(m.Args.Values[0]), `"`))
			continue
		}
		all = append(all, "close")
	}
	return strings.Join(all, " ")
}

func TestABroadcastIsEncodedOncePerCodecAndProtocol(t *testing.T) {
	hub := parley.NewHub(nil)
	var appended, marshalled, framed atomic.Int64
	p := counting{parleytest.Protocol, &appended, countingCodec{wire.JSON, &marshalled}}
	var sessions []*parley.Session
	for range 100 {
		s, _ := openStill(t, hub, p)
		sessions = append(sessions, s)
	}
	must(t, hub.Send(t.Context(), "said", "once"))
	first := sessions[0].Take(nil)[0]
	frame := func(*wire.Encoded) any { return framed.Add(1) }
	for _, s := range sessions[1:] {
		e := s.Take(nil)[0]
		if e != first {
			t.Fatal("two members got different copies of one broadcast")
		}
		e.Framed(wire.WebSocketForm, frame)
	}
	if m, a, f := marshalled.Load(), appended.Load(), framed.Load(); m != 1 || a != 1 || f != 1 {
		t.Errorf("marshalled %d times, appended %d, framed %d; want 1 each", m, a, f)
	}
}

func TestFullQueuesFollowThePolicyOfTheSend(t *testing.T) {
	ctx := context.Background()
	hub := parley.NewHub(&parley.HubOptions{Limits: parley.Limits{QueueMessages: 4}})
	send := func(to parley.Audience, words ...string) error {
		var err error
		for _, w := range words {
			err = to.Send(ctx, "said", w)
		}
		return err
	}
	tests := []struct {
		name    string
		send    func(c *parley.Conn) error
		want    string
		dropped string
		wantErr error
	}{
		{
			name: "below the limit nothing is lost",
			send: func(c *parley.Conn) error { return send(c.Audience(), "1", "2", "3", "4") },
			want: "1 2 3 4",
		},
		{
			name:    "by default the connection is closed",
			send:    func(c *parley.Conn) error { return send(c.Audience(), "1", "2", "3", "4", "5") },
			want:    "close",
			dropped: "slow",
			wantErr: parley.ErrSlow,
		},
		{
			name:    "the oldest droppable message gives way",
			send:    func(c *parley.Conn) error { return send(c.Audience().DropOldest(), "1", "2", "3", "4", "5", "6") },
			want:    "3 4 5 6",
			dropped: "oldest",
		},
		{
			name: "what may not be dropped stays",
			send: func(c *parley.Conn) error {
				return errors.Join(send(c.Audience(), "a", "b", "c"), send(c.Audience().DropOldest(), "1", "2", "3"))
			},
			want:    "a b c 3",
			dropped: "oldest",
		},
		{
			name: "where nothing may be dropped, the newcomer is",
			send: func(c *parley.Conn) error {
				return errors.Join(send(c.Audience(), "a", "b", "c", "d"), send(c.Audience().DropOldest(), "1"))
			},
			want:    "a b c d",
			dropped: "oldest",
		},
		{
			name: "the latest of a key replaces the one that waits",
			send: func(c *parley.Conn) error {
				return errors.Join(
					send(c.Audience().KeepLatest("x"), "x1"), send(c.Audience().KeepLatest("y"), "y1"),
					send(c.Audience(), "a"), send(c.Audience().KeepLatest("x"), "x2", "x3"))
			},
			want:    "y1 a x3",
			dropped: "latest",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, pipe := openStill(t, hub, parleytest.Protocol)
			before := hub.Stats().Dropped
			if err := tt.send(s.Conn()); !errors.Is(err, tt.wantErr) {
				t.Errorf("send: %v, want %v", err, tt.wantErr)
			}
			if got := texts(s.Take(nil)); got != tt.want {
				t.Errorf("queue holds %q, want %q", got, tt.want)
			}
			if slow := tt.dropped == "slow"; slow != (pipe.closed.Load() != nil) {
				t.Errorf("pipe closed: %v", pipe.closed.Load())
			} else if slow && pipe.closed.Load().Code != 1013 {
				t.Errorf("close code %d, want 1013", pipe.closed.Load().Code)
			}
			after := hub.Stats().Dropped
			for reason := range after {
				if grew := after[reason] > before[reason]; grew != (reason == tt.dropped) {
					t.Errorf("drops counted as %s: %d before, %d after", reason, before[reason], after[reason])
				}
			}
		})
	}
}

func TestAReplacedMessageDoesNotGrowTheQueue(t *testing.T) {
	hub := parley.NewHub(&parley.HubOptions{Limits: parley.Limits{QueueMessages: 4}})
	s, _ := openStill(t, hub, parleytest.Protocol)
	must(t, s.Conn().Send(t.Context(), "said", "kept"))
	for range 10_000 {
		must(t, s.Conn().Audience().KeepLatest("k").Send(t.Context(), "said", "latest"))
	}
	if got := texts(s.Take(nil)); got != "kept latest" {
		t.Errorf("queue holds %q", got)
	}
}

func TestOneSlowReaderAmongElevenStallsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Limits: parley.Limits{QueueMessages: 100}})
		slow, pipe := openStill(t, hub, parleytest.Protocol)
		must(t, slow.Conn().Join("lobby"))
		var hears []*listener
		for range 10 {
			cl, l := dialListening(t, hub, "")
			must(t, join.Call(t.Context(), cl, "lobby"))
			hears = append(hears, l)
		}
		for i := range 500 {
			must(t, said.Send(t.Context(), hub.Group("lobby"), line{Text: "x"}))
			if i%50 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		for i, l := range hears {
			if n := len(drain(l.lines)); n != 500 {
				t.Errorf("healthy member %d heard %d of 500", i, n)
			}
		}
		if pipe.closed.Load() == nil || pipe.closed.Load().Code != 1013 {
			t.Errorf("the slow member was not closed: %+v", pipe.closed.Load())
		}
		slow.Closed(nil)
	})
}

func TestArgumentsThatCannotBeWrittenAreTheSendersError(t *testing.T) {
	hub := parley.NewHub(nil)
	for range 2 { // to nobody, then to somebody
		if err := hub.Send(t.Context(), "said", make(chan int)); err == nil {
			t.Error("a channel was sent")
		}
		openStill(t, hub, parleytest.Protocol)
	}
}

func BenchmarkBroadcast(b *testing.B) {
	hub := parley.NewHub(nil)
	var sessions []*parley.Session
	r, _ := http.NewRequest(http.MethodGet, "/", nil)
	for range 1000 {
		s, err := hub.NewSession(r, &still{}, nil)
		if err != nil {
			b.Fatal(err)
		}
		s.Open(&parley.Opening{Protocol: parleytest.Protocol, KeepAlive: -1, IdleTimeout: -1})
		sessions = append(sessions, s)
	}
	var batch []*wire.Encoded
	b.ReportAllocs()
	for b.Loop() {
		if err := hub.Send(b.Context(), "said", "ann", "hello, all of you"); err != nil {
			b.Fatal(err)
		}
		for _, s := range sessions {
			batch = s.Take(batch[:0])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/delivery")
	for _, s := range sessions {
		s.Closed(nil)
	}
}
