package parley

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/wire"
)

// dialect is a protocol of which no two values are alike.
type dialect struct{ name *int }

func (dialect) Name() string                      { return "dialect" }
func (dialect) Codec() wire.Codec                 { return wire.JSON }
func (dialect) Binary() bool                      { return false }
func (dialect) Parse([]byte, *wire.Message) error { return nil }

func (dialect) Append(dst []byte, m *wire.Message) ([]byte, error) {
	if m.Kind != wire.Call {
		return dst, nil
	}
	return fmt.Append(dst, m.Name, "@", m.Offset), nil
}

type noPipe struct{}

func (noPipe) Transport() string { return "none" }
func (noPipe) Wake()             {}
func (noPipe) Ping() bool        { return false }
func (noPipe) Pause()            {}
func (noPipe) Resume()           {}
func (noPipe) Close(int, string) {}
func (noPipe) CloseNow()         {}

func keepingHub(t *testing.T) *Hub {
	t.Helper()
	hub := NewHub(&HubOptions{Log: slog.New(slog.DiscardHandler)})
	hub.Keep(KeepOptions{})
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		hub.Shutdown(ctx)
	})
	return hub
}

// come opens a session of a user.
func come(t *testing.T, hub *Hub, user string, r *Recover) *Session {
	t.Helper()
	return comeBy(t, hub, user, noPipe{}, r)
}

func comeBy(t *testing.T, hub *Hub, user string, pipe wire.Pipe, r *Recover) *Session {
	t.Helper()
	request := httptest.NewRequest("GET", "/", nil)
	s, err := hub.NewSession(request.WithContext(WithUser(request.Context(), user)), pipe, &SessionOptions{Recover: r})
	if err != nil {
		t.Fatal(err)
	}
	s.Open(&Opening{Protocol: dialect{new(int)}, KeepAlive: -1, IdleTimeout: -1})
	return s
}

