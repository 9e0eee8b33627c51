package parley_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/wire"
)

// lending is a pipe that lends the goroutine of its Receive.
type lending struct{ still }

func (*lending) Lend(wire.Worker) bool { return true }

// lent hands calls to a session in one Receive, works, and then uses their
// bytes for something else.
func lent(s *parley.Session, texts ...string) {
	var all [][]byte
	for _, text := range texts {
		all = append(all, []byte(`"`+text+`"`))
		s.Receive(&wire.Message{Kind: wire.Call, Name: "note", Args: wire.Args{Values: all[len(all)-1:]}})
	}
	s.Received()
	worked := make(chan struct{})
	go func() { // ends with the calls that have run on it
		defer close(worked)
		s.Work()
	}()
	<-worked
	for _, bytes := range all {
		copy(bytes, `"gone"`)
	}
}

func TestCallsThatOutliveALentGoroutineKeepTheirArguments(t *testing.T) {
	for _, what := range []string{"slow", "exit"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newRoom(t, nil)
				later := make(chan struct{})
				var got []string
				hub.Handle("note", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
					var text string
					if len(got) > 1 {
						<-later
					}
					must(t, call.Scan(&text))
					got = append(got, text)
					switch text {
					case "slow":
						time.Sleep(time.Second)
					case "exit":
						runtime.Goexit()
					}
					return nil
				}))
				s := newStill(t, hub, &lending{})
				s.Open(&parley.Opening{Protocol: parleytest.Protocol})
				synctest.Wait()
				lent(s, "slow") // once is no habit yet
				lent(s, what, "more", "last")
				close(later)
				synctest.Wait()
				if want := []string{"slow", what, "more", "last"}; !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				s.Closed(nil)
			})
		})
	}
}
