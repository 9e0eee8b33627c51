package signalr

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// dialect is a hub protocol as one end writes it. Values are comparable.
type dialect interface {
	wire.Protocol

	// splitter cuts what a connection receives into records of at most limit
	// bytes each.
	splitter(limit int) splitter

	// parse reads one record of the splitter, and more than Parse does: which
	// type the message has, and what an Ack or a Sequence counts. Data and m are
	// as Parse wants them; m.Args.Values may have room, which is used.
	parse(record []byte, m *message) error

	// appendAck and appendSequence append the two messages of stateful
	// reconnect, which no session knows.
	appendAck(dst []byte, id int64) []byte
	appendSequence(dst []byte, id int64) []byte

	// refusal shows a client that has just shaken hands the door: it gets the
	// handshake's answer, then a Close that does not ask it back.
	refusal(e *wire.Error) []byte
}

// splitter cuts a stream of bytes into records. It belongs to the reading loop
// of one connection.
type splitter interface {
	// next takes bytes up to the end of the first record, and returns what is
	// behind it. The record, which is nil rather than empty when data does not
	// end it, is valid until data changes. The error is that of a record which
	// is too long or malformed; nothing more may follow then.
	next(data []byte) (record, rest []byte, err error)

	// rest tells whether a record has begun and not ended.
	rest() bool
}

// message is what a record holds.
type message struct {
	wire.Message
	typ      int   // the number of its type; the session knows nothing of some
	sequence int64 // of an Ack or a Sequence
}

// protocol is the JSON hub protocol as one end writes it. Properties are
// written in the order of Microsoft's server and read in any order.
type protocol struct {
	manner
	names JSONNames
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
	ack              = 8
	sequence         = 9
)

// Name implements [wire.Protocol].
func (protocol) Name() string { return "json" }

// Codec implements [wire.Protocol].
func (p protocol) Codec() wire.Codec { return p.names.codec() }

// Binary implements [wire.Protocol].
func (protocol) Binary() bool { return false }

// Append implements [wire.Protocol].
func (p protocol) Append(dst []byte, m *wire.Message) ([]byte, error) {
	switch m.Kind {
	case wire.Call:
		return appendCall(dst, invocation, m), nil
	case wire.StreamCall:
		return appendCall(dst, streamInvocation, m), nil
	case wire.Item:
		if len(m.Args.Values) != 1 {
			return dst, fmt.Errorf("signalr: a stream item has one value, not %d", len(m.Args.Values))
		}
		return end(appendValue(begin(grow(dst, m), streamItem, nil, m.ID), "item", m.Args.Values[0])), nil
	case wire.Result, wire.End:
		return p.appendCompletion(dst, m), nil
	case wire.Cancel:
		if !p.client { // no client knows it
			return dst, nil
		}
		return end(begin(dst, cancelInvocation, nil, m.ID)), nil
	case wire.Ping:
		return end(begin(dst, ping, nil, "")), nil
	case wire.Close:
		return appendClose(dst, p.farewell(m.Bye), m.Bye.Reconnect), nil
	}
	return dst, nil // no words for a Pong
}

// grow makes room for m, so that it is written without moving.
func grow(dst []byte, m *wire.Message) []byte {
	const more = 64 // the names of properties
	return slices.Grow(dst, more+len(m.ID)+len(m.Name)+m.Args.Size()+len(m.Args.Values))
}

// begin writes what all messages begin with.
func begin(dst []byte, typ int, headers map[string]string, id string) []byte {
	dst = append(dst, `{"type":`...)
	dst = strconv.AppendInt(dst, int64(typ), 10)
	if len(headers) > 0 {
		dst = appendHeaders(dst, headers)
	}
	if id == "" {
		return dst
	}
	return appendText(dst, "invocationId", id)
}

func end(dst []byte) []byte { return append(dst, '}', separator) }

func appendName(dst []byte, name string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func appendValue(dst []byte, name string, value []byte) []byte {
	return append(appendName(dst, name), value...)
}

func appendText(dst []byte, name, text string) []byte {
	return rawjson.AppendString(appendName(dst, name), text)
}

func appendHeaders(dst []byte, headers map[string]string) []byte {
	dst = append(appendName(dst, "headers"), '{')
	for i, name := range slices.Sorted(maps.Keys(headers)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(rawjson.AppendString(dst, name), ':')
		dst = rawjson.AppendString(dst, headers[name])
	}
	return append(dst, '}')
}

func appendCall(dst []byte, typ int, m *wire.Message) []byte {
	dst = appendText(begin(grow(dst, m), typ, m.Headers, m.ID), "target", m.Name)
	dst = appendList(appendName(dst, "arguments"), m.Args.Values)
	if len(m.Streams) > 0 {
		dst = appendStrings(appendName(dst, "streamIds"), m.Streams)
	}
	return end(dst)
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

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(dst, s)
	}
	return append(dst, ']')
}

