// Package backplanetest checks a [parley.Backplane]: the rules of the
// interface, and that hubs joined by it behave as one.
package backplanetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
)

// patience bounds each wait for the backplane; it is reached only by a test
// that fails.
const patience = 30 * time.Second

// Test runs the kit. join returns one more node's view of the same backplane,
// with a name of its own each time Test runs; nodes are closed by t.Cleanup.
func Test(t *testing.T, join func(t *testing.T) parley.Backplane) {
	t.Run("every subscriber gets it, the publisher too", func(t *testing.T) { everySubscriber(t, join) })
	t.Run("subjects are apart", func(t *testing.T) { subjectsApart(t, join) })
	t.Run("one publisher's messages keep their order", func(t *testing.T) { keepsOrder(t, join) })
	t.Run("receive is called one at a time", func(t *testing.T) { oneAtATime(t, join) })
	t.Run("nothing comes after stop", func(t *testing.T) { nothingAfterStop(t, join) })
	t.Run("the bytes are the publisher's again", func(t *testing.T) { keepsNothing(t, join) })
	t.Run("hubs are one", func(t *testing.T) { hubsAreOne(t, join) })
}

// inbox collects what a subscription receives.
type inbox struct {
	mu   sync.Mutex
	got  []string
	more chan struct{}
}

func subscribe(t *testing.T, b parley.Backplane, subject string) *inbox {
	in := &inbox{more: make(chan struct{}, 1)}
	stop := b.Subscribe(subject, func(data []byte) {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.got = append(in.got, string(data))
		select {
		case in.more <- struct{}{}:
		default:
		}
	})
	t.Cleanup(stop)
	return in
}

// wait returns the first n messages.
func (in *inbox) wait(t *testing.T, n int) []string {
	t.Helper()
	late := time.After(patience)
	for {
		in.mu.Lock()
		got := slices.Clone(in.got)
		in.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-in.more:
		case <-late:
			t.Fatalf("got %d messages, want %d", len(got), n)
		}
	}
}

func publish(t *testing.T, b parley.Backplane, subject, data string) {
	t.Helper()
	if err := b.Publish(context.Background(), subject, []byte(data)); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

func everySubscriber(t *testing.T, join func(*testing.T) parley.Backplane) {
	a, b := join(t), join(t)
	inboxes := []*inbox{subscribe(t, a, "all"), subscribe(t, a, "all"), subscribe(t, b, "all")}
	publish(t, a, "all", "hello")
	for i, in := range inboxes {
		if got := in.wait(t, 1); got[0] != "hello" {
			t.Errorf("subscriber %d got %q", i, got)
		}
	}
}

func subjectsApart(t *testing.T, join func(*testing.T) parley.Backplane) {
	a, b := join(t), join(t)
	one, two := subscribe(t, b, "one"), subscribe(t, b, "two")
	publish(t, a, "one", "1")
	publish(t, a, "two", "2")
	publish(t, a, "one.more", "3")
	if got := one.wait(t, 1); !slices.Equal(got, []string{"1"}) {
		t.Errorf("subject one got %q", got)
	}
	if got := two.wait(t, 1); !slices.Equal(got, []string{"2"}) {
		t.Errorf("subject two got %q", got)
	}
}

func keepsOrder(t *testing.T, join func(*testing.T) parley.Backplane) {
	a, b := join(t), join(t)
	in := subscribe(t, b, "order")
	const n = 1000
	for i := range n {
		publish(t, a, "order", fmt.Sprint(i))
	}
	for i, got := range in.wait(t, n) {
		if got != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, got)
		}
	}
}

func oneAtATime(t *testing.T, join func(*testing.T) parley.Backplane) {
	a, b := join(t), join(t)
	const each = 200
	done := make(chan struct{})
	n := 0 // the race detector watches it: two calls at once would be a race
	t.Cleanup(b.Subscribe("turns", func([]byte) {
		if n++; n == 2*each {
			close(done)
		}
	}))
	var wg sync.WaitGroup
	for _, node := range []parley.Backplane{a, b} {
		wg.Go(func() {
			for range each {
				publish(t, node, "turns", "x")
			}
		})
	}
	wg.Wait()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("messages are missing")
	}
}

func nothingAfterStop(t *testing.T, join func(*testing.T) parley.Backplane) {
	a, b := join(t), join(t)
	stopped := false
	stop := b.Subscribe("stop", func([]byte) {
		if stopped {
			t.Error("called after stop")
		}
	})
	fence := subscribe(t, b, "stop")
	publish(t, a, "stop", "before")
	fence.wait(t, 1)
	stop()
	stopped = true
	publish(t, a, "stop", "after")
	fence.wait(t, 2)
}

func keepsNothing(t *testing.T, join func(*testing.T) parley.Backplane) {
	a, b := join(t), join(t)
	in := subscribe(t, b, "bytes")
	data := []byte("first")
	for _, text := range []string{"first", "other"} {
		copy(data, text)
		if err := a.Publish(context.Background(), "bytes", data); err != nil {
			t.Fatal(err)
		}
	}
	if got := in.wait(t, 2); !slices.Equal(got[:2], []string{"first", "other"}) {
		t.Errorf("got %q", got)
	}
}

// hubsAreOne shows that a group, a user and everyone mean the same on either
// node.
func hubsAreOne(t *testing.T, join func(*testing.T) parley.Backplane) {
	var hubs []*parley.Hub
	for range 2 {
		hub := parley.NewHub(&parley.HubOptions{Name: "cluster", Backplane: join(t)})
		hub.Handle("join", parley.Func(func(c *parley.Conn, room string) error { return c.Join(room) }))
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := hub.Shutdown(ctx); err != nil {
				t.Errorf("shutdown: %v", err)
			}
		})
		hubs = append(hubs, hub)
	}
	ann, bob := newMember(t, hubs[0], "ann"), newMember(t, hubs[1], "bob")
	if err := bob.client.Call(context.Background(), "join", nil, "room"); err != nil {
		t.Fatal(err)
	}
	here := hubs[0]
	annConn := here.User("ann").Conns()[0]
	tests := []struct {
		name     string
		to       parley.Addressable
		ann, bob bool
	}{
		{"everyone", here, true, true},
		{"group on the other node", here.Group("room"), false, true},
		{"user on the other node", here.User("bob"), false, true},
		{"everyone except one", here.Audience().Except(annConn), false, true},
	}
	for _, tt := range tests {
		if err := tt.to.Audience().Send(context.Background(), "said", tt.name); err != nil {
			t.Fatal(err)
		}
		want := map[*member]bool{ann: tt.ann, bob: tt.bob}
		for m, hears := range want {
			if hears {
				m.expect(t, tt.name)
			}
		}
	}
	if len(ann.said) > 0 {
		t.Errorf("ann hears %q, which was not for her", <-ann.said)
	}
}

type member struct {
	client *parley.Client
	said   chan string
}

func newMember(t *testing.T, hub *parley.Hub, user string) *member {
	m := &member{said: make(chan string, 16)}
	m.client = parleytest.Dial(t, hub, &parleytest.Options{User: user, Setup: func(cl *parley.Client) {
		cl.On("said", func(text string) { m.said <- text })
	}})
	return m
}

func (m *member) expect(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-m.said:
		if got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("heard nothing, want %q", want)
	}
}
