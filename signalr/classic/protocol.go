package classic

import (
	"fmt"
	"slices"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// hubProtocol writes what one hub sends as elements of M, the list of messages in
// what a connection sends. It stands in the order of Microsoft's server, and
// clients read it in any.
type hubProtocol struct {
	hub      string // its name, as mounted
	detailed bool   // see Options.DetailedErrors
	names    JSONNames
}

// Name implements [wire.Protocol].
func (hubProtocol) Name() string { return "classic" }

// Codec implements [wire.Protocol].
func (p hubProtocol) Codec() wire.Codec { return p.names.codec() }

// Binary implements [wire.Protocol].
func (hubProtocol) Binary() bool { return false }

// Append implements [wire.Protocol]. Clients answer no calls and know no streams. A
// goodbye becomes a text, for the connection to say: it is no element of M.
func (p hubProtocol) Append(dst []byte, m *wire.Message) ([]byte, error) {
	switch m.Kind {
	case wire.Call:
		if m.ID == "" {
			dst = p.appendCall(dst, m)
		}
	case wire.Result, wire.End:
		if m.ID != "" {
			dst = p.appendResult(dst, m)
		}
	case wire.Progress:
		if len(m.Args.Values) != 1 {
			return dst, fmt.Errorf("classic: progress has one value, not %d", len(m.Args.Values))
		}
		if m.ID != "" {
			dst = appendProgress(dst, m)
		}
	case wire.Close:
		dst = appendBye(dst, m)
	}
	return dst, nil
}

// appendBye writes the reason of a goodbye that is for good; who may come back is
// told nothing.
func appendBye(dst []byte, m *wire.Message) []byte {
	if m.Bye.Reconnect {
		return dst
	}
	return rawjson.AppendString(dst, m.Bye.Reason)
}

func (p hubProtocol) appendCall(dst []byte, m *wire.Message) []byte {
	dst = rawjson.AppendString(append(dst, `{"H":`...), p.hub)
	dst = rawjson.AppendString(append(dst, `,"M":`...), m.Name)
	dst = append(appendList(append(dst, `,"A":`...), m.Args.Values), ',')
	return end(appendState(dst, m))
}

func (p hubProtocol) appendResult(dst []byte, m *wire.Message) []byte {
	dst = slices.Grow(dst, len(m.ID)+m.Args.Size()+32) // what most take
	dst = appendState(append(appendSocket(dst, m), '{'), m)
	if m.Err == nil {
		dst = appendReturned(dst, m.Args.Values)
	}
	dst = rawjson.AppendString(append(dst, `"I":`...), m.ID)
	if m.Err != nil {
		dst = p.appendError(dst, m)
	}
	return append(dst, '}')
}

// appendReturned writes what a method returned, unless that is nothing.
func appendReturned(dst []byte, values [][]byte) []byte {
	switch {
	case len(values) == 0 || len(values) == 1 && string(values[0]) == "null":
		return dst
	case len(values) == 1:
		dst = append(append(dst, `"R":`...), values[0]...)
	default: // the protocol carries one value
		dst = appendList(append(dst, `"R":`...), values)
	}
	return append(dst, ',')
}

// appendError writes why a call failed: E is the sentence, H says that the method
// meant it for the caller, D is what it added.
func (p hubProtocol) appendError(dst []byte, m *wire.Message) []byte {
	said, meant := p.sentence(m)
	if meant {
		dst = append(dst, `,"H":true`...)
	}
	dst = rawjson.AppendString(append(dst, `,"E":`...), said)
	if meant && len(m.Err.Data) > 0 {
		dst = append(append(dst, `,"D":`...), m.Err.Data...)
	}
	return dst
}

// appendProgress has an I that no call has: clients too old for progress look it
// up in vain.
func appendProgress(dst []byte, m *wire.Message) []byte {
	dst = appendState(append(appendSocket(dst, m), '{'), m)
	dst = rawjson.AppendString(append(dst, `"I":`...), "P|"+m.ID)
	dst = rawjson.AppendString(append(dst, `,"P":{"I":`...), m.ID)
	dst = append(append(dst, `,"D":`...), m.Args.Values[0]...)
	return append(dst, '}', '}')
}

// appendState writes what the call that m belongs to has changed in its caller's
// state, and a comma behind it.
func appendState(dst []byte, m *wire.Message) []byte {
	bag, _ := m.Aside.(*Bag)
	if bag == nil {
		return dst
	}
	return bag.appendChanges(dst)
}

// end ends an object, in place of the comma that would have led on.
func end(dst []byte) []byte {
	dst[len(dst)-1] = '}'
	return dst
}

func appendList(dst []byte, values [][]byte) []byte {
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, v...)
	}
	return append(dst, ']')
}

// Parse implements [wire.Protocol]. Whose hub the call is for, it does not ask.
func (p hubProtocol) Parse(data []byte, m *wire.Message) error {
	in, err := parseInvocation(data)
	if err == nil {
		p.message(&in, m)
	}
	return err
}

// message makes of a call what a session receives.
func (p hubProtocol) message(in *invocation, m *wire.Message) {
	m.Kind, m.Name, m.ID = wire.Call, in.method, in.id
	m.Args.Values = in.args
	m.Aside = newBag(in, p.names)
}

// appendFailure answers a call that reaches no hub, as an element of M.
func appendFailure(dst []byte, id, said string) []byte {
	dst = rawjson.AppendString(append(dst, `{"I":`...), id)
	return append(rawjson.AppendString(append(dst, `,"E":`...), said), '}')
}
