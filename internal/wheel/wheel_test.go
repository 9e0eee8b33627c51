package wheel

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTimersFireOnceAndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(100 * time.Millisecond)
		start := time.Now()
		for _, want := range []time.Duration{0, 100 * time.Millisecond, 950 * time.Millisecond, 10 * time.Minute} {
			fired := make(chan time.Duration, 2)
			timer := &Timer{Fire: func() { fired <- time.Since(start) }}
			start = time.Now()
			w.Reset(timer, want)
			got := <-fired
			if got < want-100*time.Millisecond || got > want+200*time.Millisecond {
				t.Errorf("timer of %v fired after %v", want, got)
			}
			time.Sleep(2 * want)
			if len(fired) > 0 {
				t.Errorf("timer of %v fired twice", want)
			}
		}
		w.Stop()
	})
}

func TestResetMovesAndCancelUnsets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(time.Second)
		var fired atomic.Int64
		moved := &Timer{Fire: func() { fired.Add(1) }}
		gone := &Timer{Fire: func() { t.Error("a cancelled timer fired") }}
		w.Reset(moved, 5*time.Second)
		w.Reset(gone, 5*time.Second)
		time.Sleep(3 * time.Second)
		w.Reset(moved, 5*time.Second)
		w.Cancel(gone)
		time.Sleep(4 * time.Second)
		if fired.Load() != 0 {
			t.Fatal("a moved timer fired at its first time")
		}
		time.Sleep(3 * time.Second)
		if got := fired.Load(); got != 1 {
			t.Fatalf("fired %d times, want 1", got)
		}
		w.Stop()
	})
}

func TestGoroutineEndsWithLastTimerAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(time.Second)
		fired := make(chan bool, 1)
		timer := &Timer{Fire: func() { fired <- true }}
		for range 3 {
			w.Reset(timer, time.Second)
			<-fired
			time.Sleep(3 * time.Second) // a wheel left running would keep the bubble alive below
		}
	})
}

func TestFireMayResetItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(time.Second)
		var n atomic.Int64
		timer := &Timer{}
		timer.Fire = func() {
			if n.Add(1) < 5 {
				w.Reset(timer, 2*time.Second)
			}
		}
		w.Reset(timer, 2*time.Second)
		time.Sleep(time.Minute)
		if got := n.Load(); got != 5 {
			t.Fatalf("fired %d times, want 5", got)
		}
	})
}

func TestATimeThatIsOverIsDueAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(100 * time.Millisecond)
		var at atomic.Int64
		start := time.Now()
		keep := &Timer{Fire: func() {}}
		w.Reset(keep, time.Hour)
		time.Sleep(5 * time.Second)
		tm := &Timer{Fire: func() { at.Store(int64(time.Since(start))) }}
		w.Reset(tm, -time.Second)
		time.Sleep(2 * time.Minute)
		if d := time.Duration(at.Load()); d > 5300*time.Millisecond || d == 0 {
			t.Errorf("fired at %v, want 5.2s", d)
		}
		w.Stop()
	})
}

// A goroutine that was stopped while it was in a Fire does not undo the one that has
// taken its place: of two, each would make time pass.
func TestTimeIsMadeByOneGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(time.Second)
		release := make(chan struct{})
		slow := &Timer{Fire: func() { <-release }}
		w.Reset(slow, 0)
		time.Sleep(3 * time.Second) // it blocks, which it must not
		w.Cancel(slow)              // nothing is set, so the goroutine is to end
		var fired []time.Time
		next := &Timer{}
		next.Fire = func() {
			if len(fired) == 0 {
				close(release)
				time.Sleep(time.Millisecond) // for the first goroutine to end
			}
			if fired = append(fired, time.Now()); len(fired) < 10 {
				w.Reset(next, 10*time.Second)
			}
		}
		w.Reset(next, 0)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for i := 1; i < len(fired); i++ {
			if waited := fired[i].Sub(fired[i-1]); waited < 10*time.Second {
				t.Errorf("a timer of 10s fired after %v", waited)
			}
		}
		if len(fired) != 10 {
			t.Errorf("it fired %d times", len(fired))
		}
		w.Stop()
	})
}
