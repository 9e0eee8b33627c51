package classic

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// Bag is the state of a hub's proxy at the client that calls: what a page keeps in
// $.connection.chatHub.state, and a method knows as Clients.Caller in .NET. The
// client sends it with each of its calls, up to 4,096 characters of JSON. What the
// method sets goes back with the call's answer, and with what the handler sends to
// the caller with its ctx meanwhile. A Bag is safe for concurrent use.
type Bag struct {
	// fixed after construction
	hub, method string // what was called, in the caller's words
	sent        []byte // an object, or nil
	deaf        bool   // nobody is told what is set
	names       JSONNames
	socket      uint32 // number of the WebSocket by which the call came; 0: by a POST

	// guarded by mu
	mu  sync.Mutex
	set []entry
}

// entry is a value that was set.
type entry struct {
	name string
	raw  []byte
}

// State is the state of the client that called the handler ctx belongs to. For
// callers that speak another protocol it is empty, and what is set goes nowhere.
func State(ctx context.Context) *Bag {
	if bag, _ := parley.Aside(ctx).(*Bag); bag != nil {
		return bag
	}
	return &Bag{deaf: true}
}

func newBag(in *invocation, names JSONNames) *Bag {
	return &Bag{hub: in.hub, method: in.method, sent: bytes.Clone(in.state), names: names}
}

// Get reads the value of that name into the variable that into points to, as
// encoding/json does, and tells whether there is one that fits. Names are as the
// client writes them.
func (b *Bag) Get(name string, into any) bool {
	raw := b.raw(name)
	return raw != nil && wire.JSON.Unmarshal(wire.Args{Values: [][]byte{raw}}, 0, into) == nil
}

// Set changes the value of that name. The error says that JSON cannot write it, or
// that the state would be longer than the client could send with its next call.
func (b *Bag) Set(name string, value any) error {
	args, err := b.names.codec().Marshal(value)
	if err != nil {
		return err
	}
	if b.deaf {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.length(name)+textLength(name)+characters(args.Values[0]) > maxState {
		return errTooMuchState
	}
	raw := args.Values[0]
	if i := b.find(name); i >= 0 {
		b.set[i].raw = raw
		return nil
	}
	b.set = append(b.set, entry{name: name, raw: raw})
	return nil
}

// errTooMuchState is of Set.
var errTooMuchState = errors.New("classic: the client could not send so long a state")

// Names lists the names of all values, sorted.
func (b *Bag) Names() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for name := range rawjson.Fields(b.sent) {
		names = append(names, string(name))
	}
	for _, e := range b.set {
		names = append(names, e.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// raw is the value of that name; nil when there is none.
func (b *Bag) raw(name string) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := b.find(name); i >= 0 {
		return b.set[i].raw
	}
	return b.first(name)
}

// find returns the index of the value that was set, or -1. The caller holds mu.
func (b *Bag) find(name string) int {
	return slices.IndexFunc(b.set, func(e entry) bool { return e.name == name })
}

// first is what the client has sent; nil for nothing. Of two with one name the
// last counts.
func (b *Bag) first(name string) (raw []byte) {
	for n, value := range rawjson.Fields(b.sent) {
		if string(n) == name {
			raw = value
		}
	}
	return raw
}

// length is about how many characters the state has without the value of one name.
// The caller holds mu.
func (b *Bag) length(without string) int {
	n := len("{}")
	for name, value := range rawjson.Fields(b.sent) {
		if string(name) != without && b.find(string(name)) < 0 {
			n += textLength(string(name)) + characters(value)
		}
	}
	for _, e := range b.set {
		if e.name != without {
			n += textLength(e.name) + characters(e.raw)
		}
	}
	return n
}

// textLength is that of a name in an object, with what stands around it.
func textLength(name string) int {
	return characters(rawjson.AppendString(nil, name)) + len(":,")
}

// appendChanges appends what differs from what the client has sent, and a comma;
// nothing when nothing does.
func (b *Bag) appendChanges(dst []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	lead := `"S":{`
	for _, e := range b.set {
		if bytes.Equal(e.raw, b.first(e.name)) {
			continue
		}
		dst = rawjson.AppendString(append(dst, lead...), e.name)
		dst = append(append(dst, ':'), e.raw...)
		lead = ","
	}
	if strings.HasPrefix(lead, ",") {
		dst = append(dst, '}', ',')
	}
	return dst
}
