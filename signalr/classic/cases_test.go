package classic_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr/classic"
)

// The tests in this file bear the titles of cases in the suites of ASP.NET SignalR, whose behaviour its clients
// have come to expect.

func after(*testing.T) <-chan time.Time { return time.After(patience) }

// secretKey is shared by servers of one test that stand for one server before and after a restart.
var secretKey = []byte("0123456789abcdef0123456789abcdef")

func TestGroupsTokenIsPerConnectionID(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		first, second := newRoom(), newRoom()
		before := serve(t, first.hubs(), &classic.Options{Key: secretKey})
		afterwards := serve(t, second.hubs(), &classic.Options{Key: secretKey})

		member, spy := open(t, before, transport, "chathub"), open(t, before, transport, "chathub")
		member.invoke("chathub", "join", "secret")
		quiet(member)
		member.wait("a groups token", func() bool { return member.groups != "" })
		member.drop()
		spy.drop()

		// At another process the token is all that tells who is in which group.
		spy.groups = member.groups
		member.base, spy.base = afterwards, afterwards
		member.reconnect()
		spy.reconnect()
		quiet(member)
		quiet(spy)
		if err := second.Group("secret").Send(t.Context(), "told", "psst"); err != nil {
			t.Fatal(err)
		}
		if got := member.hears("told"); got != `"psst"` {
			t.Errorf("the member heard %s", got)
		}
		quiet(spy)
		spy.heardNothing(isEvent("told"))
	})
}

func TestConnectionIDsCannotBeUsedAsGroups(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		r := newRoom()
		base := serve(t, r.hubs(), nil)
		p, spy := open(t, base, transport, "chathub"), open(t, base, transport, "chathub")
		for _, group := range []string{p.id, "c-" + p.id, "h-ChatHub", "hc-ChatHub." + p.id, "hg-ChatHub." + p.id, "ChatHub"} {
			spy.invoke("chathub", "join", group)
		}
		if err := r.Client(p.id).Send(t.Context(), "told", "only you"); err != nil {
			t.Fatal(err)
		}
		if got := p.hears("told"); got != `"only you"` {
			t.Errorf("got %s", got)
		}
		p.invoke("chathub", "me")
		p.hears("me")
		if err := r.Group(p.id).Send(t.Context(), "told", "the group"); err != nil {
			t.Fatal(err)
		}
		if got := spy.hears("told"); got != `"the group"` {
			t.Errorf("the spy heard %s", got)
		}
		quiet(spy)
		spy.heardNothing(func(e element) bool { return e.M == "told" || e.M == "me" })
		quiet(p)
		p.heardNothing(isEvent("told")) // it has not joined a group of its own name
	})
}

func TestHubNamesAreNotCaseSensitive(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		r := newRoom()
		p := open(t, serve(t, r.hubs(), nil), transport, "CHATHub")
		if got := p.invoke("cHatHub", "eCHO", "hi"); got != `"hi"` {
			t.Errorf("got %s", got)
		}
		p.invoke("CHATHUB", "ALL", "hello")
		e := p.take("the event", isEvent("all"))
		if e.H != "ChatHub" || e.args() != `"hello"` {
			t.Errorf("got %s", e.raw)
		}
	})
}

func TestJoiningAGroupTwiceDeliversOnce(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		r := newRoom()
		p := open(t, serve(t, r.hubs(), nil), transport, "chathub")
		p.invoke("chathub", "join", "lobby")
		p.invoke("chathub", "join", "lobby")
		p.invoke("chathub", "tell", "lobby", "once")
		if got := p.hears("told"); got != `"once"` {
			t.Errorf("got %s", got)
		}
		p.invoke("chathub", "leave", "lobby")
		p.invoke("chathub", "tell", "lobby", "never")
		quiet(p)
		p.heardNothing(isEvent("told"))
	})
}

// TestSendingToEmptyListsIsFine: nobody is an audience like any other.
func TestSendingToEmptyListsIsFine(t *testing.T) {
	r := newRoom()
	r.Handle("Nobody", parley.Func(func(ctx context.Context, c *parley.Conn) error {
		for _, to := range []parley.Audience{
			r.Group("nobody"), r.Group(""), r.User("nobody"), r.User(""), r.Audience().Except(c),
			r.Group("a").And(r.Group("b")), r.Audience().ExceptIDs(), r.Audience().And(r.Group("x")),
		} {
			if err := to.Except(c).Send(ctx, "told", "nobody"); err != nil {
				return err
			}
		}
		return nil
	}))
	p := open(t, serve(t, r.hubs(), nil), "webSockets", "chathub")
	p.invoke("chathub", "nobody")
	quiet(p)
	p.heardNothing(isEvent("told"))
}

