package signalr

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// protocol is the JSON hub protocol as one end writes it. Properties are
// written in the order of Microsoft's server and read in any order.
type protocol struct {
	client   bool // the Go client's end
	detailed bool // see Options.DetailedErrors
}

// The types of message (SignalR hub protocol, "JSON encoding").
const (
	invocation       = 1
	streamItem       = 2
	completion       = 3
	streamInvocation = 4
	cancelInvocation = 5
	ping             = 6
	closing          = 7
)

// Name implements [wire.Protocol].
func (protocol) Name() string { return "json" }

// Codec implements [wire.Protocol].
func (protocol) Codec() wire.Codec { return wire.JSON }

// Binary implements [wire.Protocol].
func (protocol) Binary() bool { return false }

// Append implements [wire.Protocol].
func (p protocol) Append(dst []byte, m *wire.Message) ([]byte, error) {
	switch m.Kind {
	case wire.Call:
		return appendCall(dst, invocation, m)
	case wire.StreamCall:
		return appendCall(dst, streamInvocation, m)
	case wire.Item:
		if len(m.Args.Values) != 1 {
			return dst, fmt.Errorf("signalr: a stream item has one value, not %d", len(m.Args.Values))
		}
		return end(appendValue(begin(dst, streamItem, m.ID), "item", m.Args.Values[0]))
	case wire.Result, wire.End:
		return p.appendCompletion(dst, m)
	case wire.Cancel:
		if !p.client { // no client knows it
			return dst, nil
		}
		return end(begin(dst, cancelInvocation, m.ID))
	case wire.Ping:
		return end(begin(dst, ping, ""))
	case wire.Close:
		return p.appendClose(dst, m.Bye)
	}
	return dst, nil // no words for a Pong
}

// begin writes what all messages begin with.
func begin(dst []byte, typ int, id string) []byte {
	dst = append(dst, `{"type":`...)
	dst = strconv.AppendInt(dst, int64(typ), 10)
	if id == "" {
		return dst
	}
	return appendText(dst, "invocationId", id)
}

func end(dst []byte) ([]byte, error) { return append(dst, '}', separator), nil }

func appendValue(dst []byte, name string, value []byte) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return append(dst, value...)
}

func appendText(dst []byte, name, text string) []byte {
	value, err := wire.JSON.Marshal(text)
	if err != nil { // no string fails
		return dst
	}
	return appendValue(dst, name, value.Values[0])
}

