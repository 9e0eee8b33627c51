package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"
	neturl "net/url"
	"strings"
	"unicode/utf8"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// The types of packet (Socket.IO protocol 5, "Packet types"). Each travels in
// a message of Engine.IO, whose own type, 4, comes first when it is text.
const (
	packetConnect      = '0'
	packetDisconnect   = '1'
	packetEvent        = '2'
	packetAck          = '3'
	packetConnectError = '4'
	packetBinaryEvent  = '5' // an event or ack whose attachments come right behind it; read, it is a
	packetBinaryAck    = '6' // packetEvent or packetAck
)

const (
	message      = '4'       // the Engine.IO packet that carries all of these
	maxNamespace = 256       // bytes of a namespace's name, with its query
	maxID        = 1<<53 - 1 // of an ack: beyond it JavaScript cannot count
	maxArguments = 4096      // of one event or ack
	maxDepth     = 1000      // of brackets in a payload

	// maxAttachments is the most that socket.io-parser takes in one packet
	// (4.2.6 and 3.3.5 on, by default).
	maxAttachments = 10
)

// packet is one packet of Socket.IO, whole.
type packet struct {
	kind        byte   // never a binary one
	nsp         string // "/" when none was written
	id          string // of an ack, digits; empty for none
	payload     []byte // JSON or, when packed, MessagePack; nil for none
	attachments [][]byte
	packed      bool
}

func malformed(what string) error {
	return fmt.Errorf("socketio: %s: %w", what, wire.ErrProtocol)
}

// head reads what stands before the JSON: a type, [number of attachments and
// dash], [namespace and comma], [ack id]. It checks the payload of the packets
// that are no message of a session; message checks the others.
func (p *packet) head(data []byte, most int) (due int, err error) {
	if len(data) < 2 || data[0] != message || data[1] < packetConnect || data[1] > packetBinaryAck {
		return 0, malformed("unknown packet type")
	}
	kind, rest := data[1], data[2:]
	if kind >= packetBinaryEvent {
		kind -= packetBinaryEvent - packetEvent
		if due, rest, err = cutCount(rest, most); err != nil {
			return 0, err
		}
	}
	nsp, rest, err := cutNamespace(rest)
	if err != nil {
		return 0, err
	}
	switch {
	case nsp == nil:
		p.nsp = "/"
	case string(nsp) != p.nsp: // else the string is there already
		p.nsp = string(nsp)
	}
	p.kind, p.attachments, p.packed = kind, nil, false
	if p.id, p.payload, err = cutID(rest); err != nil {
		return 0, err
	}
	if !p.fits() {
		return 0, malformed("invalid payload")
	}
	return due, nil
}

// cutCount takes the number of attachments off: 1 to most.
func cutCount(data []byte, most int) (n int, rest []byte, err error) {
	digits, rest, ok := bytes.Cut(data, []byte{'-'})
	const longest = 9
	if ok = ok && len(digits) > 0 && len(digits) <= longest; ok {
		for _, b := range digits {
			ok = ok && '0' <= b && b <= '9'
			n = 10*n + int(b-'0')
		}
	}
	if !ok || n < 1 {
		return 0, nil, malformed("illegal attachments")
	}
	if n > most {
		return 0, nil, malformed("too many attachments")
	}
	return n, rest, nil
}

// cutNamespace takes the namespace off: nil when there is none, which is "/".
// At the end, its comma may be missing.
func cutNamespace(data []byte) (nsp, rest []byte, err error) {
	if len(data) == 0 || data[0] != '/' {
		return nil, data, nil
	}
	nsp, rest, _ = bytes.Cut(data, []byte{','})
	if len(nsp) > maxNamespace {
		return nil, nil, malformed("namespace too long")
	}
	if !utf8.Valid(nsp) { // of a POST, which nobody has looked at
		return nil, nil, malformed("namespace is not UTF-8")
	}
	return nsp, rest, nil
}