// appendCompletion answers a call. A plain call without a value is answered
// with null, the end of a stream with neither result nor error.
func (p protocol) appendCompletion(dst []byte, m *wire.Message) []byte {
	if m.ID == "" {
		return dst
	}
	dst = begin(grow(dst, m), completion, nil, m.ID)
	switch values := m.Args.Values; {
	case m.Err != nil:
		dst = appendText(dst, "error", p.sentence(m))
	case m.Kind == wire.End:
	case len(values) == 0:
		dst = append(appendName(dst, "result"), "null"...)
	case len(values) == 1:
		dst = appendValue(dst, "result", values[0])
	default: // the protocol carries one value
		dst = appendList(appendName(dst, "result"), values)
	}
	return end(dst)
}

// appendClose writes a Close; an empty error is none.
func appendClose(dst []byte, said string, reconnect bool) []byte {
	dst = begin(dst, closing, nil, "")
	if said != "" {
		dst = appendText(dst, "error", said)
	}
	if reconnect {
		dst = append(appendName(dst, "allowReconnect"), "true"...)
	}
	return end(dst)
}

func (protocol) appendAck(dst []byte, id int64) []byte { return appendCount(dst, ack, id) }

func (protocol) appendSequence(dst []byte, id int64) []byte { return appendCount(dst, sequence, id) }

func appendCount(dst []byte, typ int, id int64) []byte {
	dst = appendName(begin(dst, typ, nil, ""), "sequenceId")
	return end(strconv.AppendInt(dst, id, 10))
}

func (p protocol) refusal(e *wire.Error) []byte {
	return appendClose([]byte(welcome), p.refused(e), false)
}

func (protocol) splitter(limit int) splitter { return &records{limit: limit} }

// Parse implements [wire.Protocol].
func (p protocol) Parse(data []byte, m *wire.Message) error {
	whole := message{Message: *m}
	err := p.parse(bytes.TrimSuffix(data, []byte{separator}), &whole)
	*m = whole.Message
	return err
}

func (p protocol) parse(record []byte, m *message) error {
	f := fields{arguments: m.Args.Values[:0]}
	if err := f.read(record); err != nil {
		return err
	}
	return p.message(&f, m)
}

// fields are the raw values of a message; nil where it has none.
type fields struct {
	typ, headers, id, target, streams, item, result, err, reconnect, sequence []byte

	arguments     [][]byte
	argumentsKind byte // the first byte of their array, or of what came in its place; zero for none

	protocol, version []byte // of a handshake
}

// maxDepth bounds how deep a message may be nested, as Microsoft's server does.
const maxDepth = 64

// read finds the fields of one message and checks that it is JSON. Fields it
// does not know are ignored; of two with one name the last counts.
func (f *fields) read(record []byte) error {
	w := rawjson.Walk(record, maxDepth)
	if kind := w.Kind(); kind != '{' {
		if err := rawjson.Check(record); err != nil {
			return err
		}
		return errors.New("the message is not a JSON object")
	}
	for w.Open('{'); w.More('}'); {
		name := w.Name()
		if string(name) == "arguments" {
			f.readArguments(&w)
			continue
		}
		value := w.Value()
		if into := f.named(name); into != nil {
			*into = value
		}
	}
	return w.Err()
}

// readArguments goes into the array, so that nothing is read twice.
func (f *fields) readArguments(w *rawjson.Walker) {
	f.arguments, f.argumentsKind = f.arguments[:0], w.Kind()
	if f.argumentsKind != '[' {
		w.Value()
		return
	}
	for w.Open('['); w.More(']'); {
		if cap(f.arguments) == 0 {
			const most = 4 // have no more than so many
			f.arguments = make([][]byte, 0, most)
		}
		f.arguments = append(f.arguments, w.Value())
	}
}

func (f *fields) named(name []byte) *[]byte {
	switch string(name) {
	case "type":
		return &f.typ
	case "headers":
		return &f.headers
	case "invocationId":
		return &f.id
	case "target":
		return &f.target
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
	case "sequenceId":
		return &f.sequence
	case "protocol":
		return &f.protocol
	case "version":
		return &f.version
	}
	return nil
}

