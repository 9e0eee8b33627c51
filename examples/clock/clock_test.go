package clock

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
)

func TestEveryPageSeesEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := New()
		hub := app.Hub()
		pages := make([]chan string, 2)
		var clients []*parley.Client
		for i := range pages {
			pages[i] = make(chan string, 100)
			clients = append(clients, parleytest.Dial(t, hub, &parleytest.Options{Setup: func(cl *parley.Client) {
				Time.On(cl, func(_ context.Context, text string) { pages[i] <- text })
			}}))
		}
		for i, page := range pages { // the bubble's clock begins with a whole second
			last, err := time.Parse(time.RFC3339, <-page) // at once
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				next, err := time.Parse(time.RFC3339, <-page)
				if err != nil || next.Sub(last) != time.Second || next.Location() != time.UTC {
					t.Errorf("page %d: %v after %v (%v)", i, next, last, err)
				}
				last = next
			}
		}
		if now, err := Now.Call(t.Context(), clients[0], struct{}{}); err != nil || now != time.Now().UTC().Format(time.RFC3339) {
			t.Errorf("now: %q, %v", now, err)
		}
		clients[0].Close(t.Context())
		clients[1].Close(t.Context())
		synctest.Wait()
		sent := hub.Stats().Sent
		time.Sleep(time.Minute)
		if got := hub.Stats().Sent; got != sent {
			t.Error("the clock ticks though nobody watches")
		}
		parleytest.Dial(t, hub, nil) // somebody comes back, and is there at the end
		time.Sleep(3 * time.Second)
		if got := hub.Stats().Sent; got < sent+3 {
			t.Error("the clock does not tick for who comes later")
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
