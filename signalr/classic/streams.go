package classic

import (
	"net/http"
	"strconv"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// open gives a connection a stream: /connect, /reconnect, /poll, and whatever else
// a client that has a token asks for.
func (e *endpoint) open(w http.ResponseWriter, q *request) {
	if no := e.readForm(w, q); no != nil {
		no.answer(w)
		return
	}
	if no := e.checkStream(q); no != nil {
		no.answer(w)
		return
	}
	c, f, no := e.claim(q)
	switch {
	case no != nil:
		no.answer(w)
		return
	case f != nil:
		e.turnAway(w, q, f)
		return
	}
	connects := q.verb == "connect"
	if no := c.enter(q, !connects); no != nil {
		no.answer(w)
		return
	}
	if connects && q.speaks().less(asksToStart) { // an older client takes the first message for the start
		if !c.begin(w, q) {
			return
		}
	}
	if !connects {
		c.start()
		c.deliver()
	}
	e.stream(w, q, c)
}

// checkStream refuses what cannot become a stream.
func (e *endpoint) checkStream(q *request) *refused {
	switch {
	case q.kind == WebSockets && !transport.IsWebSocket(q.Request):
		return noSocket
	case q.kind == ForeverFrame:
		if _, err := strconv.ParseUint(q.query.Get("frameId"), 10, 32); err != nil {
			return badFrame
		}
	}
	return nil
}

// stream serves the stream.
func (e *endpoint) stream(w http.ResponseWriter, q *request, c *connection) {
	l := e.newLeg(c, q)
	if q.kind != WebSockets {
		pipe := transport.NewStream(l, &e.http, e.form(q))
		l.pipe = pipe
		if e.join(w, q, l) {
			pipe.Serve(w, q.Request)
		}
		return
	}
	if no := c.checkCursor(q.param("messageId")); no != nil {
		no.answer(w)
		return
	}
	socket, err := e.sockets.WebSocket(w, q.Request)
	if err != nil {
		return // the request has been answered
	}
	l.pipe = socket
	missed, ok, err := c.attach(l, q.param("messageId"))
	switch {
	case err != nil: // what the cursor names has gone just now
		socket.Refuse(1000, "")
	case !ok:
		socket.Close(1000, "")
		socket.Start(newEpitaph(q, c.parting()))
	default:
		l.joined(q, missed)
		socket.Start(l)
	}
}

func (e *endpoint) newLeg(c *connection, q *request) *leg {
	now := e.now()
	return &leg{
		connection: c,
		kind:       q.kind,
		strict:     !q.speaks().less(redirects),
		script:     q.callback() != "",
		began:      now,
		wrote:      now,
		pinged:     now,
		greets:     q.verb == "connect",
	}
}

// join attaches a stream that is the answer to a request. On false it has answered.
func (e *endpoint) join(w http.ResponseWriter, q *request, l *leg) bool {
	missed, ok, err := l.attach(l, q.param("messageId"))
	switch {
	case err != nil:
		badCursor.answer(w)
		return false
	case !ok:
		e.turnAway(w, q, l.parting())
		return false
	}
	l.joined(q, missed)
	return true
}

// checkCursor looks at a cursor before there is a WebSocket.
func (c *connection) checkCursor(cursor string) *refused {
	position, known, err := parseCursor(cursor, c.epoch)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || known && position > c.log.Last() {
		return badCursor
	}
	return nil
}

// joined tells of a client that is back, and has it sent the token of its groups if
// it has another one.
func (l *leg) joined(q *request, missed int) {
	c := l.connection
	c.mu.Lock()
	if q.verb != "poll" { // the answer to the last poll may be lost only if it is not followed by a poll
		c.regrouped = c.regrouped || q.param("groupsToken") != c.token
	}
	list, known := c.presences, c.phase == started && c.legs > 1
	c.mu.Unlock()
	if !known || q.verb == "connect" || l.kind == LongPolling && q.verb != "reconnect" {
		return
	}
	for _, p := range list {
		p.back(missed)
	}
}

// form is how a stream that is the answer to a request is written.
func (e *endpoint) form(q *request) *transport.StreamForm {
	h := http.Header{
		"Cache-Control":     {"no-cache, no-store, no-transform"},
		"X-Accel-Buffering": {"no"}, // nginx must not wait for more
	}
	f := &transport.StreamForm{Name: names[q.kind], Header: h}
	switch q.kind {
	case ServerSentEvents:
		h.Set("Content-Type", "text/event-stream")
		f.Opening, f.Frame = []byte("data: initialized\n\n"), frameEvent
	case ForeverFrame:
		h.Set("Content-Type", "text/html; charset=UTF-8")
		f.Opening, f.Frame = framePage(q.query.Get("frameId")), frameScript
	case LongPolling:
		f.Once = true
		h.Set("Content-Type", typeJSON)
		f.Ping, f.Frame = []byte(" "), func(e *wire.Encoded) []byte { return e.Data }
		if callback := q.callback(); callback != "" {
			h.Set("Content-Type", typeScript)
			f.Ping, f.Frame = nil, frameCallback(callback)
		}
	}
	return f
}

// frameEvent writes an event. Some clients take one line for an event: what may
// stand between two values in JSON, does not break it.
func frameEvent(e *wire.Encoded) []byte {
	dst := make([]byte, 0, len(e.Data)+8)
	dst = append(append(dst, "data: "...), e.Data...)
	for i, b := range dst {
		if b == '\r' || b == '\n' {
			dst[i] = ' '
		}
	}
	return append(dst, "\n\n"...)
}

// framePage begins the page in the hidden frame: it finds the connection that its
// parent has made it for, and hands what comes to that.
func framePage(id string) []byte {
	n, _ := strconv.ParseUint(id, 10, 32) // checkStream has seen to it
	page := []byte("<!DOCTYPE html><html><head><title>SignalR</title><script>\r\n" +
		"var jq = window.parent.jQuery, t = jq && jq.signalR ? jq.signalR.transports.foreverFrame : null,\r\n" +
		"  c = t ? t.getConnection('")
	page = strconv.AppendUint(page, n, 10)
	return append(page, "') : null,\r\n"+
		"  r = t && c ? function (c, data) { t.receive(c, data); } : function () {};\r\n"+
		"if (t && c) { t.started(c); }\r\n"+
		"</script></head><body>\r\n"...)
}

func frameScript(e *wire.Encoded) []byte {
	dst := make([]byte, 0, len(e.Data)+32)
	dst = appendScript(append(dst, "<script>r(c, "...), e.Data)
	return append(dst, ");</script>\r\n"...)
}

// turnAway answers a client whose connection is over.
func (e *endpoint) turnAway(w http.ResponseWriter, q *request, f *farewell) {
	last := newEpitaph(q, f)
	if q.kind == WebSockets {
		if socket, err := e.sockets.WebSocket(w, q.Request); err == nil {
			socket.Close(1000, "")
			socket.Start(last)
		}
		return
	}
	pipe := transport.NewStream(last, &e.http, e.form(q))
	pipe.Close(1000, "")
	pipe.Serve(w, q.Request)
}

// epitaph is what stands above a stream of a connection that is over.
type epitaph struct{ words *wire.Encoded }

func newEpitaph(q *request, f *farewell) *epitaph {
	switch {
	case f.stays:
		return &epitaph{f.words(!q.speaks().less(redirects), q.callback() != "", q.kind)}
	case q.kind == LongPolling:
		return &epitaph{&wire.Encoded{Data: []byte(`{"C":"` + string(appendCursor(nil, newEpoch(), 0)) + `","M":[]}`)}}
	}
	return &epitaph{}
}

// Receive implements [wire.Receiver].
func (l *epitaph) Receive([]byte, bool) {}

// Take implements [wire.Receiver].
func (l *epitaph) Take(batch []*wire.Encoded) []*wire.Encoded {
	if l.words != nil {
		batch = append(batch, l.words)
	}
	l.words = nil
	return batch
}

// Heard implements [wire.Receiver].
func (l *epitaph) Heard() {}

// Closed implements [wire.Receiver].
func (l *epitaph) Closed(error) {}
