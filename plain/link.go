package plain

import (
	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// link joins a pipe to its session.
type link struct {
	session *parley.Session // fixed before the first message; nil when the hub took none
}

// Receive implements [wire.Receiver].
func (l *link) Receive(data []byte, binary bool) {
	if binary {
		l.session.Fail(wire.Goodbye{Code: 1003, Reason: "messages are text", Failed: true}, parley.ErrProtocol)
		return
	}
	l.session.ReceiveData(data)
}

// Take implements [wire.Receiver].
func (l *link) Take(batch []*wire.Encoded) []*wire.Encoded { return l.session.Take(batch) }

// Heard implements [wire.Receiver].
func (l *link) Heard() { l.session.Heard() }

// Closed implements [wire.Receiver].
func (l *link) Closed(err error) {
	if l.session != nil {
		l.session.Closed(err)
	}
}

// refusal words the error of an OnConnect: the client is shown the door before
// it was let in.
func refusal(e *wire.Error) []byte {
	return appendClose(nil, wire.Goodbye{Code: 1008, Reason: e.Message})
}
