package signalr

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// serve begins the session of a connection.
func (h *hubEndpoint) serve(c *connection, r *http.Request, pipe wire.Pipe) (receiver, error) {
	l := &link{hub: h, shaking: &records{limit: h.o.MaxMessageBytes}}
	var err error
	l.session, err = h.hub.NewSession(r, pipe, &parley.SessionOptions{
		ID:               c.id,
		HandshakeTimeout: h.o.HandshakeTimeout,
		Late:             h.late,
	})
	if l.resume = c.resume; l.resume != nil {
		l.resume.session, l.resume.rewind = l.session, l.rewind
	}
	if err == nil && h.endpoint.again != nil {
		l.proof = &credentials{until: parley.ExpiryOf(r.Context())}
		h.limit(l)
	}
	return l, err
}

// link joins a connection to its session: it takes the handshake, and then cuts
// the stream into messages.
type link struct {
	// fixed before the first message
	hub     *hubEndpoint
	session *parley.Session
	resume  *resumable   // nil: the connection ends with its transport
	proof   *credentials // nil unless they end, or may be renewed

	// owned by the reading loop
	shaking *records // cuts the handshake off; nil when that is done
	dialect dialect  // what the client has chosen
	records splitter
	done    bool // nothing more is wanted
}

// Receive implements [wire.Receiver]. Text and binary frames are the same to
// it.
func (l *link) Receive(data []byte, _ bool) {
	if l.shaking != nil && !l.done {
		data = l.shake(data)
	}
	for len(data) > 0 && !l.done {
		record, rest, err := l.records.next(data)
		if err != nil {
			l.broken(err)
		}
		if record == nil {
			return
		}
		l.record(record)
		data = rest
	}
}

// Take implements [wire.Receiver].
func (l *link) Take(batch []*wire.Encoded) []*wire.Encoded { return l.session.Take(batch) }

// Heard implements [wire.Receiver].
func (l *link) Heard() { l.session.Heard() }

// over implements [receiver].
func (l *link) over() bool { return l.done }

// Closed implements [wire.Receiver].
func (l *link) Closed(err error) {
	if err == nil && l.records != nil && l.records.rest() {
		err = failed(errors.New(cutShort()))
	}
	l.session.Closed(err)
}

// record takes one message.
func (l *link) record(record []byte) {
	m := messages.Get().(*message)
	defer m.free()
	if err := l.dialect.parse(record, m); err != nil {
		l.broken(err)
		return
	}
	if !l.admits(m) {
		return
	}
	l.done = m.Kind == wire.Close
	l.session.Receive(&m.Message)
}

// admits tells whether the session is to see a message.
func (l *link) admits(m *message) bool {
	if l.resume == nil {
		return true
	}
	seen, err := l.resume.admit(m)
	if err != nil {
		l.broken(err)
	}
	return seen && err == nil
}

// rewind forgets what was read of a message that will not be read to its end.
func (l *link) rewind() { l.records = l.dialect.splitter(l.hub.o.MaxMessageBytes) }

var messages = sync.Pool{New: func() any { return new(message) }}

// free lets another record use m, and its room for arguments.
func (m *message) free() {
	values := m.Args.Values
	*m = message{}
	if cap(values) <= 16 {
		clear(values)
		m.Args.Values = values[:0]
	}
	messages.Put(m)
}

// shake takes the handshake request, which is JSON whatever it asks for
// (SignalR hub protocol, "Handshake"), and returns what is behind it.
func (l *link) shake(data []byte) (rest []byte) {
	request, rest, err := l.shaking.next(data)
	if err != nil {
		l.refuse(handshakeCanceled, err)
		return nil
	}
	if request == nil {
		return nil
	}
	d, version, refusal, err := l.hub.checkHandshake(request, l.session.Conn().Transport())
	if err != nil {
		l.refuse(refusal, err)
		return nil
	}
	l.shaking, l.dialect, l.records = nil, d, d.splitter(l.hub.o.MaxMessageBytes)
	l.open(version)
	return rest
}

// open begins the session.
func (l *link) open(version int) {
	resumes := l.resume != nil && version >= resumableVersion
	if resumes {
		l.resume.enable(l.dialect, false)
	}
	l.session.Open(l.hub.openings[manners{l.dialect, l.session.Conn().Transport() == "polling", resumes}])
}

// newestVersion is that of the hub protocol. resumableVersion is 1 with
// stateful reconnect, where that was negotiated.
const (
	newestVersion    = 2
	resumableVersion = 2
)

// checkHandshake returns the hub protocol that a request asks for, or the
// sentence for the client when there is something wrong with it.
func (h *hubEndpoint) checkHandshake(request []byte, transport string) (d dialect, version int, refusal string, err error) {
	name, version, err := readHandshake(request)
	if err != nil {
		return nil, 0, h.words.hidden(handshakeFailed, invalidData, err.Error()), err
	}
	i := slices.IndexFunc(h.dialects, func(d dialect) bool { return strings.EqualFold(d.Name(), name) })
	switch {
	case i < 0:
		refusal = fmt.Sprintf("The protocol '%s' is not supported.", name)
	case version > newestVersion:
		refusal = fmt.Sprintf("The server does not support version %d of the '%s' protocol.", version, name)
	case h.dialects[i].Binary() && transport == "sse":
		refusal = fmt.Sprintf("Cannot use the '%s' protocol on the current transport. The transport does not support 'Binary' transfer format.", name)
	default:
		return h.dialects[i], version, "", nil
	}
	return nil, 0, refusal, errors.New(refusal)
}

func readHandshake(request []byte) (name string, version int, err error) {
	var f fields
	if err := f.read(request); err != nil {
		return "", 0, err
	}
	if f.protocol == nil {
		return "", 0, missing("protocol")
	}
	if name, err = text("protocol", f.protocol); err != nil {
		return "", 0, err
	}
	version, err = number("version", f.version)
	return name, version, err
}

func (l *link) refuse(said string, err error) {
	l.done = true
	l.session.Refuse(handshakeError(said), wire.Goodbye{Code: 1008, Failed: true}, failed(err))
}

// broken ends a connection whose client broke the protocol. It may come back,
// as from any failure but that of OnConnect.
func (l *link) broken(err error) {
	l.done = true
	l.session.Fail(wire.Goodbye{Code: 1002, Reason: err.Error(), Failed: true, Reconnect: true}, failed(err))
}
