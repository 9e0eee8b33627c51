package signalr

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// serves tells whether the endpoint has a transport, or answers that it has
// not.
func (e *endpoint) serves(w http.ResponseWriter, kind Transports) bool {
	if e.o.Transports.has(kind) {
		return true
	}
	answer(w, http.StatusNotFound, kind.String()+" transport not supported by this end point type")
	return false
}

// serveWebSocket is the WebSocket of the connection that was negotiated, or,
// without an id, of one that skipped that.
func (e *endpoint) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	c := &connection{endpoint: e}
	if query(r, "id") != "" {
		c = e.find(w, r)
	}
	if c == nil || !e.serves(w, WebSockets) {
		return
	}
	first, status, why := c.claim(WebSockets)
	if status != 0 {
		answer(w, status, why)
		return
	}
	if !first {
		e.resume(w, r, c)
		return
	}
	socket, err := e.sockets.WebSocket(w, r)
	if err != nil {
		c.end()
		return // the request has been answered
	}
	pipe := c.pipe(socket)
	if c.attach(r, pipe) != nil {
		socket.Refuse(1000, "")
		return
	}
	if c.resume == nil {
		socket.Start(c)
		return
	}
	if !c.resume.attach(socket) {
		socket.Refuse(1000, "")
	}
}

// pipe is what the session of a connection stands on: the socket, or what may
// outlive it.
func (c *connection) pipe(socket wire.Pipe) wire.Pipe {
	if !c.stateful {
		return socket
	}
	o := &c.endpoint.o
	c.resume = newResumable(c, o.StatefulReconnectBuffer, c.endpoint.budget, o.DisconnectTimeout)
	return c.resume
}

// resume goes on with a connection whose WebSocket was lost, or is about to be.
func (e *endpoint) resume(w http.ResponseWriter, r *http.Request, c *connection) {
	if e.again != nil && !e.again(w, r, c) {
		return
	}
	socket, err := e.sockets.WebSocket(w, r)
	if err != nil {
		return // the request has been answered
	}
	if !c.resume.attach(socket) {
		socket.Refuse(1000, "")
	}
}

// serveEvents is the event stream of a connection.
func (e *endpoint) serveEvents(w http.ResponseWriter, r *http.Request) {
	c := e.find(w, r)
	if c == nil || !e.serves(w, ServerSentEvents) {
		return
	}
	if _, status, why := c.claim(ServerSentEvents); status != 0 {
		answer(w, status, why)
		return
	}
	pipe := transport.NewEventStream(c, &e.http)
	if e.begin(w, r, c, pipe) {
		pipe.Serve(w, r)
	}
}

// eventHeader is the header of an event stream.
func eventHeader() http.Header {
	return http.Header{
		"Content-Type":      {"text/event-stream"},
		"Cache-Control":     {"no-cache,no-store"},
		"Pragma":            {"no-cache"},
		"Content-Encoding":  {"identity"},
		"X-Accel-Buffering": {"no"}, // nginx must not wait for more
	}
}

// begin attaches a pipe that is made of requests. On false it has answered r.
func (e *endpoint) begin(w http.ResponseWriter, r *http.Request, c *connection, pipe poster) bool {
	if pipe.Do(func() error { return c.attach(r, pipe) }) == nil {
		return true
	}
	pipe.CloseNow()
	w.Header().Set("Retry-After", "5")
	answer(w, http.StatusServiceUnavailable, "The server is shutting down.")
	return false
}

// servePoll is a poll. The first begins the connection and is answered at
// once.
func (e *endpoint) servePoll(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
	c := e.find(w, r)
	if c == nil || !e.serves(w, LongPolling) {
		return
	}
	first, status, why := c.claim(LongPolling)
	if status != 0 {
		answer(w, status, why)
		return
	}
	if first {
		if e.begin(w, r, c, transport.NewPoll(c, &e.polls)) {
			writePiece(w, "application/octet-stream", nil)
		}
		return
	}
	if e.again != nil && !e.again(w, r, c) {
		return
	}
	_, pipe := c.transport()
	polls, ok := pipe.(*transport.Poll)
	if !ok || errors.Is(polls.Serve(w, r), transport.ErrGone) { // another error is that of the client's connection
		answer(w, http.StatusNotFound, "")
	}
}

// writePoll answers a poll with all that waits, or, when nothing came in time,
// with nothing. That there will be nothing any more is said by 204.
func writePoll(w http.ResponseWriter, _ *http.Request, batch []*wire.Encoded, last bool) error {
	if last {
		endPoll(w)
		return nil
	}
	if len(batch) == 0 {
		return writePiece(w, "text/plain", nil)
	}
	var data []byte
	for _, e := range batch {
		data = append(data, e.Data...)
	}
	return writePiece(w, "application/octet-stream", data)
}

// writePiece answers a poll. It flushes, in order to know whether the client is
// there.
func writePiece(w http.ResponseWriter, contentType string, data []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(data); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

// endPoll tells a client not to poll again: all is over, or another poll is
// there.
func endPoll(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusNoContent)
}

// endPolling is the goodbye of a client that polls.
func (e *endpoint) endPolling(w http.ResponseWriter, r *http.Request) {
	c := e.find(w, r)
	if c == nil {
		return
	}
	if kind, _ := c.transport(); kind != LongPolling {
		answer(w, http.StatusBadRequest, "Cannot terminate this connection using the DELETE endpoint.")
		return
	}
	c.finish()
	answer(w, http.StatusAccepted, "")
}
