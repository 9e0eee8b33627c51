package socketio

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/parley-go/parley/wire"
)

// words are how the packets of one namespace are written: [protocol] or
// [packed]. The connections of a namespace best share a pointer to a value,
// which is compared faster than what it points to. Beside the messages of a
// session there are those before and after it; revision is Engine.IO's
// protocol, 3 or 4.
type words interface {
	wire.Protocol

	// connect is a client's CONNECT, with nil or what is an object in JSON.
	connect(payload any) ([]byte, error)

	// connected lets a client in. Revision 3 is not told the IDs.
	connected(revision int, sid, pid string) []byte

	// refused shows a client the door, to which revision 3 gets the error's
	// data or else its message, and nothing around it.
	refused(revision int, e *wire.Error) []byte

	// unknown says that there is no such namespace.
	unknown() []byte

	// disconnected ends the presence in the namespace.
	disconnected() []byte
}

// welcome is the payload of the answer to a CONNECT.
type welcome struct {
	SID string `json:"sid"`
	PID string `json:"pid,omitempty"` // the client's secret, with which it recovers the session
}

// denial is the payload of a CONNECT_ERROR, in this order: a public suite
// compares the text. R is a value as the codec writes it.
type denial[R ~[]byte] struct {
	Message string `json:"message"`
	Data    R      `json:"data,omitempty"`
}

const unknownNamespace = "Invalid namespace"

var errAuth = errors.New("socketio: auth must be an object in JSON")

// failure is how an error travels: Socket.IO has no form of its own for one.
type failure[R ~[]byte] struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Event   string `json:"event,omitempty"`
	Data    R      `json:"data,omitempty"`
}

type failedAck[R ~[]byte] struct {
	Error *failure[R] `json:"error"`
}

// connect implements [words].
func (p protocol) connect(payload any) ([]byte, error) {
	b := p.appendHead(nil, packetConnect, 0, "")
	if payload == nil {
		return b, nil
	}
	a, err := wire.JSON.Marshal(payload)
	if err != nil {
		return nil, err
	}
	if !isObject(a.Values[0]) {
		return nil, errAuth
	}
	return append(b, a.Values[0]...), nil
}

// connected implements [words].
func (p protocol) connected(revision int, sid, pid string) []byte {
	b := p.appendHead(nil, packetConnect, 0, "")
	if revision < 4 {
		return b
	}
	return appendJSON(b, welcome{sid, pid})
}

// refused implements [words].
func (p protocol) refused(revision int, e *wire.Error) []byte {
	b := p.appendHead(nil, packetConnectError, 0, "")
	switch {
	case revision >= 4:
		return appendJSON(b, denial[json.RawMessage]{e.Message, e.Data})
	case len(e.Data) > 0 && bytes.IndexByte([]byte(`"{[`), e.Data[0]) >= 0: // their parser takes nothing else
		return append(b, e.Data...)
	}
	return appendJSON(b, e.Message)
}

// unknown implements [words].
func (p protocol) unknown() []byte {
	return appendJSON(p.appendHead(nil, packetConnectError, 0, ""), denial[json.RawMessage]{Message: unknownNamespace})
}

// disconnected implements [words].
func (p protocol) disconnected() []byte { return p.appendHead(nil, packetDisconnect, 0, "") }

// appendJSON writes v, which is made of strings, numbers and valid JSON.
func appendJSON(dst []byte, v any) []byte {
	a, err := wire.JSON.Marshal(v)
	if err != nil {
		return append(dst, "null"...)
	}
	return append(dst, a.Values[0]...)
}