func TestRejoiningGroupsOnlyThoseOfTheHub(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		var mu sync.Mutex
		rejoined := map[string][]string{}
		o := &classic.Options{Key: secretKey, RejoiningGroups: func(_ *http.Request, hub string, groups []string) []string {
			mu.Lock()
			defer mu.Unlock()
			rejoined[hub] = slices.Sorted(slices.Values(groups))
			return slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return g == "banned" })
		}}
		hubs := func() map[string]*parley.Hub {
			return map[string]*parley.Hub{"Chat": newRoom().Hub, "Chat.Two": newRoom().Hub}
		}
		old, fresh := hubs(), hubs()
		before, afterwards := serve(t, old, o), serve(t, fresh, o)
		p := open(t, before, transport, "chat", "chat.two")
		for hub, groups := range map[string][]string{"chat": {"lobby", "banned", "Two.x"}, "chat.two": {"hall", "x"}} {
			for _, g := range groups {
				p.invoke(hub, "join", g)
			}
		}
		p.invoke("chat", "echo", 1)
		p.drop()
		p.base = afterwards
		p.reconnect()
		p.invoke("chat", "echo", 1)
		p.invoke("chat.two", "echo", 1)
		mu.Lock()
		defer mu.Unlock()
		if got, want := rejoined["Chat"], []string{"Two.x", "banned", "lobby"}; !slices.Equal(got, want) {
			t.Errorf("Chat was asked about %q, want %q", got, want)
		}
		if got, want := rejoined["Chat.Two"], []string{"hall", "x"}; !slices.Equal(got, want) {
			t.Errorf("Chat.Two was asked about %q, want %q", got, want)
		}
		if got, want := fresh["Chat"].Conn(p.id).Groups(), []string{"Two.x", "lobby"}; !slices.Equal(got, want) {
			t.Errorf("in Chat it is in %q, want %q", got, want)
		}
		if got, want := fresh["Chat.Two"].Conn(p.id).Groups(), []string{"hall", "x"}; !slices.Equal(got, want) {
			t.Errorf("in Chat.Two it is in %q, want %q", got, want)
		}
	})
}

func TestReconnectFiresAfterHostShutdown(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		first, second := newRoom(), newRoom()
		before := serve(t, first.hubs(), &classic.Options{Key: secretKey})
		afterwards := serve(t, second.hubs(), &classic.Options{Key: secretKey})
		p := open(t, before, transport, "chathub")
		p.invoke("chathub", "join", "lobby")
		quiet(p)
		if c := next(t, "OnConnect", first.connects); c.recovered {
			t.Error("who is new is said to be recovered")
		}
		if err := first.Shutdown(t.Context()); err != nil {
			t.Fatalf("Shutdown: %v", err)
		}
		p.ended()
		if told := p.complaints(); len(told) > 0 {
			t.Errorf("the client was told %q, which would stop it", told)
		}
		p.base = afterwards
		p.reconnect()
		if c := next(t, "OnConnect", second.connects); !c.recovered || c.id != p.id || !slices.Equal(c.groups, []string{"lobby"}) {
			t.Errorf("at the new process: %+v", c)
		}
		p.invoke("chathub", "tell", "lobby", "back")
		if got := p.hears("told"); got != `"back"` {
			t.Errorf("got %s", got)
		}
	})
}

// TestClientsOver64KB: what is larger goes to clients, and does not come from them.
func TestClientsOver64KB(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		r := newRoom()
		r.Handle("Large", parley.Func(func(ctx context.Context) (string, error) {
			large := strings.Repeat("a", 64<<10)
			return large, r.Send(ctx, "large", large)
		}))
		p := open(t, serve(t, r.hubs(), nil), transport, "chathub")
		if got := p.invoke("chathub", "large"); len(got) != 64<<10+2 {
			t.Errorf("a result of %d bytes", len(got))
		}
		if got := p.hears("large"); len(got) != 64<<10+2 {
			t.Errorf("an event of %d bytes", len(got))
		}
		status, body := p.send(`{"H":"chathub","M":"Echo","A":["` + strings.Repeat("a", 64<<10) + `"],"I":77}`)
		if transport != "webSockets" {
			if status != http.StatusRequestEntityTooLarge {
				t.Errorf("a message over 64 KB: got %d %.100s, want 413", status, body)
			}
			quiet(p)
			return
		}
		if err := p.ended(); err == nil || !strings.Contains(err.Error(), "1009") {
			t.Errorf("a message over 64 KB: the socket ended with %v, want 1009", err)
		}
		p.reconnect()
		quiet(p)
	})
}

