package plain

import (
	"errors"
	"net/http"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// link joins a pipe to its session.
type link struct {
	session *parley.Session // fixed before the first message; nil when the hub took none
	forget  func()          // takes the session's token out of the table; nil for nothing
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
	if l.forget != nil {
		l.forget()
	}
	if errors.Is(err, transport.ErrIdle) {
		err = parley.ErrIdle
	}
	if l.session != nil {
		l.session.Closed(err)
	}
}

// refusal words the error of an OnConnect: the client is shown the door before
// it was let in.
func refusal(e *wire.Error) []byte {
	return appendClose(nil, wire.Goodbye{Code: 1008, Reason: e.Message})
}

// serveWebSocket is a connection over one WebSocket.
func (e *endpoint) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	pipe, err := e.sockets.WebSocket(w, r)
	if err != nil {
		return // the request has been answered
	}
	l := &link{}
	if l.session, err = e.hub.NewSession(r, pipe, nil); err != nil {
		pipe.Refuse(1001, "server shutting down")
		return
	}
	l.session.Open(&parley.Opening{
		Protocol:   protocol{},
		Welcome:    appendOpen(nil, l.session.ID(), ""),
		Refusal:    refusal,
		PingPipe:   pipe.Pings(),
		CallPrefix: "s",
	})
	pipe.Start(l)
}

// posted is a pipe that POSTs bring messages to.
type posted interface {
	wire.Pipe
	Receive(data []byte, binary bool) error
}

// serveEvents is a connection over an event stream; r is its GET.
func (e *endpoint) serveEvents(w http.ResponseWriter, r *http.Request) {
	l := &link{}
	pipe := transport.NewEventStream(l, &e.http)
	// Nobody answers a comment, so that silence says nothing.
	if e.open(w, r, l, pipe, parley.Opening{PingPipe: true, IdleTimeout: -1}) {
		pipe.Serve(w, r)
	}
}

// openPoll begins a connection over polls; r is the first.
func (e *endpoint) openPoll(w http.ResponseWriter, r *http.Request) {
	l := &link{}
	pipe := transport.NewPoll(l, &transport.PollOptions{
		Wait:         e.o.PollWait,
		Idle:         e.o.PollIdle,
		WriteTimeout: e.o.WriteTimeout,
		CloseTimeout: e.o.CloseTimeout,
		Write:        writeBatch,
		Replace:      true, // the client may have lost its last poll before we do
	})
	if e.open(w, r, l, pipe, parley.Opening{KeepAlive: -1, IdleTimeout: -1}) {
		pipe.Serve(w, r)
	}
}

// open begins a session whose client sends by POST. On false it has answered r
// with an error.
func (e *endpoint) open(w http.ResponseWriter, r *http.Request, l *link, pipe posted, o parley.Opening) bool {
	token, err := e.sessions.Add(pipe)
	if err != nil {
		pipe.CloseNow()
		unavailable(w, wire.CodeBusy, "too many sessions")
		return false
	}
	l.forget = func() { e.sessions.Remove(token) }
	if l.session, err = e.hub.NewSession(r, pipe, nil); err != nil {
		pipe.CloseNow()
		unavailable(w, "shutdown", "the server is shutting down")
		return false
	}
	o.Protocol, o.CallPrefix = protocol{}, "s"
	o.Welcome, o.Refusal = appendOpen(nil, l.session.ID(), token), refusal
	l.session.Open(&o)
	return true
}

// writeBatch answers a poll with a JSON array of messages.
func writeBatch(w http.ResponseWriter, _ *http.Request, batch []*wire.Encoded, _ bool) error {
	writeHeader(w, http.StatusOK, jsonType)
	buf := []byte{'['}
	for i, e := range batch {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, e.Data...)
	}
	_, err := w.Write(append(buf, ']', '\n'))
	return err
}
