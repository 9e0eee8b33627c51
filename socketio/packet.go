package socketio

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// The types of packet (Socket.IO protocol 5, "Packet types"). Each travels in
// a message of Engine.IO, whose own type, 4, comes first.
const (
	packetConnect      = '0'
	packetDisconnect   = '1'
	packetEvent        = '2'
	packetAck          = '3'
	packetConnectError = '4'
	packetBinaryEvent  = '5'
	packetBinaryAck    = '6'
)

const (
	message      = '4'       // the Engine.IO packet that carries all of these
	maxNamespace = 256       // bytes of a namespace's name
	maxID        = 1<<53 - 1 // of an ack: beyond it JavaScript cannot count
	maxArguments = 4096      // of one event or ack
)

// packet is one packet of Socket.IO: a type, [namespace and comma], [ack id],
// [JSON].
type packet struct {
	kind    byte
	nsp     string // "/" when none was written
	id      string // of an ack; empty for none
	payload []byte
}

func malformed(what string) error {
	return fmt.Errorf("socketio: %s: %w", what, wire.ErrProtocol)
}

// parsePacket reads a packet and checks that its payload is of its kind.
func parsePacket(data []byte) (p packet, err error) {
	if len(data) < 2 || data[0] != message || data[1] < packetConnect || data[1] > packetBinaryAck {
		return p, malformed("unknown packet type")
	}
	p.kind = data[1]
	if p.kind >= packetBinaryEvent {
		return p, malformed("binary attachments are not taken yet")
	}
	if p.nsp, data, err = cutNamespace(data[2:]); err != nil {
		return p, err
	}
	if p.id, p.payload, err = cutID(data); err != nil {
		return p, err
	}
	if !p.fits() {
		return p, malformed("invalid payload")
	}
	return p, nil
}

// cutNamespace takes the namespace off. At the end, its comma may be missing.
func cutNamespace(data []byte) (nsp string, rest []byte, err error) {
	if len(data) == 0 || data[0] != '/' {
		return "/", data, nil
	}
	name, rest, _ := bytes.Cut(data, []byte{','})
	if len(name) > maxNamespace {
		return "", nil, malformed("namespace too long")
	}
	return string(name), rest, nil
}

// cutID takes the ack id off: digits only.
func cutID(data []byte) (id string, rest []byte, err error) {
	n := 0
	for n < len(data) && '0' <= data[n] && data[n] <= '9' {
		n++
	}
	if n == 0 {
		return "", data, nil
	}
	v, err := strconv.ParseUint(string(data[:n]), 10, 64)
	if err != nil || v > maxID {
		return "", nil, malformed("ack id too large")
	}
	return strconv.FormatUint(v, 10), data[n:], nil
}

// fits tells whether the payload is one that the packet's type may have. The
// elements of arrays are looked at later.
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

// splitArray cuts a JSON array into its elements.
func splitArray(data []byte) ([][]byte, error) {
	if rawjson.Check(data) != nil || rawjson.Kind(data) != '[' {
		return nil, malformed("payload is not a JSON array")
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
