package socketio

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/parley-go/parley/internal/msgpack"
	"github.com/parley-go/parley/wire"
	"github.com/tinylib/msgp/msgp"
)

// packed is how a client with socket.io-msgpack-parser wants the packets of
// one namespace: each a map of MessagePack in one binary message, without
// Engine.IO's type and without attachments. See [protocol] for its fields.
type packed struct {
	nsp     string
	offsets bool
}

// javaScript is how notepack.io, which the parser uses, writes values.
var javaScript = msgpack.Codec{Notepack: true}

// Name implements [wire.Protocol].
func (packed) Name() string { return "socketio-msgpack" }

// Codec implements [wire.Protocol].
func (packed) Codec() wire.Codec { return javaScript }

// Binary implements [wire.Protocol].
func (packed) Binary() bool { return true }

// Append implements [wire.Protocol].
func (p packed) Append(dst []byte, m *wire.Message) ([]byte, error) {
	switch m.Kind {
	case wire.Call:
		if err := callable(m); err != nil {
			return dst, err
		}
		return p.appendEvent(grow(dst, m, 40+len(p.nsp)), m.ID, m.Name, m.Args.Values, p.offset(m))
	case wire.Result:
		return p.appendResult(dst, m)
	case wire.Close:
		if m.Bye.Reconnect {
			return dst, nil
		}
		return p.appendHead(dst, packetDisconnect, "", 0)
	}
	return dst, nil
}

func (p packed) offset(m *wire.Message) string {
	if !p.offsets || m.ID != "" {
		return ""
	}
	return m.Offset
}

// appendHead writes all but the data, for which more is 1: they come last.
func (p packed) appendHead(dst []byte, kind byte, id string, more uint32) ([]byte, error) {
	n := uint64(0)
	if id != "" {
		var err error
		if n, err = strconv.ParseUint(id, 10, 64); err != nil {
			return dst, fmt.Errorf("socketio: an ack id is a number, not %q", id)
		}
		more++
	}
	dst = append(msgp.AppendString(msgp.AppendMapHeader(dst, 2+more), "type"), kind-packetConnect)
	dst = msgp.AppendString(msgp.AppendString(dst, "nsp"), p.nsp)
	if id != "" {
		dst = msgp.AppendUint64(msgp.AppendString(dst, "id"), n)
	}
	return dst, nil
}

func (p packed) appendEvent(dst []byte, id, name string, args [][]byte, offset string) ([]byte, error) {
	dst, err := p.appendHead(dst, packetEvent, id, 1)
	if err != nil {
		return dst, err
	}
	n := 1 + len(args)
	if offset != "" {
		n++
	}
	dst = msgp.AppendArrayHeader(msgp.AppendString(dst, "data"), uint32(n))
	dst = msgp.AppendString(dst, name)
	for _, v := range args {
		dst = append(dst, v...)
	}
	if offset != "" {
		dst = msgp.AppendString(dst, offset)
	}
	return dst, nil
}

func (p packed) appendAck(dst []byte, id string, args ...[]byte) ([]byte, error) {
	dst, err := p.appendHead(dst, packetAck, id, 1)
	if err != nil {
		return dst, err
	}
	dst = msgp.AppendArrayHeader(msgp.AppendString(dst, "data"), uint32(len(args)))
	for _, v := range args {
		dst = append(dst, v...)
	}
	return dst, nil
}

func (p packed) appendResult(dst []byte, m *wire.Message) ([]byte, error) {
	switch {
	case m.Err == nil && m.ID == "":
		return dst, nil
	case m.Err == nil:
		return p.appendAck(grow(dst, m, 40+len(p.nsp)), m.ID, m.Args.Values...)
	}
	f := failure[msgp.Raw]{Code: m.Err.Code, Message: m.Err.Message, Data: m.Err.Data}
	if m.ID == "" {
		f.Event = m.Name
		return p.appendEvent(dst, "", "error", [][]byte{pack(f)}, "")
	}
	return p.appendAck(dst, m.ID, pack(failedAck[msgp.Raw]{&f}))
}