// cutID takes the ack id off: digits only, of which zeros in front mean
// nothing.
func cutID(data []byte) (id string, rest []byte, err error) {
	n, v := 0, uint64(0)
	for n < len(data) && '0' <= data[n] && data[n] <= '9' {
		if v = 10*v + uint64(data[n]-'0'); v > maxID {
			return "", nil, malformed("ack id too large")
		}
		n++
	}
	if n == 0 {
		return "", data, nil
	}
	digits := bytes.TrimLeft(data[:n-1], "0")
	return string(data[n-1-len(digits) : n]), data[n:], nil
}

// fits tells whether the payload is one that the packet's type may have. That
// of an event or ack is looked at when it is read.
func (p *packet) fits() bool {
	switch p.kind {
	case packetConnect:
		return len(p.payload) == 0 || isObject(p.payload)
	case packetDisconnect:
		return len(p.payload) == 0
	case packetConnectError:
		return isObject(p.payload) || len(p.payload) > 0 && p.payload[0] == '"' && rawjson.Check(p.payload) == nil
	}
	return len(p.payload) > 0 && p.payload[0] == '['
}

func isObject(data []byte) bool {
	return rawjson.Check(data) == nil && rawjson.Kind(data) == '{'
}

// message reads a packet of a session into m, which has no bytes of its own
// then. CONNECT and CONNECT_ERROR are none and leave m as it is.
func (p *packet) message(m *wire.Message) error {
	if p.kind == packetDisconnect {
		m.Kind = wire.Close
		return nil
	}
	if p.kind != packetEvent && p.kind != packetAck {
		return nil
	}
	m.ID, m.Args.Attachments = p.id, p.attachments
	if p.packed {
		return p.unpack(m)
	}
	w := rawjson.Walk(p.payload, maxDepth)
	if p.kind == packetAck {
		return p.ack(&w, m)
	}
	return p.event(&w, m)
}

// event reads the name and the arguments in one pass.
func (p *packet) event(w *rawjson.Walker, m *wire.Message) (err error) {
	w.Open('[')
	if !w.More(']') {
		return malformed("event without a name")
	}
	if m.Name, err = eventName(w.Value()); err != nil {
		return err
	}
	m.Kind = wire.Call
	m.Args.Values, err = elements(w, m.Args.Values[:0])
	return err
}

func (p *packet) ack(w *rawjson.Walker, m *wire.Message) (err error) {
	if p.id == "" {
		return malformed("ack without an id")
	}
	w.Open('[')
	values, err := elements(w, m.Args.Values[:0])
	if err != nil {
		return err
	}
	m.Kind = wire.Result
	if len(values) == 1 {
		m.Err = readFailure(values[0])
	}
	if m.Err == nil {
		m.Args.Values = values
	}
	return nil
}

// elements reads what is left of an array, and makes sure of its end.
func elements(w *rawjson.Walker, values [][]byte) ([][]byte, error) {
	for w.More(']') {
		switch {
		case len(values) == maxArguments:
			return nil, malformed("too many arguments")
		case cap(values) == 0:
			const most = 4 // have no more than so many
			values = make([][]byte, 0, most)
		}
		values = append(values, w.Value())
	}
	if w.Err() != nil {
		return nil, malformed("payload is not a JSON array")
	}
	return values, nil
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

// object is the payload of a CONNECT or CONNECT_ERROR as JSON, in a copy: an
// object, of a CONNECT_ERROR perhaps a string. Nil when there is none.
func (p *packet) object() (json.RawMessage, error) {
	if len(p.payload) == 0 {
		return nil, nil
	}
	if !p.packed {
		return bytes.Clone(p.payload), nil
	}
	var text json.RawMessage
	if err := javaScript.Read(p.payload, &text); err != nil {
		return nil, malformed("invalid payload")
	}
	return text, nil
}

// splitQuery takes off the query that clients of protocol 4 put behind the
// namespace of a CONNECT, and makes it an object of strings; of a name given
// twice the last value counts. Auth is nil when there is no query.
func splitQuery(nsp string) (name string, auth json.RawMessage) {
	name, query, ok := strings.Cut(nsp, "?")
	if !ok {
		return name, nil
	}
	given, _ := neturl.ParseQuery(query) // the rest of one that has faults
	object := make(map[string]string, len(given))
	for key, values := range given {
		object[key] = values[len(values)-1]
	}
	return name, appendJSON(nil, object)
}
