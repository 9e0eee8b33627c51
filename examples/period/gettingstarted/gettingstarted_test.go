package gettingstarted

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
)

func TestEverybodyHearsWhatOneSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := New()
		heard := make(chan Line, 10)
		join := func() *parley.Client {
			return parleytest.Dial(t, app.Hub(), &parleytest.Options{Setup: func(cl *parley.Client) {
				BroadcastMessage.On(cl, func(_ context.Context, l Line) { heard <- l })
			}})
		}
		ann := join()
		join()
		synctest.Wait()                                 // until both are in
		want := Line{Name: "Ann", Message: "<b>Hi</b>"} // the page encodes it
		if err := Send.Call(t.Context(), ann, want); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := <-heard; got != want {
				t.Errorf("heard %+v, want %+v", got, want)
			}
		}
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
