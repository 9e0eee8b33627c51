package classic

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-go/parley/internal/rawjson"
)

func TestBag(t *testing.T) {
	b := &Bag{sent: []byte(`{"name":"bob","n":1,"name":"ann","o":{"x":[1]},"nil":null}`)}
	var name string
	var n int
	var o struct{ X []int }
	if !b.Get("name", &name) || name != "ann" || !b.Get("n", &n) || n != 1 || !b.Get("o", &o) || !slices.Equal(o.X, []int{1}) {
		t.Errorf("got %q %d %v", name, n, o)
	}
	if b.Get("Name", &name) || b.Get("", &name) || b.Get("name", &n) {
		t.Error("Get found what is not there")
	}
	if got, want := fmt.Sprint(b.Names()), "[n name nil o]"; got != want {
		t.Errorf("Names: got %s, want %s", got, want)
	}
	if got := string(b.appendChanges(nil)); got != "" {
		t.Errorf("changes before any: %s", got)
	}
	for _, set := range []struct {
		name  string
		value any
	}{{"n", 2}, {"new", []string{"<"}}, {"name", "ann"}, {"n", 3}, {"o", nil}} {
		if err := b.Set(set.name, set.value); err != nil {
			t.Errorf("Set(%s): %v", set.name, err)
		}
	}
	if !b.Get("n", &n) || n != 3 {
		t.Errorf("after Set: got %d, want 3", n)
	}
	if got, want := string(b.appendChanges(nil)), `"S":{"n":3,"new":["<"],"o":null},`; got != want {
		t.Errorf("changes: got %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(b.Names()), "[n name new nil o]"; got != want {
		t.Errorf("Names: got %s, want %s", got, want)
	}
}

// TestBagThatTheClientCouldNotSend: a state the client could not send with its
// next call would be the last it ever sent.
func TestBagThatTheClientCouldNotSend(t *testing.T) {
	b := &Bag{sent: []byte(`{"a":"` + strings.Repeat("x", 2000) + `"}`)}
	if err := b.Set("b", strings.Repeat("y", 3000)); err == nil {
		t.Error("5,000 characters were set")
	}
	if err := b.Set("a", strings.Repeat("y", 3000)); err != nil {
		t.Errorf("3,000 characters in place of 2,000: %v", err)
	}
	if err := b.Set("f", func() {}); err == nil {
		t.Error("a function was set")
	}
	if got := b.Names(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("names: %q", got)
	}
}

// TestStateOfOtherCallers: it is empty, and takes what it is given.
func TestStateOfOtherCallers(t *testing.T) {
	b := State(t.Context())
	if err := b.Set("a", 1); err != nil {
		t.Error(err)
	}
	var n int
	if b.Get("a", &n) || len(b.Names()) != 0 || len(b.appendChanges(nil)) != 0 {
		t.Error("the state of nobody has a value")
	}
}

func TestBagOfManyGoroutines(t *testing.T) {
	b := &Bag{sent: []byte(`{"n":0}`)}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() { // ends after its round, waited for below
			for j := range 50 {
				b.Set(fmt.Sprint(i), j)
				b.Names()
				b.appendChanges(nil)
			}
		})
	}
	all.Wait()
	if got := len(b.Names()); got != 9 {
		t.Errorf("got %d names, want 9", got)
	}
}

// FuzzBag: what was set is there, once, and goes back as JSON.
func FuzzBag(f *testing.F) {
	f.Add([]byte(`{"a":1,"a":2}`), "a", "x")
	f.Add([]byte(`{"\u0061":{"b":[]}}`), "b", "\u2028")
	f.Fuzz(func(t *testing.T, sent []byte, name, value string) {
		in, err := parseInvocation(append(append([]byte(`{"H":"h","M":"m","S":`), sent...), '}'))
		if err != nil {
			return
		}
		b := newBag(&in, AsDeclared)
		if b.Set(name, value) != nil {
			return
		}
		var got string
		if !b.Get(name, &got) || got != strings.ToValidUTF8(value, "\ufffd") && !strings.Contains(got, "\ufffd") {
			t.Errorf("set %q, got %q", value, got)
		}
		changes := b.appendChanges([]byte{'{'})
		if len(changes) > 1 && rawjson.Check(end(changes)) != nil {
			t.Errorf("changes: %s", changes)
		}
	})
}
