package plain

import (
	"encoding/json"
	"errors"
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
	if len(m.Streams) > 0 {
		return dst, errors.New("plain: a call brings no streams")
	}
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
