package wiretest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-go/parley/wire"
)

// TestProtocol checks p against the contract of [wire.Protocol]: what it has
// words for survives Append and Parse, values are carried verbatim, malformed
// input harms nobody, and one value of p serves any number of goroutines.
func TestProtocol(t *testing.T, p wire.Protocol) {
	t.Run("is named", func(t *testing.T) {
		if p.Name() == "" || p.Codec().Name() == "" {
			t.Error("the protocol or its codec has no name")
		}
	})
	t.Run("is comparable", func(t *testing.T) {
		if seen := map[wire.Protocol]bool{p: true}; !seen[p] { // panics when p cannot be compared
			t.Error("a protocol differs from itself")
		}
	})
	t.Run("messages survive", func(t *testing.T) { testRoundTrips(t, p) })
	t.Run("append appends", func(t *testing.T) { testAppend(t, p) })
	t.Run("malformed input", func(t *testing.T) { testMalformed(t, p) })
	t.Run("concurrent use", func(t *testing.T) { testConcurrent(t, p) })
}

// Messages returns one message of every kind with every odd set of values, as
// p's codec writes them: what a fuzz target begins with.
func Messages(t testing.TB, p wire.Protocol) []wire.Message {
	t.Helper()
	list := []wire.Message{
		{Kind: wire.Cancel, ID: "7"},
		{Kind: wire.Ping},
		{Kind: wire.Pong},
		{Kind: wire.End, ID: "7", Name: "handler"},
		{Kind: wire.Close, Bye: wire.Goodbye{Code: 1001, Reason: "going \"away\"", Reconnect: true}},
		{Kind: wire.Close, Bye: wire.Goodbye{Code: 1011, Reason: "broken", Failed: true}},
		{Kind: wire.Result, ID: "7", Name: "handler", Err: &wire.Error{Code: "odd", Message: oddString}},
		{Kind: wire.End, ID: "7", Name: "handler", Err: &wire.Error{Code: "odd", Message: "no more"}},
	}
	for _, values := range oddValues() {
		args, err := p.Codec().Marshal(values...)
		if err != nil {
			t.Fatalf("codec %s: Marshal(%v): %v", p.Codec().Name(), values, err)
		}
		list = append(list,
			wire.Message{Kind: wire.Call, Name: "handler", Args: args},
			wire.Message{Kind: wire.Call, ID: "7", Name: oddString, Args: args},
			wire.Message{Kind: wire.StreamCall, ID: "7", Name: "handler", Args: args})
		if len(values) <= 1 {
			list = append(list, wire.Message{Kind: wire.Result, ID: "7", Name: "handler", Args: args})
		}
		if len(values) == 1 {
			list = append(list, wire.Message{Kind: wire.Item, ID: "7", Args: args})
		}
	}
	return list
}

// oddString has what careless writers and readers trip over.
const oddString = "a \"quoted\" \\ slash, a\nline, a\ttab, <tag> & 'more', żółć, 日本, 😀, \u2028\u2029, \x00\x1e\x7f"

func oddValues() [][]any {
	return [][]any{
		{},
		{nil},
		{""},
		{oddString},
		{true, 0, -1.5, 1e300, int64(1) << 53},
		{[]any{}, map[string]any{}, []any{[]any{[]any{nil, "]}"}}}},
		{map[string]any{"type": 6, "id": "x", "": map[string]any{"a": []any{1, "two", nil}}}},
		{strings.Repeat("large ", 20_000)},
		{1, "two", nil, []any{3}, map[string]any{"four": 4}},
	}
}

func testRoundTrips(t *testing.T, p wire.Protocol) {
	words := 0
	for _, want := range Messages(t, p) {
		data, err := p.Append(nil, &want)
		if err != nil {
			t.Errorf("Append(%s): %v", show(&want), err)
			continue
		}
		if len(data) == 0 {
			continue // no words for it
		}
		words++
		var got wire.Message
		if err := p.Parse(data, &got); err != nil {
			t.Errorf("Parse(%.200q): %v; it was written for %s", data, err, show(&want))
			continue
		}
		compare(t, p, &got, &want)
	}
	if words == 0 {
		t.Error("the protocol has no words for anything")
	}
}