// pack writes v, which is made of strings and valid MessagePack.
func pack(v any) []byte {
	a, err := javaScript.Marshal(v)
	if err != nil {
		return []byte{0xc0}
	}
	return a.Values[0]
}

// packet writes a packet that is no message of a session.
func (p packed) packet(kind byte, data []byte) []byte {
	more := uint32(1)
	if data == nil {
		more = 0
	}
	b, _ := p.appendHead(nil, kind, "", more) // without an id there is no error
	if data != nil {
		b = append(msgp.AppendString(b, "data"), data...)
	}
	return b
}

func (p packed) connect(payload any) ([]byte, error) {
	if payload == nil {
		return p.packet(packetConnect, nil), nil
	}
	a, err := javaScript.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("socketio: auth: %w", err)
	}
	if _, _, ok := msgpack.CountPairs(a.Values[0]); !ok {
		return nil, errAuth
	}
	return p.packet(packetConnect, a.Values[0]), nil
}

func (p packed) connected(revision int, sid, pid string) []byte {
	if revision < 4 {
		return p.packet(packetConnect, nil)
	}
	return p.packet(packetConnect, pack(welcome{sid, pid}))
}

func (p packed) refused(revision int, e *wire.Error) []byte {
	switch {
	case revision >= 4:
		return p.packet(packetConnectError, pack(denial[msgp.Raw]{e.Message, e.Data}))
	case e.Data != nil:
		return p.packet(packetConnectError, e.Data)
	}
	return p.packet(packetConnectError, pack(e.Message))
}

func (p packed) unknown() []byte {
	return p.packet(packetConnectError, pack(denial[msgp.Raw]{Message: unknownNamespace}))
}

func (p packed) disconnected() []byte { return p.packet(packetDisconnect, nil) }

// Parse implements [wire.Protocol].
func (packed) Parse(data []byte, m *wire.Message) error {
	var p packet
	if err := p.open(data); err != nil {
		return err
	}
	return p.message(m)
}

// open reads a packet in MessagePack, whose keys come in any order; of two
// with one name the last counts. The payload is looked at as head does it.
func (p *packet) open(data []byte) error {
	p.packed, p.kind, p.id, p.payload, p.attachments = true, 0, "", nil, nil
	n, rest, ok := msgpack.CountPairs(data)
	if !ok {
		return malformed("packet is not a map")
	}
	nsp := false
	for range n {
		var key, value []byte
		if key, rest, ok = cutValue(rest); ok {
			value, rest, ok = cutValue(rest)
		}
		if !ok {
			return malformed("packet is not MessagePack")
		}
		name, _, _ := msgp.ReadStringZC(key)
		nsp = nsp || string(name) == "nsp"
		if err := p.field(name, value); err != nil {
			return err
		}
	}
	switch {
	case len(rest) > 0:
		return malformed("more behind the packet")
	case p.kind == 0:
		return malformed("unknown packet type")
	case !nsp:
		return malformed("invalid namespace")
	case !p.packedFits():
		return malformed("invalid payload")
	}
	return nil
}

// cutValue takes the first value off.
func cutValue(data []byte) (value, rest []byte, ok bool) {
	rest, err := msgpack.Skip(data, msgpack.MaxDepth)
	if err != nil {
		return nil, nil, false
	}
	n := len(data) - len(rest)
	return data[:n:n], rest, true
}

// field takes one of a packet's fields; those it does not know are ignored.
func (p *packet) field(name, value []byte) error {
	switch string(name) {
	case "type":
		kind, _, err := msgp.ReadUint64Bytes(value)
		if err != nil || kind > packetConnectError-packetConnect {
			return malformed("unknown packet type")
		}
		p.kind = packetConnect + byte(kind)
	case "nsp":
		nsp, _, err := msgp.ReadStringZC(value)
		if err != nil || len(nsp) > maxNamespace || !utf8.Valid(nsp) {
			return malformed("invalid namespace")
		}
		if string(nsp) != p.nsp {
			p.nsp = string(nsp)
		}
	case "id":
		return p.packedID(value)
	case "data":
		p.payload = value
	}
	return nil
}

