package plain

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/parley-go/parley/wire"
)

// protocol writes and reads the messages of docs/protocols/plain.md. Both ends
// use the same words.
type protocol struct{}

// Name implements [wire.Protocol].
func (protocol) Name() string { return "plain" }

// Codec implements [wire.Protocol].
func (protocol) Codec() wire.Codec { return wire.JSON }

// Binary implements [wire.Protocol].
func (protocol) Binary() bool { return false }

// Append implements [wire.Protocol].
func (protocol) Append(dst []byte, m *wire.Message) ([]byte, error) {
	switch m.Kind {
	case wire.Call:
		if m.ID == "" {
			return appendCall(dst, "event", m), nil
		}
		return appendCall(dst, "call", m), nil
	case wire.StreamCall:
		return appendCall(dst, "stream", m), nil
	case wire.Result, wire.End:
		return appendAnswer(dst, m), nil
	case wire.Item:
		return append(appendValues(appendHead(dst, "item", m.ID), m.Args.Values), '}'), nil
	case wire.Cancel:
		return append(appendHead(dst, "cancel", m.ID), '}'), nil
	case wire.Ping:
		return append(appendHead(dst, "ping", m.ID), '}'), nil
	case wire.Pong:
		return append(appendHead(dst, "pong", m.ID), '}'), nil
	case wire.Close:
		return appendClose(dst, m.Bye), nil
	}
	return dst, nil
}

// appendHead begins a message with its type and, if it has one, its ID.
func appendHead(dst []byte, typ, id string) []byte {
	dst = append(append(append(dst, `{"type":"`...), typ...), '"')
	if id == "" {
		return dst
	}
	return appendString(append(dst, `,"id":`...), id)
}

func appendCall(dst []byte, typ string, m *wire.Message) []byte {
	dst = appendHead(dst, typ, m.ID)
	dst = appendString(append(dst, `,"name":`...), m.Name)
	dst = appendList(append(dst, `,"args":`...), m.Args.Values)
	return append(dst, '}')
}

func appendAnswer(dst []byte, m *wire.Message) []byte {
	switch {
	case m.Err != nil:
		dst = appendError(appendHead(dst, "error", m.ID), m.Err)
	case m.Kind == wire.End:
		dst = appendHead(dst, "end", m.ID)
	default:
		dst = appendValues(appendHead(dst, "result", m.ID), m.Args.Values)
	}
	return append(dst, '}')
}

func appendError(dst []byte, e *wire.Error) []byte {
	dst = appendString(append(dst, `,"code":`...), e.Code)
	dst = appendString(append(dst, `,"message":`...), e.Message)
	if e.Data == nil {
		return dst
	}
	return append(append(dst, `,"data":`...), e.Data...)
}