func compare(t *testing.T, p wire.Protocol, got, want *wire.Message) {
	t.Helper()
	if kindOf(got) != kindOf(want) {
		t.Errorf("%s came back as %s", show(want), show(got))
		return
	}
	if got.ID != want.ID {
		t.Errorf("%s: got ID %q, want %q", show(want), got.ID, want.ID)
	}
	if (want.Kind == wire.Call || want.Kind == wire.StreamCall) && got.Name != want.Name {
		t.Errorf("%s: got name %q, want %q", show(want), got.Name, want.Name)
	}
	if (got.Err == nil) != (want.Err == nil) {
		t.Errorf("%s: got error %v, want %v", show(want), got.Err, want.Err)
	} else if want.Err != nil && !strings.Contains(got.Err.Message, want.Err.Message) {
		t.Errorf("%s: got message %q, want %q", show(want), got.Err.Message, want.Err.Message)
	}
	compareArgs(t, p, got, want)
}

// kindOf counts Result and End as one: both answer, and which was wanted the
// caller knows.
func kindOf(m *wire.Message) wire.Kind {
	if m.Kind == wire.End {
		return wire.Result
	}
	return m.Kind
}

func compareArgs(t *testing.T, p wire.Protocol, got, want *wire.Message) {
	t.Helper()
	if len(want.Args.Values) == 0 && kindOf(want) == wire.Result && isNothing(p, got.Args) {
		return
	}
	if !slices.EqualFunc(got.Args.Values, want.Args.Values, bytes.Equal) {
		t.Errorf("%s: got values %.300q, want %.300q", show(want), got.Args.Values, want.Args.Values)
	}
	if !slices.EqualFunc(got.Args.Attachments, want.Args.Attachments, bytes.Equal) {
		t.Errorf("%s: got attachments %.300q, want %.300q", show(want), got.Args.Attachments, want.Args.Attachments)
	}
}

// isNothing tells whether a is no value, or a null in its place.
func isNothing(p wire.Protocol, a wire.Args) bool {
	if len(a.Values) == 0 {
		return true
	}
	var v any
	return len(a.Values) == 1 && p.Codec().Unmarshal(a, 0, &v) == nil && v == nil
}

func testAppend(t *testing.T, p wire.Protocol) {
	for _, m := range Messages(t, p) {
		alone, err := p.Append(nil, &m)
		behind, err2 := p.Append([]byte("before"), &m)
		if err != nil || err2 != nil {
			continue // told by another test
		}
		if want := "before" + string(alone); string(behind) != want {
			t.Errorf("%s appended to %q: got %.200q, want %.200q", show(&m), "before", behind, want)
		}
	}
	if data, err := p.Append([]byte("before"), &wire.Message{}); err != nil || string(data) != "before" {
		t.Errorf("Append of a message of no kind: got %q, %v, want nothing appended", data, err)
	}
}

// testMalformed breaks good messages in every way it can think of. Parse may
// make of them what it can; it must not panic, nor hand out bytes that are not
// there.
func testMalformed(t *testing.T, p wire.Protocol) {
	random := rand.New(rand.NewPCG(1, 2))
	inputs := [][]byte{nil, {}, {0}, []byte("null"), []byte("[]"), []byte("{}"), []byte("\xff\xfe"), []byte(strings.Repeat("[", 20_000))}
	for _, m := range Messages(t, p) {
		data, err := p.Append(nil, &m)
		if err != nil || len(data) > 2000 {
			continue
		}
		for i := range data {
			inputs = append(inputs, data[:i], data[i:])
			flipped := slices.Clone(data)
			flipped[i] ^= byte(1 + random.IntN(255))
			inputs = append(inputs, flipped)
		}
	}
	for _, data := range inputs {
		parseSafely(t, p, slices.Clip(slices.Clone(data)))
	}
}

func parseSafely(t *testing.T, p wire.Protocol, data []byte) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("Parse(%.200q) panicked: %v", data, r)
		}
	}()
	var m wire.Message
	if p.Parse(data, &m) == nil {
		m.Args.Clone() // reads every byte
	}
}

func testConcurrent(t *testing.T, p wire.Protocol) {
	messages := Messages(t, p)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { // ends after one round, waited for below
			for i := range messages {
				data, err := p.Append(nil, &messages[i])
				var m wire.Message
				if err == nil && len(data) > 0 {
					p.Parse(data, &m)
				}
			}
		})
	}
	all.Wait()
}

func show(m *wire.Message) string {
	kinds := []string{"no kind", "Call", "StreamCall", "Result", "Item", "End", "Cancel", "Ping", "Pong", "Close"}
	return fmt.Sprintf("%s{ID: %q, Name: %.30q, %d values, Err: %v}", kinds[m.Kind], m.ID, m.Name, len(m.Args.Values), m.Err)
}