// message reads the fields. Of a type it does not know there is only the
// number.
func (p protocol) message(f *fields, m *message) (err error) {
	if m.typ, err = number("type", f.typ); err != nil {
		return err
	}
	typ := m.typ
	if typ < invocation || typ > sequence {
		return nil
	}
	if m.ID, err = text("invocationId", f.id); err != nil {
		return err
	}
	if m.ID == "" && (typ >= streamItem && typ <= cancelInvocation) {
		return missing("invocationId")
	}
	switch typ {
	case invocation, streamInvocation:
		return f.call(typ, &m.Message)
	case streamItem:
		m.Kind, m.Args.Values = wire.Item, append(f.arguments[:0], f.item)
		if f.item == nil {
			return missing("item")
		}
	case completion:
		return p.answer(f, &m.Message)
	case cancelInvocation:
		m.Kind = wire.Cancel
	case ping:
		m.Kind = wire.Ping
	case closing:
		m.Kind = wire.Close
		return f.bye(&m.Bye)
	case ack, sequence:
		m.sequence, err = count("sequenceId", f.sequence)
		return err
	}
	return nil
}

func (f *fields) call(typ int, m *wire.Message) (err error) {
	if m.Name, err = text("target", f.target); err != nil {
		return err
	}
	switch {
	case m.Name == "":
		return missing("target")
	case f.argumentsKind == 0:
		return missing("arguments")
	case f.argumentsKind != '[':
		return wrongType("arguments", "an array")
	}
	m.Kind = wire.Call
	if typ == streamInvocation {
		m.Kind = wire.StreamCall
	}
	m.Args.Values = f.arguments
	if m.Streams, err = texts("streamIds", f.streams); err != nil {
		return err
	}
	m.Headers, err = headers(f.headers)
	return err
}

// answer reads a Completion: a plain call's with a result, or a stream's
// without. It does not say which; to the session both are the same.
func (p protocol) answer(f *fields, m *wire.Message) error {
	m.Kind = wire.Result
	said, err := text("error", f.err)
	if err != nil {
		return err
	}
	failed := isGiven(f.err)
	if f.result != nil && failed {
		return errors.New("the 'error' and 'result' properties are mutually exclusive")
	}
	if f.result != nil {
		m.Args.Values = append(f.arguments[:0], f.result)
		return nil
	}
	m.Kind = wire.End
	if failed {
		m.Err = p.understand(said)
	}
	return nil
}

func (f *fields) bye(bye *wire.Goodbye) (err error) {
	if bye.Reason, err = text("error", f.err); err != nil {
		return err
	}
	if bye.Reconnect, err = boolean("allowReconnect", f.reconnect); err != nil {
		return err
	}
	bye.Code = 1000
	if isGiven(f.err) {
		bye.Code, bye.Failed = 1011, true
	}
	return nil
}

// isGiven tells whether an optional property is there; null is none.
func isGiven(raw []byte) bool { return raw != nil && string(raw) != "null" }

func boolean(name string, raw []byte) (bool, error) {
	switch string(raw) {
	case "true":
		return true, nil
	case "", "null", "false":
		return false, nil
	}
	return false, wrongType(name, "a boolean")
}

func number(name string, raw []byte) (int, error) {
	n, err := count(name, raw)
	if err == nil && int64(int32(n)) != n {
		err = wrongType(name, "an integer")
	}
	return int(n), err
}

func count(name string, raw []byte) (int64, error) {
	if raw == nil {
		return 0, missing(name)
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return 0, wrongType(name, "an integer")
	}
	return n, nil
}

// text reads an optional string; null is none.
func text(name string, raw []byte) (string, error) {
	if !isGiven(raw) {
		return "", nil
	}
	s, ok := rawjson.String(raw)
	if !ok {
		return "", wrongType(name, "a string")
	}
	return s, nil
}

// texts reads an optional array of strings.
func texts(name string, raw []byte) (list []string, err error) {
	if !isGiven(raw) {
		return nil, nil
	}
	if rawjson.Kind(raw) != '[' {
		return nil, wrongType(name, "an array of strings")
	}
	for v := range rawjson.Elements(raw) {
		s, ok := rawjson.String(v)
		if !ok {
			return nil, wrongType(name, "an array of strings")
		}
		list = append(list, s)
	}
	return list, nil
}

// headers reads an optional object of strings.
func headers(raw []byte) (all map[string]string, err error) {
	if !isGiven(raw) {
		return nil, nil
	}
	if rawjson.Kind(raw) != '{' {
		return nil, wrongType("headers", "an object of strings")
	}
	for name, v := range rawjson.Fields(raw) {
		s, ok := rawjson.String(v)
		if !ok {
			return nil, wrongType("headers", "an object of strings")
		}
		if all == nil {
			all = make(map[string]string)
		}
		all[string(name)] = s
	}
	return all, nil
}

func missing(name string) error { return fmt.Errorf("missing required property '%s'", name) }

func wrongType(name, want string) error { return fmt.Errorf("expected '%s' to be %s", name, want) }
