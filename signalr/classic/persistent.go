package classic

import (
	"fmt"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// Message is the name under which a hub mounted with [MountPersistent] hears what
// its clients send, and sends what they receive. Its handler gets one argument, a
// string: the text as the client sent it, which is JSON for all but strings. An
// event of that name has one value, which may be any; events of other names, and
// answers, do not reach such clients.
//
//	hub.Handle(classic.Message, parley.Func(func(ctx context.Context, c *parley.Conn, text string) error {
//		return hub.Send(ctx, classic.Message, text) // OnReceived, Connection.Broadcast
//	}))
const Message = "message"

// rawProtocol is that of a PersistentConnection: values as elements of M.
type rawProtocol struct{ names JSONNames }

// Name implements [wire.Protocol].
func (rawProtocol) Name() string { return "classic persistent" }

// Codec implements [wire.Protocol].
func (p rawProtocol) Codec() wire.Codec { return p.names.codec() }

// Binary implements [wire.Protocol].
func (rawProtocol) Binary() bool { return false }

// Append implements [wire.Protocol].
func (rawProtocol) Append(dst []byte, m *wire.Message) ([]byte, error) {
	switch {
	case m.Kind == wire.Close:
		return appendBye(dst, m), nil
	case m.Kind != wire.Call || m.ID != "" || m.Name != Message:
		return dst, nil
	case len(m.Args.Values) != 1:
		return dst, fmt.Errorf("classic: what a persistent connection sends is one value, not %d", len(m.Args.Values))
	}
	return append(dst, m.Args.Values[0]...), nil
}

// Parse implements [wire.Protocol].
func (p rawProtocol) Parse(data []byte, m *wire.Message) error {
	p.message(data, m)
	return nil
}

// message makes of what a client sends what a session receives.
func (rawProtocol) message(data []byte, m *wire.Message) {
	m.Kind, m.Name = wire.Call, Message
	m.Args.Values = [][]byte{rawjson.AppendString(make([]byte, 0, len(data)+2), string(data))}
}
