package protocol1

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// The types of packet.
const (
	packetDisconnect = '0'
	packetConnect    = '1'
	packetHeartbeat  = '2'
	packetMessage    = '3'
	packetJSON       = '4'
	packetEvent      = '5'
	packetAck        = '6'
	packetError      = '7'
	packetNoop       = '8'
)

const (
	heartbeat      = "2::"
	noop           = "8::"
	notHandshaken  = "7:::1+0" // "client not handshaken", "reconnect"
	unauthorized   = "2"       // among the reasons of a packetError
	maxEndpoint    = 256       // bytes
	maxArguments   = 4096      // of one event or ack
	maxID          = 1<<53 - 1 // of an ack: beyond it JavaScript cannot count
	separator      = "\ufffd"  // around the lengths of a payload
	maxLengthBytes = 9         // digits
)

// packet is one packet: type ":" [id ["+"]] ":" [endpoint] [":" data].
type packet struct {
	kind     byte
	id       string // what the ack has to name; empty for none
	withData bool   // the ack is the handler's, with data; otherwise it says that the packet has come
	endpoint string // "" is the main namespace
	data     []byte
}

func malformed(what string) error {
	return fmt.Errorf("socketio: %s: %w", what, wire.ErrProtocol)
}

func parsePacket(data []byte) (p packet, err error) {
	if len(data) < 3 || data[0] < packetDisconnect || data[0] > packetNoop || data[1] != ':' {
		return p, malformed("unknown packet type")
	}
	p.kind = data[0]
	id, rest, found := bytes.Cut(data[2:], []byte{':'})
	if !found {
		return p, malformed("packet without an endpoint")
	}
	if p.id, p.withData, err = parseID(id); err != nil {
		return p, err
	}
	endpoint, rest, _ := bytes.Cut(rest, []byte{':'})
	if len(endpoint) > maxEndpoint {
		return p, malformed("endpoint too long")
	}
	p.endpoint, p.data = string(endpoint), rest
	return p, nil
}

func parseID(data []byte) (id string, withData bool, err error) {
	if len(data) == 0 {
		return "", false, nil
	}
	digits, withData := bytes.CutSuffix(data, []byte{'+'})
	n, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil || n > maxID || digits[0] == '+' {
		return "", false, malformed("invalid ack id")
	}
	return strconv.FormatUint(n, 10), withData, nil
}

// message reads the packet's data into m. A call whose ack has no data has no ID:
// it is acknowledged when it comes. Packets that are no messages of a session
// leave m as it is.
func (p *packet) message(m *wire.Message) error {
	switch p.kind {
	case packetDisconnect:
		m.Kind = wire.Close
		return nil
	case packetHeartbeat:
		m.Kind = wire.Ping
		return nil
	case packetAck:
		return p.ack(m)
	case packetMessage, packetJSON, packetEvent:
	default:
		return nil
	}
	m.Kind, m.Name = wire.Call, messageName
	if p.withData {
		m.ID = p.id
	}
	switch p.kind {
	case packetMessage:
		m.Args.Values = [][]byte{wire.AppendJSONString(nil, string(p.data))}
	case packetJSON:
		if rawjson.Check(p.data) != nil {
			return malformed("message is not JSON")
		}
		m.Args.Values = [][]byte{p.data}
	default:
		return p.event(m)
	}
	return nil
}

// messageName is the event that send and json.send raise at the other side.
const messageName = "message"

// isReserved tells whether an event name has a meaning of its own to the client.
// The specification keeps some more to itself (message, open, close, error,
// retry, reconnect), which do no harm, and which hubs use for others' sake.
func isReserved(name string) bool { return name == "connect" || name == "disconnect" }

func (p *packet) event(m *wire.Message) (err error) {
	if rawjson.Check(p.data) != nil || rawjson.Kind(p.data) != '{' {
		return malformed("event is not a JSON object")
	}
	named := false
	for field, value := range rawjson.Fields(p.data) {
		switch string(field) {
		case "name":
			m.Name, named = rawjson.String(value)
		case "args":
			if m.Args.Values, err = splitArray(value); err != nil {
				return err
			}
		}
	}
	if !named || isReserved(m.Name) {
		return malformed("invalid event name")
	}
	return nil
}