func appendValues(dst []byte, values [][]byte) []byte {
	switch len(values) {
	case 0:
		return append(dst, `,"value":null`...)
	case 1:
		return append(append(dst, `,"value":`...), values[0]...)
	}
	return appendList(append(dst, `,"values":`...), values)
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

func appendClose(dst []byte, bye wire.Goodbye) []byte {
	dst = append(dst, `{"type":"close","code":`...)
	dst = strconv.AppendInt(dst, int64(bye.Code), 10)
	dst = appendString(append(dst, `,"reason":`...), bye.Reason)
	dst = strconv.AppendBool(append(dst, `,"reconnect":`...), bye.Reconnect)
	return append(dst, '}')
}

// appendOpen writes the first message of a connection. token is empty where
// nothing needs to be sent by POST.
func appendOpen(dst []byte, id, token string) []byte {
	dst = appendHead(dst, "open", id)
	if token != "" {
		dst = appendString(append(dst, `,"session":`...), token)
	}
	return append(dst, '}')
}

// appendString writes s as a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string can always be written
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// Parse implements [wire.Protocol].
func (protocol) Parse(data []byte, m *wire.Message) error {
	var f fields
	if err := f.read(data); err != nil {
		return err
	}
	typ := "call"
	if f.typ != nil {
		if err := readString("type", f.typ, &typ); err != nil {
			return err
		}
	}
	if kind, known := kinds[typ]; known {
		m.Kind = kind
		return f.fill(m)
	}
	return nil
}

// kinds are the types of messages; others are ignored.
var kinds = map[string]wire.Kind{
	"call": wire.Call, "event": wire.Call, "stream": wire.StreamCall, "result": wire.Result, "error": wire.Result,
	"item": wire.Item, "end": wire.End, "cancel": wire.Cancel, "ping": wire.Ping, "pong": wire.Pong, "close": wire.Close,
}

func (f *fields) fill(m *wire.Message) error {
	if err := f.readID(m); err != nil {
		return err
	}
	switch m.Kind {
	case wire.Call, wire.StreamCall:
		return f.readCall(m)
	case wire.Result:
		if f.is("error") {
			return f.readError(m)
		}
		return f.readValues(m)
	case wire.Item:
		return f.readValues(m)
	case wire.Close:
		return f.readClose(m)
	}
	return nil
}

// readID takes an ID as a string; a number is one in its own digits.
func (f *fields) readID(m *wire.Message) error {
	if isNull(f.id) || f.is("event") {
		return nil
	}
	if c := f.id[0]; c == '-' || '0' <= c && c <= '9' {
		m.ID = string(f.id)
		return nil
	}
	if f.id[0] != '"' {
		return errors.New(`"id" is neither a string nor a number`)
	}
	return readString("id", f.id, &m.ID)
}

func (f *fields) readCall(m *wire.Message) (err error) {
	if err := readString("name", f.name, &m.Name); err != nil {
		return err
	}
	if m.Kind == wire.StreamCall && m.ID == "" {
		return errors.New(`a stream needs an "id"`)
	}
	m.Args.Values, err = readList("args", f.args)
	return err
}

func (f *fields) readValues(m *wire.Message) (err error) {
	if f.value != nil {
		m.Args.Values = [][]byte{f.value}
		return nil
	}
	m.Args.Values, err = readList("values", f.values)
	return err
}

func (f *fields) readError(m *wire.Message) error {
	m.Err = &wire.Error{Code: wire.CodeFailed, Data: f.data}
	if !isNull(f.code) {
		if err := readString("code", f.code, &m.Err.Code); err != nil {
			return err
		}
	}
	if isNull(f.message) {
		return nil
	}
	return readString("message", f.message, &m.Err.Message)
}

func (f *fields) readClose(m *wire.Message) (err error) {
	m.Bye.Code = 1000
	if !isNull(f.code) {
		if m.Bye.Code, err = strconv.Atoi(string(f.code)); err != nil {
			return errors.New(`"code" is not a whole number`)
		}
	}
	m.Bye.Failed = m.Bye.Code != 1000 && m.Bye.Code != 1001
	m.Bye.Reconnect = string(f.reconnect) == "true"
	if isNull(f.reason) {
		return nil
	}
	return readString("reason", f.reason, &m.Bye.Reason)
}

func isNull(raw []byte) bool { return raw == nil || string(raw) == "null" }

// readString reads a string that must be there.
func readString(field string, raw []byte, into *string) error {
	if len(raw) == 0 || raw[0] != '"' {
		return fmt.Errorf("%q is not a string", field)
	}
	*into = unquote(raw)
	return nil
}

// readList splits a JSON array into its raw elements.
func readList(field string, raw []byte) (list [][]byte, err error) {
	if isNull(raw) {
		return nil, nil
	}
	if raw[0] != '[' {
		return nil, fmt.Errorf("%q is not a list", field)
	}
	c := cursor{raw, 1}
	for c.peek() != ']' {
		list = append(list, c.value())
		if c.peek() == ',' {
			c.at++
		}
	}
	return list, nil
}