func appendCall(dst []byte, typ int, m *wire.Message) ([]byte, error) {
	dst = appendText(begin(dst, typ, m.ID), "target", m.Name)
	return end(appendList(appendValue(dst, "arguments", nil), m.Args.Values))
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

// appendCompletion answers a call. A plain call without a value is answered
// with null, the end of a stream with neither result nor error.
func (p protocol) appendCompletion(dst []byte, m *wire.Message) ([]byte, error) {
	if m.ID == "" {
		return dst, nil
	}
	dst = begin(dst, completion, m.ID)
	switch values := m.Args.Values; {
	case m.Err != nil:
		dst = appendText(dst, "error", p.sentence(m))
	case m.Kind == wire.End:
	case len(values) == 0:
		dst = appendValue(dst, "result", []byte("null"))
	case len(values) == 1:
		dst = appendValue(dst, "result", values[0])
	default: // the protocol carries one value
		dst = appendList(appendValue(dst, "result", nil), values)
	}
	return end(dst)
}

func (p protocol) appendClose(dst []byte, bye wire.Goodbye) ([]byte, error) {
	dst = begin(dst, closing, "")
	if bye.Failed {
		dst = appendText(dst, "error", p.farewell(bye))
	}
	if bye.Reconnect {
		dst = appendValue(dst, "allowReconnect", []byte("true"))
	}
	return end(dst)
}

// Parse implements [wire.Protocol].
func (p protocol) Parse(data []byte, m *wire.Message) error {
	var f fields
	if err := f.read(bytes.TrimSuffix(data, []byte{separator})); err != nil {
		return err
	}
	return p.message(&f, m)
}

// fields are the raw values of a message; nil where it has none.
type fields struct {
	typ, id, target, arguments, streams, item, result, err, reconnect []byte
	protocol, version                                                 []byte // of a handshake
}

// read finds the fields of one message. Those it does not know are ignored;
// of two with one name the last counts.
func (f *fields) read(record []byte) error {
	if err := rawjson.Check(record); err != nil {
		return err
	}
	if rawjson.Kind(record) != '{' {
		return errors.New("the message is not a JSON object")
	}
	for name, value := range rawjson.Fields(record) {
		if into := f.named(name); into != nil {
			*into = value
		}
	}
	return nil
}

func (f *fields) named(name []byte) *[]byte {
	switch string(name) {
	case "type":
		return &f.typ
	case "invocationId":
		return &f.id
	case "target":
		return &f.target
	case "arguments":
		return &f.arguments
	case "streamIds":
		return &f.streams
	case "item":
		return &f.item
	case "result":
		return &f.result
	case "error":
		return &f.err
	case "allowReconnect":
		return &f.reconnect
	case "protocol":
		return &f.protocol
	case "version":
		return &f.version
	}
	return nil
}

// message reads the fields. A type it does not know leaves m as it is.
func (p protocol) message(f *fields, m *wire.Message) (err error) {
	typ, err := f.number("type", f.typ)
	if err != nil {
		return err
	}
	if m.ID, err = text("invocationId", f.id); err != nil {
		return err
	}
	if m.ID == "" && (typ >= streamItem && typ <= cancelInvocation) {
		return missing("invocationId")
	}
	switch typ {
	case invocation, streamInvocation:
		return f.call(typ, m)
	case streamItem:
		m.Kind, m.Args.Values = wire.Item, [][]byte{f.item}
		if f.item == nil {
			return missing("item")
		}
	case completion:
		return p.answer(f, m)
	case cancelInvocation:
		m.Kind = wire.Cancel
	case ping:
		m.Kind = wire.Ping
	case closing:
		m.Kind = wire.Close
		return f.bye(&m.Bye)
	}
	return nil
}

func (f *fields) call(typ int, m *wire.Message) (err error) {
	if f.target == nil {
		return missing("target")
	}
	if f.arguments == nil {
		return missing("arguments")
	}
	if rawjson.Kind(f.arguments) != '[' {
		return wrongType("arguments", "an array")
	}
	if m.Name, err = text("target", f.target); err != nil {
		return err
	}
	m.Kind = wire.Call
	if typ == streamInvocation {
		m.Kind = wire.StreamCall
	}
	for v := range rawjson.Elements(f.arguments) {
		m.Args.Values = append(m.Args.Values, v)
	}
	return nil
}

// answer reads a Completion: a plain call's with a result, or a stream's
// without. It does not say which; to the session both are the same.
func (p protocol) answer(f *fields, m *wire.Message) error {
	m.Kind = wire.Result
	if f.err != nil && f.result != nil {
		return errors.New("the 'error' and 'result' properties are mutually exclusive")
	}
	if f.result != nil {
		m.Args.Values = [][]byte{f.result}
		return nil
	}
	m.Kind = wire.End
	if f.err == nil {
		return nil
	}
	said, err := text("error", f.err)
	if err != nil {
		return err
	}
	m.Err = p.understand(said)
	return nil
}

func (f *fields) bye(bye *wire.Goodbye) (err error) {
	bye.Code = 1000
	bye.Reconnect = string(f.reconnect) == "true"
	if bye.Reason, err = text("error", f.err); err != nil || bye.Reason == "" {
		return err
	}
	bye.Code, bye.Failed = 1011, true
	return nil
}

func (f *fields) number(name string, raw []byte) (int, error) {
	if raw == nil {
		return 0, missing(name)
	}
	n, err := strconv.ParseInt(string(raw), 10, 32)
	if err != nil {
		return 0, wrongType(name, "an integer")
	}
	return int(n), nil
}

// text reads an optional string; null is none.
func text(name string, raw []byte) (string, error) {
	if raw == nil || string(raw) == "null" {
		return "", nil
	}
	s, ok := rawjson.String(raw)
	if !ok {
		return "", wrongType(name, "a string")
	}
	return s, nil
}

func missing(name string) error { return fmt.Errorf("missing required property '%s'", name) }

func wrongType(name, want string) error { return fmt.Errorf("expected '%s' to be %s", name, want) }
