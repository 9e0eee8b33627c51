package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// protocol writes the packets of one namespace, with Engine.IO's packet type
// in front: a broadcast is then one WebSocket frame for all its receivers.
type protocol struct{ nsp string }

// Name implements [wire.Protocol].
func (protocol) Name() string { return "socketio" }

// Codec implements [wire.Protocol].
func (protocol) Codec() wire.Codec { return wire.JSON }

// Binary implements [wire.Protocol].
func (protocol) Binary() bool { return false }

// Append implements [wire.Protocol].
func (p protocol) Append(dst []byte, m *wire.Message) ([]byte, error) {
	switch m.Kind {
	case wire.Call:
		if len(m.Streams) > 0 {
			return dst, errors.New("socketio: a call brings no streams")
		}
		if isReserved(m.Name) {
			return dst, fmt.Errorf("socketio: the event name %q is reserved", m.Name)
		}
		return p.appendEvent(dst, m.ID, m.Name, m.Args.Values), nil
	case wire.Result:
		return p.appendResult(dst, m), nil
	case wire.Close:
		// A client that is told to disconnect stays away. One that may come
		// back is told nothing: it comes when the connection closes.
		if m.Bye.Reconnect {
			return dst, nil
		}
		return p.appendHead(dst, packetDisconnect, ""), nil
	}
	return dst, nil
}

// appendHead writes what stands before the JSON. "/" is never written.
func (p protocol) appendHead(dst []byte, kind byte, id string) []byte {
	dst = append(dst, message, kind)
	if p.nsp != "/" {
		dst = append(dst, p.nsp...)
		dst = append(dst, ',')
	}
	return append(dst, id...)
}

func (p protocol) appendEvent(dst []byte, id, name string, args [][]byte) []byte {
	dst = append(p.appendHead(dst, packetEvent, id), '[')
	dst = appendJSON(dst, name)
	for _, v := range args {
		dst = append(append(dst, ','), v...)
	}
	return append(dst, ']')
}

func (p protocol) appendAck(dst []byte, id string, args [][]byte) []byte {
	dst = append(p.appendHead(dst, packetAck, id), '[')
	for i, v := range args {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, v...)
	}
	return append(dst, ']')
}

// failure is how an error travels: Socket.IO has no form of its own for one.
type failure struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Event   string          `json:"event,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
}

type failedAck struct {
	Error *failure `json:"error"`
}

func (p protocol) appendResult(dst []byte, m *wire.Message) []byte {
	switch {
	case m.Err == nil && m.ID == "":
		return dst
	case m.Err == nil:
		return p.appendAck(dst, m.ID, m.Args.Values)
	}
	f := failure{Code: m.Err.Code, Message: m.Err.Message, Data: m.Err.Data}
	if m.ID == "" {
		f.Event = m.Name
		return p.appendEvent(dst, "", "error", [][]byte{appendJSON(nil, f)})
	}
	return p.appendAck(dst, m.ID, [][]byte{appendJSON(nil, failedAck{&f})})
}

func (p protocol) appendConnect(dst []byte, id string) []byte {
	return appendJSON(p.appendHead(dst, packetConnect, ""), struct {
		SID string `json:"sid"`
	}{id})
}

func (p protocol) appendConnectError(dst []byte, e *wire.Error) []byte {
	return appendJSON(p.appendHead(dst, packetConnectError, ""), struct { // in this order
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data,omitempty"`
	}{e.Message, e.Data})
}

// appendJSON writes v, which is made of strings and valid JSON.
func appendJSON(dst []byte, v any) []byte {
	a, err := wire.JSON.Marshal(v)
	if err != nil {
		return append(dst, "null"...)
	}
	return append(dst, a.Values[0]...)
}

// Parse implements [wire.Protocol].
func (p protocol) Parse(data []byte, m *wire.Message) error {
	packet, err := parsePacket(data)
	if err != nil {
		return err
	}
	return packet.message(m)
}

// message reads the packet's payload into m. CONNECT and CONNECT_ERROR are no
// messages of a session and leave m as it is.
func (p *packet) message(m *wire.Message) error {
	switch p.kind {
	case packetDisconnect:
		m.Kind = wire.Close
		return nil
	case packetEvent:
		return p.event(m)
	case packetAck:
		return p.ack(m)
	}
	return nil
}

func (p *packet) event(m *wire.Message) error {
	values, err := splitArray(p.payload)
	if err != nil {
		return err
	}
	if len(values) == 0 {
		return malformed("event without a name")
	}
	if m.Name, err = eventName(values[0]); err != nil {
		return err
	}
	m.Kind, m.ID, m.Args.Values = wire.Call, p.id, values[1:]
	return nil
}

// eventName reads the first element of an event: a string, or a number, which
// is then named as it is written.
func eventName(data []byte) (string, error) {
	if c := rawjson.Kind(data); c == '-' || '0' <= c && c <= '9' {
		return string(data), nil
	}
	name, ok := rawjson.String(data)
	if !ok || isReserved(name) {
		return "", malformed("invalid event name")
	}
	return name, nil
}

// isReserved tells whether the clients keep an event name for themselves.
func isReserved(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

func (p *packet) ack(m *wire.Message) error {
	values, err := splitArray(p.payload)
	if err != nil {
		return err
	}
	if p.id == "" {
		return malformed("ack without an id")
	}
	m.Kind, m.ID = wire.Result, p.id
	if len(values) == 1 {
		m.Err = readFailure(values[0])
	}
	if m.Err == nil {
		m.Args.Values = values
	}
	return nil
}

// readFailure recognises our own form of a failed ack, which may come from
// either side; nil when it is anything else.
func readFailure(data []byte) *wire.Error {
	var inner []byte
	n := 0
	for name, value := range rawjson.Fields(data) {
		if n++; n > 1 || string(name) != "error" {
			return nil
		}
		inner = value
	}
	var f struct {
		Code, Message *string
		Data          json.RawMessage
	}
	if rawjson.Kind(inner) != '{' || json.Unmarshal(inner, &f) != nil || f.Code == nil || f.Message == nil {
		return nil
	}
	return &wire.Error{Code: *f.Code, Message: *f.Message, Data: f.Data}
}

// invalidNamespace refuses a namespace that is not served.
func invalidNamespace(nsp string) []byte {
	return protocol{nsp}.appendConnectError(nil, &wire.Error{Message: "Invalid namespace"})
}

// connectRequest is a client's first packet.
func connectRequest(auth any) ([]byte, error) {
	p := protocol{"/"}.appendHead(nil, packetConnect, "")
	if auth == nil {
		return p, nil
	}
	a, err := wire.JSON.Marshal(auth)
	if err != nil {
		return nil, fmt.Errorf("socketio: auth: %w", err)
	}
	if !isObject(a.Values[0]) {
		return nil, errors.New("socketio: auth must be an object in JSON, got " + strconv.Quote(string(a.Values[0])))
	}
	return append(p, a.Values[0]...), nil
}
