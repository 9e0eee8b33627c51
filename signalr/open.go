package signalr

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// connect serves a WebSocket: of the connection that was negotiated, or,
// without an id, of one that skipped that.
func (e *endpoint) connect(w http.ResponseWriter, r *http.Request) {
	id, token := "", query(r, "id")
	if token != "" {
		public, known, free := e.table.attach(token)
		if !known {
			answer(w, http.StatusNotFound, unknownID)
			return
		}
		if !free {
			answer(w, http.StatusConflict, "")
			return
		}
		id = public
	}
	pipe, err := e.sockets.WebSocket(w, r)
	if err != nil {
		e.table.remove(token)
		return // the request has been answered
	}
	e.start(r, pipe, id, token)
}

// start begins to serve one connection.
func (e *endpoint) start(r *http.Request, pipe *transport.WebSocket, id, token string) {
	l := &link{endpoint: e, token: token, records: records{limit: e.o.MaxMessageBytes}}
	var err error
	l.session, err = e.hub.NewSession(r, pipe, &parley.SessionOptions{
		ID:               id,
		HandshakeTimeout: e.o.HandshakeTimeout,
		Late:             handshakeError(handshakeCanceled),
	})
	if err != nil {
		e.table.remove(token)
		pipe.Refuse(1000, "")
		return
	}
	pipe.Start(l)
}

// link joins a WebSocket to its session: it cuts the stream into messages and
// takes the first of them as the handshake.
type link struct {
	// fixed before the first message
	endpoint *endpoint
	session  *parley.Session
	token    string // of the negotiation; empty: there was none

	// owned by the reading loop
	records records
	open    bool // the handshake is done
	over    bool // nothing more is wanted
}

// Receive implements [wire.Receiver]. Text and binary frames are the same to
// it.
func (l *link) Receive(data []byte, _ bool) {
	if l.over {
		return
	}
	if err := l.records.add(data, l.record); err != nil {
		l.tooLong(err)
	}
}

// Take implements [wire.Receiver].
func (l *link) Take(batch []*wire.Encoded) []*wire.Encoded { return l.session.Take(batch) }

// Heard implements [wire.Receiver].
func (l *link) Heard() { l.session.Heard() }

// Closed implements [wire.Receiver].
func (l *link) Closed(err error) {
	l.endpoint.table.remove(l.token)
	l.session.Closed(err)
}

// record takes one message and tells whether the next is wanted.
func (l *link) record(record []byte) bool {
	if !l.open {
		l.shake(record)
		return !l.over
	}
	var m message
	if err := l.endpoint.protocol.parse(record, &m); err != nil {
		l.broken(err)
		return false
	}
	if n := len(m.Streams); n > 0 {
		l.refuseUpload(&m.Message, n)
		return true
	}
	l.over = m.Kind == wire.Close
	l.session.Receive(&m.Message)
	return !l.over
}

// shake takes the handshake request (SignalR hub protocol, "Handshake").
func (l *link) shake(record []byte) {
	refusal, err := l.endpoint.checkHandshake(record)
	if err != nil {
		l.refuse(refusal, err)
		return
	}
	l.open = true
	o, p := &l.endpoint.o, l.endpoint.protocol
	l.session.Open(parley.Opening{
		Protocol:      p,
		Welcome:       []byte(welcome),
		Refusal:       p.refusal,
		KeepAlive:     o.KeepAlive,
		IdleTimeout:   o.ClientTimeout,
		IdleAfterPing: true,
		CallPrefix:    "s",
		FoldNames:     true,
	})
}

// newestVersion is that of the hub protocol. 2 is 1 with stateful reconnect,
// where that was negotiated.
const newestVersion = 2

// checkHandshake returns the sentence for the client when there is something
// wrong with its request.
func (e *endpoint) checkHandshake(record []byte) (refusal string, err error) {
	var f fields
	if err := f.read(record); err != nil {
		return e.malformed(err)
	}
	if f.protocol == nil {
		return e.malformed(missing("protocol"))
	}
	name, err := text("protocol", f.protocol)
	if err != nil {
		return e.malformed(err)
	}
	version, err := number("version", f.version)
	if err != nil {
		return e.malformed(err)
	}
	if !strings.EqualFold(name, e.protocol.Name()) {
		refusal = fmt.Sprintf("The protocol '%s' is not supported.", name)
		return refusal, errors.New(refusal)
	}
	if version > newestVersion {
		refusal = fmt.Sprintf("The server does not support version %d of the '%s' protocol.", version, name)
		return refusal, errors.New(refusal)
	}
	return "", nil
}

func (e *endpoint) malformed(err error) (string, error) {
	return e.protocol.hidden(handshakeFailed, "InvalidDataException", err.Error()), err
}

func (l *link) refuse(said string, err error) {
	l.over = true
	l.session.Refuse(handshakeError(said), wire.Goodbye{Code: 1008, Failed: true}, failed(err))
}

// tooLong ends a connection whose message passes the limit.
func (l *link) tooLong(err error) {
	if !l.open {
		l.refuse(handshakeCanceled, err)
		return
	}
	l.broken(err)
}

// broken ends a connection whose client broke the protocol. It may come back,
// as from any failure but that of OnConnect.
func (l *link) broken(err error) {
	l.over = true
	l.session.Fail(wire.Goodbye{Code: 1002, Reason: err.Error(), Failed: true, Reconnect: true}, failed(err))
}

// refuseUpload answers a call that brings n streams. Their items will belong to
// no call, and are ignored.
func (l *link) refuseUpload(m *wire.Message, n int) {
	data, err := l.endpoint.protocol.Append(nil, &wire.Message{Kind: wire.Result, ID: m.ID, Name: m.Name, Err: &wire.Error{
		Code: wire.CodeStreams, Message: fmt.Sprintf("Client sent %d stream(s), Hub method expects 0.", n), Hub: true}})
	if err == nil && len(data) > 0 {
		l.session.Send(&wire.Encoded{Data: data}) // fails only when the connection has ended
	}
}
