package protocol1

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// protocol writes the packets of one endpoint.
type protocol struct{ endpoint string }

// Name implements [wire.Protocol].
func (protocol) Name() string { return "socketio-0.9" }

// Codec implements [wire.Protocol]: bytes are base64.
func (protocol) Codec() wire.Codec { return wire.JSON }

// Binary implements [wire.Protocol].
func (protocol) Binary() bool { return false }

// Append implements [wire.Protocol].
func (p protocol) Append(dst []byte, m *wire.Message) ([]byte, error) {
	switch m.Kind {
	case wire.Call:
		return p.appendCall(dst, m)
	case wire.Result:
		return p.appendResult(dst, m), nil
	case wire.Ping:
		return append(dst, heartbeat...), nil
	case wire.Close:
		// Who is told to disconnect stays away. Who may come back is told nothing,
		// and comes when the connection closes.
		if m.Bye.Reconnect {
			return dst, nil
		}
		return p.appendHead(dst, packetDisconnect, ""), nil
	}
	return dst, nil
}

// appendHead writes what stands before the data.
func (p protocol) appendHead(dst []byte, kind byte, id string) []byte {
	dst = append(append(dst, kind, ':'), id...)
	return append(append(dst, ':'), p.endpoint...)
}

func (p protocol) appendCall(dst []byte, m *wire.Message) ([]byte, error) {
	if len(m.Streams) > 0 {
		return dst, errors.New("socketio: a call brings no streams")
	}
	if isReserved(m.Name) {
		return dst, fmt.Errorf("socketio: the event name %q is reserved", m.Name)
	}
	id := m.ID
	if id != "" {
		id += "+"
	}
	if m.Name == messageName && len(m.Args.Values) == 1 {
		return p.appendMessage(dst, id, m.Args.Values[0]), nil
	}
	return p.appendEvent(dst, id, m.Name, m.Args.Values), nil
}

// appendMessage writes what raises the event "message": text as it is, anything
// else in JSON.
func (p protocol) appendMessage(dst []byte, id string, value []byte) []byte {
	if text, ok := rawjson.String(value); ok {
		return append(append(p.appendHead(dst, packetMessage, id), ':'), text...)
	}
	return append(append(p.appendHead(dst, packetJSON, id), ':'), value...)
}

func (p protocol) appendEvent(dst []byte, id, name string, args [][]byte) []byte {
	dst = append(p.appendHead(dst, packetEvent, id), `:{"name":`...)
	dst = wire.AppendJSONString(dst, name)
	if len(args) > 0 {
		dst = appendArray(append(dst, `,"args":`...), args)
	}
	return append(dst, '}')
}

func appendArray(dst []byte, values [][]byte) []byte {
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, v...)
	}
	return append(dst, ']')
}

// failure is how an error travels: the protocol has no form of its own for one.
// It is that of package socketio.
type failure struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Event   string          `json:"event,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// appendResult writes the ack of a call that wants one. The failure of any other
// is an event "error".
func (p protocol) appendResult(dst []byte, m *wire.Message) []byte {
	if m.Err == nil {
		if m.ID == "" {
			return dst
		}
		return p.appendAck(dst, m.ID, m.Args.Values)
	}
	f := failure{Code: m.Err.Code, Message: m.Err.Message, Data: m.Err.Data}
	if m.ID == "" {
		f.Event = m.Name
		return p.appendEvent(dst, "", "error", [][]byte{encode(f)})
	}
	return p.appendAck(dst, m.ID, [][]byte{encode(map[string]failure{"error": f})})
}

func (p protocol) appendAck(dst []byte, id string, args [][]byte) []byte {
	dst = append(append(p.appendHead(dst, packetAck, ""), ':'), id...)
	if len(args) == 0 {
		return dst
	}
	return appendArray(append(dst, '+'), args)
}

// encode writes v, which is made of strings and valid JSON.
func encode(v any) []byte {
	a, err := wire.JSON.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return a.Values[0]
}

// welcome tells a client that it is in.
func (p protocol) welcome() []byte { return p.appendHead(nil, packetConnect, "") }

// refusal tells a client that it is not let in: the protocol has one word for all
// reasons, which is an event "connect_failed" to it. For the main namespace it is
// two packets, of which the second keeps the client from trying again.
func (p protocol) refusal() []byte {
	no := append(p.appendHead(nil, packetError, ""), ":"+unauthorized...)
	if p.endpoint != "" {
		return no
	}
	return appendPayload(appendPayload(nil, no), p.appendHead(nil, packetDisconnect, ""))
}

// Parse implements [wire.Protocol].
func (p protocol) Parse(data []byte, m *wire.Message) error {
	packet, err := parsePacket(data)
	if err != nil {
		return err
	}
	return packet.message(m)
}
