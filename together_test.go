package parley_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
)

// crowd is a hub with clients named as given, each in the groups that its name's
// letters name.
func crowd(t *testing.T, hub *parley.Hub, names ...string) map[string]*listener {
	t.Helper()
	hub.OnConnect(func(_ context.Context, c *parley.Conn) error {
		for _, letter := range c.User() {
			if err := c.Join(string(letter)); err != nil {
				return err
			}
		}
		return nil
	})
	hears := make(map[string]*listener)
	for _, name := range names {
		_, hears[name] = dialListening(t, hub, name)
	}
	synctest.Wait() // for OnConnect
	return hears
}

// conn finds the connection of a user.
func conn(t *testing.T, hub *parley.Hub, user string) *parley.Conn {
	t.Helper()
	conns := hub.User(user).Conns()
	if len(conns) != 1 {
		t.Fatalf("%s has %d connections", user, len(conns))
	}
	return conns[0]
}

func TestAudiencesAreUnitedAndNarrowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		hears := crowd(t, hub, "a", "b", "ab", "c", "bc")
		c, ab := conn(t, hub, "c"), conn(t, hub, "ab")
		a, b := hub.Group("a"), hub.Group("b")
		for i, sent := range []struct {
			to   parley.Addressable
			want []string
		}{
			{a.And(b), []string{"a", "ab", "b", "bc"}},
			{a.And(b, a, b), []string{"a", "ab", "b", "bc"}},
			{a.And(c), []string{"a", "ab", "c"}},
			{a.And(hub.User("bc")), []string{"a", "ab", "bc"}},
			{a.And(b.Except(ab)), []string{"a", "b", "bc"}},
			{a.And(b).ExceptGroups("c"), []string{"a", "ab", "b"}},
			{a.ExceptGroups("b").And(hub.Group("c")), []string{"a", "c"}},
			{hub.Audience().ExceptGroups("a", "c"), []string{"b"}},
			{hub.Audience().ExceptIDs(c.ID(), ab.ID()), []string{"a", "b", "bc"}},
			{hub.Audience().And(a), []string{"a", "ab", "b", "bc", "c"}},
			{hub.Client(ab.ID()), []string{"ab"}},
			{hub.Client(ab.ID()).And(hub.Client("nobody")), []string{"ab"}},
			{hub.Client(ab.ID()).Except(ab), nil},
			{hub.Group("none").And(hub.Group("neither")), nil},
		} {
			err := said.Send(t.Context(), sent.to, line{Text: fmt.Sprint(i)})
			if err != nil && !(sent.want == nil && errors.Is(err, parley.ErrClosed)) {
				t.Errorf("%d: %v", i, err)
			}
			synctest.Wait()
			var got []string
			for name, l := range hears {
				for range len(l.lines) {
					<-l.lines
					got = append(got, name)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, sent.want) {
				t.Errorf("%d: heard by %v, want %v", i, got, sent.want)
			}
		}
	})
}

func TestAnAudienceOfTwoHubsPanics(t *testing.T) {
	one, other := parley.NewHub(nil), parley.NewHub(nil)
	defer shutdown(t, one)
	defer shutdown(t, other)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	one.Group("a").And(other)
}

func TestUnionsKeepTheOrderOfTheirGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		hears := crowd(t, hub, "ab", "ba")
		var senders sync.WaitGroup
		for _, to := range []parley.Audience{hub.Group("a"), hub.Group("b").And(hub.Group("a")), hub.Group("a").And(hub.Group("b"))} {
			senders.Go(func() {
				for range 300 {
					must(t, said.Send(t.Context(), to, line{Text: fmt.Sprint(len(to.Conns()))}))
				}
			})
		}
		senders.Wait()
		synctest.Wait()
		one, other := hears["ab"].lines, hears["ba"].lines
		if len(one) != 900 || len(other) != 900 {
			t.Fatalf("heard %d and %d, want 900", len(one), len(other))
		}
		for range 900 {
			if a, b := <-one, <-other; a != b {
				t.Fatalf("one hears %v where the other hears %v", a, b)
			}
		}
	})
}

func TestActionsReachAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		bus := &parley.MemoryBackplane{}
		here, there := newRoom(t, &parley.HubOptions{Backplane: bus}), newRoom(t, &parley.HubOptions{Backplane: bus})
		crowd(t, here, "a", "b")
		hears := crowd(t, there, "ab", "c")
		must(t, here.Group("a").And(here.Group("c")).Join(ctx, "x", "y"))
		must(t, here.Group("a").ExceptGroups("b").Leave(ctx, "y"))
		var got []string
		for _, hub := range []*parley.Hub{here, there} {
			for _, c := range hub.Audience().Conns() {
				got = append(got, fmt.Sprint(c.User(), c.Groups()))
			}
		}
		slices.Sort(got)
		if want := []string{"a[a x]", "ab[a b x y]", "b[b]", "c[c x y]"}; !slices.Equal(got, want) {
			t.Errorf("groups are %v, want %v", got, want)
		}
		must(t, said.Send(ctx, here.Group("x").And(here.Group("b")).ExceptGroups("c"), line{Text: "to both"}))
		must(t, said.Send(ctx, here.Group("x").Local(), line{Text: "here"}))
		synctest.Wait()
		must(t, here.Group("x").Local().Close(ctx, "enough"))
		must(t, here.Group("b").CloseNow(ctx))
		synctest.Wait()
		if len(hears["ab"].lines) != 1 || len(hears["c"].lines) != 0 {
			t.Errorf("there they hear %d and %d lines, want 1 and 0", len(hears["ab"].lines), len(hears["c"].lines))
		}
		if a, b := here.Stats().Conns, there.Stats().Conns; a != 0 || b != 1 {
			t.Errorf("%d and %d connections are left, want 0 and 1", a, b)
		}
	})
}

func TestJoiningTogetherTellsOfTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Limits: parley.Limits{Groups: 2}})
		crowd(t, hub, "a", "ab")
		if err := hub.Group("a").Join(t.Context(), "x"); !errors.Is(err, parley.ErrLimit) {
			t.Errorf("got %v, want ErrLimit", err)
		}
		if n := len(hub.Group("x").Conns()); n != 1 {
			t.Errorf("%d have joined, want 1", n)
		}
	})
}

// polled dials clients that answer "vote" as their name says.
func polled(t *testing.T, hub *parley.Hub, names ...string) {
	for _, name := range names {
		parleytest.Dial(t, hub, &parleytest.Options{User: name, Setup: func(cl *parley.Client) {
			cl.Handle("vote", parley.Func(func(ctx context.Context, question string) (string, error) {
				switch name {
				case "silent":
					<-ctx.Done()
				case "failing":
					return "", parley.Errorf("no", "I do not vote")
				case "leaving":
					conn(t, hub, name).CloseNow()
				}
				return name + " says " + question, nil
			}))
		}})
	}
}

// votes are the answers as text, sorted.
func votes(answers []parley.Answer) (all []string) {
	for _, a := range answers {
		var text string
		if err := a.Scan(&text); err != nil {
			text = err.Error()
		}
		all = append(all, a.Conn.User()+": "+text)
	}
	slices.Sort(all)
	return all
}

func TestEveryoneIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Log: quiet})
		polled(t, hub, "ann", "bob", "failing", "leaving")
		answers, err := hub.Audience().Call(t.Context(), "vote", "yes")
		want := []string{"ann: ann says yes", "bob: bob says yes", "failing: I do not vote", "leaving: parley: connection closed"}
		if got := votes(answers); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		if answers, err := hub.Group("empty").Call(t.Context(), "vote", "yes"); err != nil || len(answers) != 0 {
			t.Errorf("nobody answers %v, %v", answers, err)
		}
		if _, err := hub.Audience().Call(t.Context(), "vote", make(chan int)); err == nil {
			t.Error("an argument that cannot be written is no error")
		}
	})
}

func TestTheAnswersThatCameInTimeAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Log: quiet, Limits: parley.Limits{AskTimeout: 3 * time.Second}})
		polled(t, hub, "ann", "silent")
		for _, deadline := range []time.Duration{0, time.Second} {
			ctx, want := t.Context(), 3*time.Second
			if deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, deadline)
				defer cancel()
				want = deadline
			}
			began := time.Now()
			answers, err := hub.Audience().Call(ctx, "vote", "yes")
			if took := time.Since(began); !errors.Is(err, parley.ErrTimeout) || took != want {
				t.Errorf("got %v after %v, want ErrTimeout after %v", err, took, want)
			}
			if got, want := votes(answers), []string{"ann: ann says yes"}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

func TestAHandlerMayAskEveryoneItsCallerIncluded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		hub.Handle("poll", parley.Func(func(ctx context.Context) (int, error) {
			answers, err := hub.Audience().Call(ctx, "vote", "yes")
			return len(answers), err
		}))
		polled(t, hub, "bob")
		var n int
		ann := parleytest.Dial(t, hub, &parleytest.Options{User: "ann", Setup: func(cl *parley.Client) {
			cl.On("vote", func(string) string { return "me" })
		}})
		if err := ann.Call(t.Context(), "poll", &n); err != nil || n != 2 {
			t.Errorf("got %d answers, %v, want 2", n, err)
		}
	})
}

func TestMiddlewareSeesAllThatIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newRoom(t, nil)
		var seen []string
		note := func(who string) func(parley.SendFunc) parley.SendFunc {
			return func(next parley.SendFunc) parley.SendFunc {
				return func(ctx context.Context, to parley.Audience, name string, args []any) error {
					seen = append(seen, fmt.Sprint(who, name, args, len(to.Conns())))
					if name == "never" {
						return parley.ErrLimit
					}
					return next(ctx, to, name, args)
				}
			}
		}
		hub.UseSend(note("1"))
		hub.UseSend(note("2"))
		polled(t, hub, "ann", "bob")
		ann := conn(t, hub, "ann")
		must(t, ann.Send(ctx, "said", "x"))
		var answer string
		must(t, ann.Call(ctx, "vote", &answer, "y"))
		answers, err := hub.Audience().Call(ctx, "vote", "z")
		if err != nil || len(answers) != 2 || answer != "ann says y" {
			t.Errorf("got %v, %v and %q", answers, err, answer)
		}
		if err := hub.Send(ctx, "never"); !errors.Is(err, parley.ErrLimit) {
			t.Errorf("got %v, want what the middleware says", err)
		}
		want := []string{"1said[x] 1", "2said[x] 1", "1vote[y] 1", "2vote[y] 1", "1vote[z] 2", "2vote[z] 2", "1never[] 2"}
		if !slices.Equal(seen, want) {
			t.Errorf("seen %q, want %q", seen, want)
		}
	})
}

func TestWatchersAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		var mu sync.Mutex
		var seen []string
		note := func(words ...any) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprint(words...))
		}
		stop := hub.Watch(&parley.Watcher{
			Connected:    func(c *parley.Conn) { note("+", c.User()) },
			Disconnected: func(c *parley.Conn, reason error) { note("-", c.User(), c.Groups()) },
			Joined:       func(c *parley.Conn, group string) { note(c.User(), " joins ", group) },
			Left:         func(c *parley.Conn, group string) { note(c.User(), " leaves ", group) },
		})
		stopOther := hub.Watch(&parley.Watcher{})
		crowd(t, hub, "a")
		c := conn(t, hub, "a")
		must(t, c.Join("x"))
		must(t, c.Join("x"))
		c.Leave("a")
		c.Leave("a")
		c.CloseNow()
		synctest.Wait()
		stop()
		stopOther()
		crowd(t, hub, "b")
		if want := []string{"a joins a", "+a", "a joins x", "a leaves a", "-a[x]"}; !slices.Equal(seen, want) {
			t.Errorf("seen %q, want %q", seen, want)
		}
	})
}