func taken(s *Session) string {
	var all []string
	for _, e := range s.Take(nil) {
		all = append(all, string(e.Data))
	}
	return strings.Join(all, " ")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var errCut = errors.New("cut")

// Whoever signs in anew may still tell the secret of the one before.
func TestAnotherUserIsNotRecovered(t *testing.T) {
	hub := keepingHub(t)
	ann := come(t, hub, "ann", &Recover{})
	must(t, ann.Conn().Join("secrets"))
	ann.Closed(errCut)
	must(t, hub.Group("secrets").Send(t.Context(), "secret"))
	bob := come(t, hub, "bob", &Recover{ID: ann.RecoveryID()})
	if heard := taken(bob); bob.Recovered() || bob.ID() == ann.ID() || len(bob.Conn().Groups()) > 0 || heard != "" {
		t.Errorf("bob is recovered as ann: %t, %v, %q", bob.Recovered(), bob.Conn().Groups(), heard)
	}
	again := come(t, hub, "ann", &Recover{ID: ann.RecoveryID()})
	if heard := taken(again); !again.Recovered() || heard != "secret@1" {
		t.Errorf("ann herself: %t, %q", again.Recovered(), heard)
	}
}

// What OnDisconnect does to the groups of a connection that is lost is nothing to
// the one that is in its place.
func TestALostConnectionThatLeavesTakesNothingFromTheNext(t *testing.T) {
	hub := keepingHub(t)
	first := come(t, hub, "", &Recover{})
	must(t, first.Conn().Join("room"))
	must(t, hub.Send(t.Context(), "hi"))
	first.Closed(errCut)
	second := come(t, hub, "", &Recover{ID: first.RecoveryID(), Offset: "1"})
	first.Conn().Leave("room") // late
	second.Closed(errCut)
	must(t, hub.Group("room").Send(t.Context(), "said"))
	third := come(t, hub, "", &Recover{ID: first.RecoveryID(), Offset: "1"})
	if heard := taken(third); !third.Recovered() || heard != "said@2" {
		t.Errorf("recovered: %t, heard %q", third.Recovered(), heard)
	}
}

// A client that comes back over and over may bring another protocol each time.
// cutting is a pipe that tells when it is cut.
type cutting struct {
	noPipe
	cut func()
}

func (c cutting) CloseNow() { c.cut() }

func TestAClientThatIsCutWhileItIsRecoveredComesAgain(t *testing.T) {
	hub := keepingHub(t)
	var id, offset string
	var again *Session
	pipe := cutting{cut: sync.OnceFunc(func() { again = come(t, hub, "ann", &Recover{ID: id, Offset: offset}) })}
	first := comeBy(t, hub, "ann", pipe, &Recover{})
	must(t, hub.Send(t.Context(), "one"))
	id, offset = first.RecoveryID(), strings.TrimPrefix(taken(first), "one@")
	second := come(t, hub, "ann", &Recover{ID: id, Offset: offset})
	for i, s := range []*Session{second, again} {
		if !s.Recovered() || s.RecoveryID() != id || s.ID() != first.ID() {
			t.Errorf("attempt %d: recovered is %t", i+1, s.Recovered())
		}
	}
	must(t, hub.Client(first.ID()).Send(t.Context(), "two"))
	if got := taken(again); !strings.HasPrefix(got, "two@") {
		t.Errorf("the client got %q, want two", got)
	}
}

func TestKeptEventsAreWrittenInFewProtocols(t *testing.T) {
	hub := keepingHub(t)
	s := come(t, hub, "", &Recover{})
	must(t, hub.Send(t.Context(), "said"))
	pid := s.RecoveryID()
	for range 100 {
		s.Closed(errCut)
		s = come(t, hub, "", &Recover{ID: pid})
		if heard := taken(s); heard != "said@1" {
			t.Fatalf("heard %q", heard)
		}
	}
	e, _ := hub.keeper.Load().log.Oldest()
	if n := len(e.event.encoded); n > maxWritings {
		t.Errorf("an event is kept in %d protocols, want %d at most", n, maxWritings)
	}
}

// A client may join and leave as often as it likes.
func TestMembershipsThatAreRememberedAreBounded(t *testing.T) {
	hub := keepingHub(t)
	s := come(t, hub, "", &Recover{})
	c := s.Conn()
	for range 100 {
		must(t, c.Join("quiet"))
		c.Leave("quiet")
	}
	if n := len(s.place.spans); n > 0 {
		t.Errorf("%d memberships are remembered of groups in which nothing was said", n)
	}
	must(t, c.Join("always"))
	most := hub.core.limits.Groups + maxPast
	for i := range 2 * most {
		must(t, c.Join(fmt.Sprint("room ", i)))
		must(t, hub.Group(fmt.Sprint("room ", i)).Send(t.Context(), "said"))
		c.Leave(fmt.Sprint("room ", i))
		taken(s)
	}
	if n := len(s.place.spans); n > most {
		t.Errorf("%d memberships are remembered, want %d at most", n, most)
	}
	s.Closed(errCut)
	must(t, hub.Group("always").Send(t.Context(), "last"))
	if again := come(t, hub, "", &Recover{ID: s.RecoveryID()}); again.Recovered() {
		t.Error("recovered, although it is not known what was for it")
	}
	s = come(t, hub, "", &Recover{})
	must(t, s.Conn().Join("always"))
	s.Closed(errCut)
	must(t, hub.Group("always").Send(t.Context(), "last"))
	if again := come(t, hub, "", &Recover{ID: s.RecoveryID()}); !again.Recovered() || !strings.HasPrefix(taken(again), "last@") {
		t.Error("who has joined little is not recovered")
	}
}

func TestTheNamesOfAnAudienceCountAmongTheBytesKept(t *testing.T) {
	hub := keepingHub(t)
	come(t, hub, "", &Recover{})
	names := make([]string, 1000)
	for i := range names {
		names[i] = strings.Repeat("x", 100)
	}
	log := &hub.keeper.Load().log
	for _, to := range []Audience{hub.Audience().ExceptIDs(names...), hub.Audience().ExceptGroups(names...)} {
		before := log.Bytes()
		must(t, to.Send(t.Context(), "said"))
		if n := log.Bytes() - before; n < 100*1000 {
			t.Errorf("an event to all but 100,000 bytes of names is kept as %d", n)
		}
	}
}

// greedy is a value that sends while it is written.
type greedy struct{ hub *Hub }

// MarshalJSON implements [encoding/json.Marshaler].
func (g greedy) MarshalJSON() ([]byte, error) {
	return []byte("1"), g.hub.Send(context.Background(), "meanwhile")
}

func TestAValueThatSendsWhileItIsWritten(t *testing.T) {
	hub := keepingHub(t)
	s := come(t, hub, "", &Recover{})
	sent := make(chan error, 1)
	go func() { sent <- hub.Send(context.Background(), "said", greedy{hub}) }() // ends with the channel's reader
	select {
	case err := <-sent:
		must(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("the hub waits for itself")
	}
	if heard := taken(s); heard != "meanwhile@1 said@2" {
		t.Errorf("heard %q", heard)
	}
}