// TestInitMessageNeedNotBeFirst: what OnConnect sends comes before the start is answered, or with it; clients of
// before 1.4, which do not ask for the start, get it before the init message.
func TestInitMessageNeedNotBeFirst(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		base := serve(t, newRoom().hubs(), nil)
		for _, version := range []string{"1.3", "1.2", "", "1337", "1.5"} {
			p := newPage(t, base, transport, "chathub")
			p.query.Set("clientProtocol", version)
			p.as("X-User", "ann")
			p.negotiate()
			p.connect("connect")
			if version == "1.5" {
				p.started()
			}
			if got := p.hears("welcome"); got != `"ann"` {
				t.Errorf("version %q: got %s", version, got)
			}
			quiet(p)
		}
	})
}

// TestNoReconnectAfterFallback: a client that goes on to its next transport before the first has worked is new.
func TestNoReconnectAfterFallback(t *testing.T) {
	for _, lost := range transports[:3] { // behind long polling there is nothing to fall back to
		t.Run(lost, func(t *testing.T) {
			r := newRoom()
			reconnects := make(chan string, 10)
			base := serve(t, r.hubs(), &classic.Options{OnReconnected: func(_ context.Context, c *parley.Conn, _ int) {
				reconnects <- c.ID()
			}})
			p := newPage(t, base, lost, "chathub")
			p.negotiate()
			p.openStream("connect")
			stale := p.stream
			select {
			case <-stale.init: // half open: the client has not heard of it
			case <-after(t):
				t.Fatal("no init message")
			}
			p.transport = "longPolling"
			p.query.Set("transport", p.transport)
			p.mu.Lock()
			p.cursor = ""
			p.mu.Unlock()
			p.connect("connect")
			p.started()
			quiet(p)
			next(t, "OnConnect", r.connects)
			if len(r.connects) > 0 || len(reconnects) > 0 || r.Stats().Conns != 1 {
				t.Errorf("OnConnect ran %d times more, OnReconnected %d times, %d connections", len(r.connects), len(reconnects), r.Stats().Conns)
			}
			select {
			case <-stale.done: // replaced, and closed
			case <-after(t):
				t.Error("the first stream is still open")
			}
			stale.cancel()
		})
	}
}

func TestCallingStopAfterInvocationReturnsFast(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		r := newRoom()
		p := open(t, serve(t, r.hubs(), nil), transport, "chathub")
		p.invoke("chathub", "all", "hi")
		begun := time.Now()
		status, body := p.post("abort", url.Values{}, nil)
		if took := time.Since(begun); status != http.StatusOK || body != "" || took > 5*time.Second {
			t.Errorf("abort: got %d %q after %v", status, body, took)
		}
		if err := next(t, "OnDisconnect", r.disconnects); err != nil {
			t.Errorf("OnDisconnect: got %v, want nil: stop was called", err)
		}
		if transport == "longPolling" {
			return // its client stops by itself
		}
		err := p.ended()
		if transport == "webSockets" && (err == nil || !strings.Contains(err.Error(), "1000")) {
			t.Errorf("the socket ended with %v, want a goodbye with 1000", err)
		}
	})
}

func TestPrefixMatchingOfPathsIsNotGreedy(t *testing.T) {
	mux := http.NewServeMux()
	rooms := map[string]*parley.Hub{}
	for _, path := range []string{"/echo", "/echo2", "/echo/deep", "/echo-"} {
		name := path
		hub := parley.NewHub(nil)
		hub.Handle("where", parley.Func(func() string { return name }))
		rooms[path] = hub
		classic.Mount(mux, path, map[string]*parley.Hub{"hub": hub}, nil)
	}
	base := serveMux(t, mux, rooms)
	for path := range rooms {
		p := open(t, base+path, "webSockets", "hub")
		if got := p.invoke("hub", "where"); got != `"`+path+`"` {
			t.Errorf("%s: got %s", path, got)
		}
	}
	for _, path := range []string{"/echo3", "/ech", "/echo2x"} {
		p := newPage(t, base+path, "webSockets", "hub")
		if status, body := p.get("negotiate", nil); status != http.StatusNotFound {
			t.Errorf("%s: got %d %s, want 404", path, status, body)
		}
	}
}

func TestDateStringsSurviveUntouched(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		r := newRoom()
		r.Handle("Repeat", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
			var v any
			if err := call.Scan(&v); err != nil {
				return err
			}
			return r.Send(ctx, "repeated", v)
		}))
		p := open(t, serve(t, r.hubs(), nil), transport, "chathub")
		for _, date := range []string{"2013-05-01T10:20:30.1234567+01:00", "2013-05-01T10:20:30Z", "/Date(1367403630000)/", "2013-05-01", "01/02/03"} {
			if got := p.invoke("chathub", "echo", date); got != `"`+date+`"` {
				t.Errorf("%s came back as %s", date, got)
			}
			p.call("chathub", "repeat", date)
			if got := p.hears("repeated"); got != `"`+date+`"` {
				t.Errorf("%s was sent as %s", date, got)
			}
		}
	})
}