// ack reads id ["+" array].
func (p *packet) ack(m *wire.Message) (err error) {
	id, args, _ := bytes.Cut(p.data, []byte{'+'})
	m.Kind = wire.Result
	if m.ID, _, err = parseID(id); err != nil {
		return err
	}
	if m.ID == "" {
		return malformed("ack without an id")
	}
	if len(args) == 0 {
		return nil
	}
	if rawjson.Check(args) != nil {
		return malformed("ack is not JSON")
	}
	values, err := splitArray(args)
	if len(values) == 1 {
		m.Err = readFailure(values[0])
	}
	if m.Err == nil {
		m.Args.Values = values
	}
	return err
}

// readFailure recognises our own form of a failed ack; nil when it is anything
// else.
func readFailure(data []byte) *wire.Error {
	var f struct{ Error *failure }
	if rawjson.Kind(data) != '{' || json.Unmarshal(data, &f) != nil || f.Error == nil || f.Error.Code == "" || f.Error.Message == "" {
		return nil
	}
	return &wire.Error{Code: f.Error.Code, Message: f.Error.Message, Data: f.Error.Data}
}

// splitArray cuts a JSON array, which is valid, into its elements.
func splitArray(data []byte) ([][]byte, error) {
	if rawjson.Kind(data) != '[' {
		return nil, malformed("arguments are not a JSON array")
	}
	var values [][]byte
	for v := range rawjson.Elements(data) {
		if len(values) == maxArguments {
			return nil, malformed("too many arguments")
		}
		values = append(values, v)
	}
	return values, nil
}

// appendPayload appends a packet to the payload of a poll that has several. Each
// has its length, in UTF-16 units, before it.
func appendPayload(dst, packet []byte) []byte {
	if bytes.HasPrefix(packet, []byte(separator)) { // is a payload by itself
		return append(dst, packet...)
	}
	dst = strconv.AppendInt(append(dst, separator...), int64(units(packet)), 10)
	return append(append(dst, separator...), packet...)
}

// units is the length of text in JavaScript.
func units(text []byte) (n int) {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		n += width(r)
	}
	return n
}

func width(r rune) int {
	if r > 0xffff {
		return 2
	}
	return 1
}

// eachPacket hands the packets of a payload, at most so many, to yield, until it
// returns false. A single one comes without a length.
func eachPacket(payload []byte, most int, yield func(packet []byte) bool) error {
	if !utf8.Valid(payload) {
		return malformed("payload is not UTF-8")
	}
	if len(payload) > 0 && !bytes.HasPrefix(payload, []byte(separator)) {
		yield(payload)
		return nil
	}
	for count := 0; len(payload) > 0; count++ {
		if count == most {
			return malformed("too many packets in a payload")
		}
		packet, rest, err := cutPacket(payload)
		if err != nil {
			return err
		}
		if !yield(packet) {
			return nil
		}
		payload = rest
	}
	return nil
}

func cutPacket(payload []byte) (packet, rest []byte, err error) {
	payload, begins := bytes.CutPrefix(payload, []byte(separator))
	digits, rest, ends := bytes.Cut(payload, []byte(separator))
	if !begins || !ends || len(digits) > maxLengthBytes || strings.HasPrefix(string(digits), "+") {
		return nil, nil, malformed("payload without lengths")
	}
	n, err := strconv.Atoi(string(digits))
	if err != nil || n < 0 {
		return nil, nil, malformed("payload without lengths")
	}
	at := 0
	for n > 0 && at < len(rest) {
		r, size := utf8.DecodeRune(rest[at:])
		at += size
		n -= width(r)
	}
	if n != 0 {
		return nil, nil, malformed("payload cut short")
	}
	return rest[:at], rest[at:], nil
}