// isUndefined tells whether a value is the parser's undefined.
func isUndefined(value []byte) bool { return string(value) == "\xd4\x00\x00" }

func (p *packet) packedID(value []byte) error {
	if isUndefined(value) {
		p.id = ""
		return nil
	}
	id, _, err := msgp.ReadUint64Bytes(value)
	if err != nil || id > maxID {
		return malformed("invalid ack id")
	}
	p.id = strconv.FormatUint(id, 10)
	return nil
}

// packedFits is fits for MessagePack. Python's client writes nil for a payload
// that is not there, JavaScript's undefined.
func (p *packet) packedFits() bool {
	if isUndefined(p.payload) || msgp.IsNil(p.payload) {
		p.payload = nil
	}
	_, _, isMap := msgpack.CountPairs(p.payload)
	switch p.kind {
	case packetConnect:
		return p.payload == nil || isMap
	case packetDisconnect:
		return p.payload == nil
	case packetConnectError:
		return isMap || msgp.NextType(p.payload) == msgp.StrType
	}
	_, _, isArray := msgpack.Count(p.payload)
	return isArray
}

// unpack reads an event or ack in MessagePack into m.
func (p *packet) unpack(m *wire.Message) (err error) {
	n, rest, _ := msgpack.Count(p.payload)
	if p.kind == packetAck {
		return p.packedAck(m, n, rest)
	}
	name, rest, ok := cutValue(rest)
	if n == 0 || !ok {
		return malformed("event without a name")
	}
	if m.Name, err = packedName(name); err != nil {
		return err
	}
	m.Kind = wire.Call
	m.Args.Values, err = packedValues(m.Args.Values[:0], n-1, rest)
	return err
}

// packedValues appends the n values that data begins with.
func packedValues(values [][]byte, n int, data []byte) ([][]byte, error) {
	if n > maxArguments {
		return nil, malformed("too many arguments")
	}
	values = slices.Grow(values, n)
	for range n {
		value, rest, ok := cutValue(data)
		if !ok {
			return nil, malformed("payload is not MessagePack")
		}
		values, data = append(values, value), rest
	}
	return values, nil
}

func packedName(value []byte) (string, error) {
	switch msgp.NextType(value) {
	case msgp.IntType, msgp.UintType, msgp.Float32Type, msgp.Float64Type:
		var n float64
		if javaScript.Read(value, &n) == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
			return string(appendJSON(nil, n)), nil
		}
	case msgp.StrType:
		if name, ok := msgpack.String(value); ok && !isReserved(name) {
			return name, nil
		}
	}
	return "", malformed("invalid event name")
}

func (p *packet) packedAck(m *wire.Message, n int, data []byte) error {
	if p.id == "" {
		return malformed("ack without an id")
	}
	values, err := packedValues(m.Args.Values[:0], n, data)
	if err != nil {
		return err
	}
	m.Kind = wire.Result
	if len(values) == 1 {
		m.Err = unpackFailure(values[0])
	}
	if m.Err == nil {
		m.Args.Values = values
	}
	return nil
}

// unpackFailure is readFailure for MessagePack.
func unpackFailure(value []byte) *wire.Error {
	if n, rest, ok := msgpack.CountPairs(value); !ok || n != 1 || len(rest) == 0 {
		return nil
	} else if name, _, err := msgp.ReadStringZC(rest); err != nil || string(name) != "error" {
		return nil
	}
	var f struct {
		Error struct {
			Code, Message *string
			Data          msgp.Raw
		} `json:"error"`
	}
	if javaScript.Read(value, &f) != nil || f.Error.Code == nil || f.Error.Message == nil {
		return nil
	}
	return &wire.Error{Code: *f.Error.Code, Message: *f.Error.Message, Data: f.Error.Data}
}
