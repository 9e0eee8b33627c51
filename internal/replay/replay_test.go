package replay

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func TestPositions(t *testing.T) {
	var l Log[string]
	if l.First() != 1 || l.Last() != 0 || !l.Complete() || len(l.All(nil)) != 0 {
		t.Errorf("an empty log: first %d, last %d, complete %v, all %q", l.First(), l.Last(), l.Complete(), l.All(nil))
	}
	for _, m := range []string{"one", "two", "three"} {
		if !l.Append(m, len(m)) {
			t.Fatalf("%s was not kept", m)
		}
	}
	if !l.Release(2) || !l.Release(1) {
		t.Error("releasing what was sent, and then less, failed")
	}
	if got, want := l.All(nil), []string{"three"}; !slices.Equal(got, want) || l.First() != 3 || l.Bytes() != 5 {
		t.Errorf("got %q from %d with %d bytes, want %q from 3 with 5", got, l.First(), l.Bytes(), want)
	}
	for _, never := range []int64{4, 1 << 62, -1, -1 << 63} {
		if l.Release(never) {
			t.Errorf("position %d was released", never)
		}
	}
	if !l.Release(3) || l.First() != 4 || !l.Complete() {
		t.Errorf("released to the end: first %d, complete %v", l.First(), l.Complete())
	}
	if got, want := l.All([]string{"before"}), []string{"before"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFull(t *testing.T) {
	l := Log[string]{Limit: 4}
	l.Append("abc", 3)
	if l.Full() {
		t.Error("three of four bytes are full")
	}
	l.Append("d", 1)
	if !l.Full() {
		t.Error("four of four bytes are not full")
	}
	l.Release(1)
	if l.Full() {
		t.Error("one of four bytes is full")
	}
}

func TestExhaustedBudgetLeavesAGapUntilItIsReleased(t *testing.T) {
	b := NewBudget(8 * 8 * 1000)
	l, other := Log[int]{Budget: b}, Log[int]{Budget: b}
	for i := 1; l.Append(i, 372); i++ { // 872 with the rest
		if i > 100 {
			t.Fatal("the budget never ends")
		}
	}
	lost := l.Last()
	if l.Complete() || l.Bytes() != 0 || b.Used() != 0 {
		t.Errorf("after the end: complete %v, %d bytes, %d used, want an empty log with a gap", l.Complete(), l.Bytes(), b.Used())
	}
	l.Append(int(lost)+1, 1)
	if l.Complete() {
		t.Error("a log with a gap is complete")
	}
	if !l.Release(lost) || !l.Complete() || l.First() != lost+1 {
		t.Errorf("the gap was released: complete %v, first %d, want %d", l.Complete(), l.First(), lost+1)
	}
	other.Append(1, 1)
	other.Clear()
	l.Clear()
	if b.Used() != 0 {
		t.Errorf("both are cleared, and %d bytes are used", b.Used())
	}
}

func TestCarry(t *testing.T) {
	b := NewBudget(9000)
	l := Log[int]{Budget: b}
	l.Append(1, 0)
	if !l.Carry(500) || b.Used() != 628 {
		t.Errorf("carrying 500: %d used, want 628", b.Used())
	}
	if l.Carry(5000) || b.Used() != 628 {
		t.Errorf("carrying too much: %d used, want 628 as before", b.Used())
	}
	if !l.Carry(100) || b.Used() != 228 {
		t.Errorf("carrying 100: %d used, want 228", b.Used())
	}
	if l.Append(2, 5000) || b.Used() != 100 {
		t.Errorf("a message that does not fit: %d used, want the 100 that are carried", b.Used())
	}
	if l.Clear(); b.Used() != 0 {
		t.Errorf("cleared: %d used", b.Used())
	}
}

// However greedy the others are, a newcomer who wants little gets it.
func TestScarcityIsShared(t *testing.T) {
	b := NewBudget(1 << 20)
	hogs := make([]Log[int], 200)
	refused := 0
	for round := range 2000 {
		for i := range hogs {
			hogs[i].Budget = b
			if !hogs[i].Append(round, 100) {
				refused++ // and begins again
			}
		}
		modest := Log[int]{Budget: b}
		if !modest.Append(1, 50) || !modest.Append(2, 50) {
			t.Fatalf("with %d of %d bytes used, a newcomer is refused", b.Used(), 1<<20)
		}
		modest.Clear()
		if b.Used() > 1<<20 {
			t.Fatalf("%d bytes of %d are used", b.Used(), 1<<20)
		}
	}
	if refused == 0 {
		t.Error("the hogs were never refused")
	}
}

// A log does what a plain slice of everything ever sent would.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		b := NewBudget(1 << 16)
		l := Log[int64]{Limit: 2000, Budget: b}
		var sizes []int
		var released, held int64
		for range 300 {
			switch rnd.IntN(3) {
			case 0, 1:
				sizes = append(sizes, rnd.IntN(600))
				if l.Append(int64(len(sizes)), sizes[len(sizes)-1]) {
					held++
				} else {
					held = 0
				}
			case 2:
				to := rnd.Int64N(int64(len(sizes)) + 3)
				if ok := l.Release(to); ok != (to <= int64(len(sizes))) {
					t.Fatalf("seed %d: Release(%d) of %d is %v", seed, to, len(sizes), ok)
				} else if ok {
					released = max(released, to)
					held = min(held, int64(len(sizes))-to)
				}
			}
			want, bytes := []int64(nil), 0
			for p := int64(len(sizes)) - held + 1; p <= int64(len(sizes)); p++ {
				want, bytes = append(want, p), bytes+sizes[p-1]
			}
			if got := l.All(nil); !slices.Equal(got, want) || l.Bytes() != bytes || l.Full() != (bytes >= 2000) ||
				l.Complete() != (int64(len(sizes))-held <= released) {
				t.Fatalf("seed %d: got %v of %d bytes, complete %v, want %v of %d", seed, got, l.Bytes(), l.Complete(), want, bytes)
			}
			if want := 2*int64(bytes) + 128*held; b.Used() != want {
				t.Fatalf("seed %d: %d bytes of the budget are used, want %d", seed, b.Used(), want)
			}
		}
	}
}

func TestBudgetIsSharedConcurrently(t *testing.T) {
	b := NewBudget(1 << 16)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			l := Log[int]{Budget: b}
			for i := range 2000 {
				l.Append(i, i%50)
				if used := b.Used(); used < 0 || used > 1<<16 {
					t.Errorf("%d bytes of %d are used", used, 1<<16)
					return
				}
				if i%7 == 0 {
					l.Release(l.Last())
				}
			}
			l.Clear()
		})
	}
	all.Wait()
	if b.Used() != 0 {
		t.Errorf("all is cleared, and %d bytes are used", b.Used())
	}
}
