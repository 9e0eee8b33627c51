package chat

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
)

// guest is one client and what it sees.
type guest struct {
	*parley.Client
	sees chan string
}

func enterAs(t *testing.T, hub *parley.Hub, name, room string) *guest {
	t.Helper()
	g := &guest{sees: make(chan string, 1000)}
	q := url.Values{"name": {name}, "room": {room}}
	g.Client = parleytest.Dial(t, hub, &parleytest.Options{URL: "/?" + q.Encode(), Setup: func(cl *parley.Client) {
		Said.On(cl, func(_ context.Context, l Line) { g.sees <- l.From + ": " + l.Text })
		Joined.On(cl, func(_ context.Context, n Notice) { g.sees <- n.Name + " joined " + n.Room })
		Left.On(cl, func(_ context.Context, n Notice) { g.sees <- n.Name + " left " + n.Room })
	}})
	synctest.Wait() // until the hub has let it in
	return g
}

func (g *guest) seen() []string {
	synctest.Wait()
	var all []string
	for len(g.sees) > 0 {
		all = append(all, <-g.sees)
	}
	return all
}

func inBubble(t *testing.T, test func(t *testing.T, hub *parley.Hub)) {
	synctest.Test(t, func(t *testing.T) {
		app := New()
		test(t, app.Hub())
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTwoPeopleTalk(t *testing.T) {
	inBubble(t, func(t *testing.T, hub *parley.Hub) {
		ctx := t.Context()
		ann := enterAs(t, hub, "Ann", "lobby")
		ben := enterAs(t, hub, "Ben", "lobby")
		if err := Say.Call(ctx, ann.Client, Draft{Room: "lobby", Text: "Hi"}); err != nil {
			t.Fatal(err)
		}
		if err := Say.Call(ctx, ben.Client, Draft{Room: "lobby", Text: "I'm here, too"}); err != nil {
			t.Fatal(err)
		}
		lines := []string{"Ben joined lobby", "Ann: Hi", "Ben: I'm here, too"}
		if got, want := ann.seen(), append([]string{"Ann joined lobby"}, lines...); !slices.Equal(got, want) {
			t.Errorf("Ann sees %q, want %q", got, want)
		}
		if got := ben.seen(); !slices.Equal(got, lines) {
			t.Errorf("Ben sees %q, want %q", got, lines)
		}
		names, err := Who.Call(ctx, ann.Client, "lobby")
		if err != nil || !slices.Equal(names, []string{"Ann", "Ben"}) {
			t.Errorf("who: %q, %v", names, err)
		}
		ben.Close(ctx)
		if got := ann.seen(); !slices.Equal(got, []string{"Ben left lobby"}) {
			t.Errorf("after Ben has gone Ann sees %q", got)
		}
		if names, _ := Who.Call(ctx, ann.Client, "lobby"); !slices.Equal(names, []string{"Ann"}) {
			t.Errorf("who is left: %q", names)
		}
	})
}

func TestRoomsAreApart(t *testing.T) {
	inBubble(t, func(t *testing.T, hub *parley.Hub) {
		ctx := t.Context()
		ann, ben := enterAs(t, hub, "Ann", "a"), enterAs(t, hub, "Ben", "b")
		if err := Join.Call(ctx, ben.Client, "a"); err != nil {
			t.Fatal(err)
		}
		if err := Leave.Call(ctx, ben.Client, "b"); err != nil {
			t.Fatal(err)
		}
		Say.Call(ctx, ann.Client, Draft{Room: "b", Text: "anybody?"})
		ann.seen()
		if got, want := ben.seen(), []string{"Ben joined b", "Ben joined a", "Ben left b"}; !slices.Equal(got, want) {
			t.Errorf("Ben sees %q, want %q", got, want)
		}
		if err := Leave.Call(ctx, ben.Client, "b"); err == nil {
			t.Error("left a room twice")
		}
	})
}

func TestEchoCountAndRename(t *testing.T) {
	inBubble(t, func(t *testing.T, hub *parley.Hub) {
		ctx := t.Context()
		ann := enterAs(t, hub, "", "lobby")
		if got, err := Echo.Call(ctx, ann.Client, []byte(`{"a":[1,null]}`)); err != nil || string(got) != `{"a":[1,null]}` {
			t.Errorf("echo: %s, %v", got, err)
		}
		var got []int
		for n, err := range Count.Call(ctx, ann.Client, 5) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		if !slices.Equal(got, []int{1, 2, 3, 4, 5}) {
			t.Errorf("count: %v", got)
		}
		if names, _ := Who.Call(ctx, ann.Client, "lobby"); len(names) != 1 || !strings.HasPrefix(names[0], "guest-") {
			t.Errorf("nameless guest is called %q", names)
		}
		if err := Rename.Call(ctx, ann.Client, "Ann"); err != nil {
			t.Fatal(err)
		}
		if names, _ := Who.Call(ctx, ann.Client, "lobby"); !slices.Equal(names, []string{"Ann"}) {
			t.Errorf("renamed guest is called %q", names)
		}
		if got := ann.seen(); len(got) != 3 || got[1] != strings.Replace(got[0], "joined", "left", 1) || got[2] != "Ann joined lobby" {
			t.Errorf("the room sees %q", got)
		}
	})
}

func TestWhatIsTooLongIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, hub *parley.Hub) {
		ctx := t.Context()
		ann := enterAs(t, hub, "Ann", "lobby")
		long := func(n int) string { return strings.Repeat("ü", n) }
		tests := []struct {
			what string
			err  error
			code string
		}{
			{"longest text", Say.Call(ctx, ann.Client, Draft{Room: "lobby", Text: long(MaxText)}), ""},
			{"long text", Say.Call(ctx, ann.Client, Draft{Room: "lobby", Text: long(MaxText + 1)}), "text"},
			{"no text", Say.Call(ctx, ann.Client, Draft{Room: "lobby"}), "text"},
			{"long room", Join.Call(ctx, ann.Client, long(MaxRoom+1)), "room"},
			{"no room", Join.Call(ctx, ann.Client, ""), "room"},
			{"long name", Rename.Call(ctx, ann.Client, long(MaxName+1)), "name"},
			{"blank name", Rename.Call(ctx, ann.Client, "  "), "name"},
			{"not a room of mine", Leave.Call(ctx, ann.Client, "elsewhere"), "room"},
		}
		for _, tt := range tests {
			got := ""
			if e := (*parley.Error)(nil); errors.As(tt.err, &e) {
				got = e.Code
			}
			if got != tt.code || (tt.code == "" && tt.err != nil) {
				t.Errorf("%s: %v, want code %q", tt.what, tt.err, tt.code)
			}
		}
	})
}

func TestALongNameIsNotLetIn(t *testing.T) {
	inBubble(t, func(t *testing.T, hub *parley.Hub) {
		cl := parleytest.New(hub, &parleytest.Options{URL: "/?name=" + strings.Repeat("n", MaxName+1)})
		defer cl.Close(t.Context())
		err := cl.Connect(t.Context()) // the refusal may be there before it has returned, or after
		if err == nil {
			<-cl.Done()
			err = cl.Err()
		}
		if err == nil {
			t.Error("the client was not told why")
		}
	})
}

func TestNobodyCountsForever(t *testing.T) {
	inBubble(t, func(t *testing.T, hub *parley.Hub) {
		ann := enterAs(t, hub, "Ann", "")
		for n, err := range Count.Call(t.Context(), ann.Client, MaxCount+1) {
			if e := (*parley.Error)(nil); !errors.As(err, &e) || e.Code != "count" {
				t.Errorf("%d, %v; want an error", n, err)
			}
		}
		for range Count.Call(t.Context(), ann.Client, MaxCount) {
			break // cancels
		}
	})
}
