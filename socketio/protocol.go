package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// protocol writes the packets of one namespace, with Engine.IO's packet type
// in front: a broadcast is then one WebSocket frame for all its receivers.
type protocol struct {
	nsp     string
	offsets bool // events end with their offset: the client may recover
	most    int  // attachments of one packet; zero means maxAttachments
}

// Name implements [wire.Protocol].
func (protocol) Name() string { return "socketio" }

// Codec implements [wire.Protocol].
func (p protocol) Codec() wire.Codec { return codec{p.most} }

// Binary implements [wire.Protocol].
func (protocol) Binary() bool { return false }

// Append implements [wire.Protocol].
func (p protocol) Append(dst []byte, m *wire.Message) ([]byte, error) {
	switch m.Kind {
	case wire.Call:
		if err := callable(m); err != nil {
			return dst, err
		}
		dst = p.appendEvent(grow(dst, m, 16+len(p.nsp)), len(m.Args.Attachments), m.ID, m.Name, m.Args.Values)
		if p.offsets && m.Offset != "" && m.ID == "" {
			dst = append(dst[:len(dst)-1], ',')
			dst = append(rawjson.AppendString(dst, m.Offset), ']')
		}
		return dst, nil
	case wire.Result:
		return p.appendResult(dst, m), nil
	case wire.Close:
		// A client that is told to disconnect stays away. One that may come
		// back is told nothing: it comes when the connection closes.
		if m.Bye.Reconnect {
			return dst, nil
		}
		return p.appendHead(dst, packetDisconnect, 0, ""), nil
	}
	return dst, nil
}

// callable tells why a call cannot be made, if so.
func callable(m *wire.Message) error {
	if len(m.Streams) > 0 {
		return errors.New("socketio: a call brings no streams")
	}
	if isReserved(m.Name) {
		return fmt.Errorf("socketio: the event name %q is reserved", m.Name)
	}
	return nil
}

// grow makes room for m, so that it is written without moving. What stands around
// names, IDs and values takes so many bytes more.
func grow(dst []byte, m *wire.Message, more int) []byte {
	return slices.Grow(dst, more+len(m.ID)+len(m.Name)+len(m.Offset)+m.Args.Size()+len(m.Args.Values))
}

// appendHead writes what stands before the JSON. "/" is never written.
func (p protocol) appendHead(dst []byte, kind byte, attachments int, id string) []byte {
	if attachments > 0 {
		dst = append(dst, message, kind+(packetBinaryEvent-packetEvent))
		dst = append(strconv.AppendInt(dst, int64(attachments), 10), '-')
	} else {
		dst = append(dst, message, kind)
	}
	if p.nsp != "/" {
		dst = append(dst, p.nsp...)
		dst = append(dst, ',')
	}
	return append(dst, id...)
}

func (p protocol) appendEvent(dst []byte, attachments int, id, name string, args [][]byte) []byte {
	dst = append(p.appendHead(dst, packetEvent, attachments, id), '[')
	dst = rawjson.AppendString(dst, name)
	for _, v := range args {
		dst = append(append(dst, ','), v...)
	}
	return append(dst, ']')
}

func (p protocol) appendAck(dst []byte, attachments int, id string, args ...[]byte) []byte {
	dst = append(p.appendHead(dst, packetAck, attachments, id), '[')
	for i, v := range args {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, v...)
	}
	return append(dst, ']')
}

func (p protocol) appendResult(dst []byte, m *wire.Message) []byte {
	switch {
	case m.Err == nil && m.ID == "":
		return dst
	case m.Err == nil:
		return p.appendAck(grow(dst, m, 16+len(p.nsp)), len(m.Args.Attachments), m.ID, m.Args.Values...)
	}
	f := failure[json.RawMessage]{Code: m.Err.Code, Message: m.Err.Message, Data: m.Err.Data}
	if m.ID == "" {
		f.Event = m.Name
		return p.appendEvent(dst, 0, "", "error", [][]byte{appendJSON(nil, f)})
	}
	return p.appendAck(dst, 0, m.ID, appendJSON(nil, failedAck[json.RawMessage]{&f}))
}

// Parse implements [wire.Protocol]. A packet with attachments is no whole
// message of the transport: see [assembler].
func (p protocol) Parse(data []byte, m *wire.Message) error {
	packet := packet{nsp: p.nsp}
	if _, err := packet.head(data, 0); err != nil {
		return err
	}
	return packet.message(m)
}

// readFailure recognises our own form of a failed ack, which may come from
// either side; nil when it is anything else.
func readFailure(data []byte) *wire.Error {
	if len(data) == 0 || data[0] != '{' {
		return nil
	}
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
