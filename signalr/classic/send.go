package classic

import (
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/parley-go/parley/internal/transport"
)

// readForm reads the body of a POST as a form, whatever it is said to be: some
// clients do not say it.
func (e *endpoint) readForm(w http.ResponseWriter, q *request) *refused {
	if q.Method != http.MethodPost {
		return nil
	}
	body, err := transport.ReadBody(w, q.Request, &e.posts)
	switch {
	case errors.Is(err, transport.ErrTooLarge):
		return tooLong
	case errors.Is(err, transport.ErrBodyLate):
		return &refused{http.StatusRequestTimeout, ""}
	case err != nil:
		return &refused{http.StatusBadRequest, ""}
	}
	q.form, _ = url.ParseQuery(string(body)) // as far as it can be read
	return nil
}

// send takes a message of a client whose stream brings none.
func (e *endpoint) send(w http.ResponseWriter, q *request) {
	if no := e.take(w, q); no != nil {
		no.answer(w)
		return
	}
	w.Header().Set("Content-Type", typeJSON)
	if q.callback() != "" {
		w.Header().Set("Content-Type", typeScript)
	}
	if q.parsesAll() {
		io.WriteString(w, "null") // or the client has gone
		return
	}
	w.Header().Set("Content-Length", "0")
}

// parsesAll tells whether the client takes an answer for a failure that is no JSON, the empty one
// of a POST too. It is signalr-no-jquery, which is known by a "_" in the URLs of its POSTs: jQuery
// makes only those of GETs unique. Other clients read an answer as a message, so theirs stay empty.
func (q *request) parsesAll() bool { return q.Method == http.MethodPost && q.query.Has("_") }

func (e *endpoint) take(w http.ResponseWriter, q *request) *refused {
	if no := e.readForm(w, q); no != nil {
		return no
	}
	data := q.form.Get("data")
	if !q.form.Has("data") && q.kind == LongPolling {
		data = q.query.Get("data") // as clients without CORS send
	}
	if len(data) > e.o.MaxMessageBytes {
		return tooLong
	}
	c, f, no := e.claim(q)
	if no != nil || f != nil { // in which case it has crossed the end
		return no
	}
	if c.hold([]byte(data)) {
		return nil
	}
	return c.post(q, []byte(data))
}

// post hands up a message, when the connection is not paused.
func (c *connection) post(q *request, data []byte) *refused {
	for {
		c.mu.Lock()
		resumed := c.resumed
		c.mu.Unlock()
		if resumed == nil {
			break
		}
		select {
		case <-resumed:
		case <-q.Context().Done():
			return badMessage
		}
	}
	if err := c.hear(data, nil); err != nil {
		c.endpoint.log.Debug("classic: a message was refused", "conn", c.id, "error", err)
		return badMessage
	}
	return nil
}

// hold keeps a message for a connection that this process knows nothing of: where
// its client is, that will say itself when it comes back. It tells whether there was
// reason to.
func (c *connection) hold(data []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != empty {
		return false
	}
	o := &c.endpoint.o
	if len(c.held) < o.BufferMessages && c.heldBytes+len(data) <= o.BufferBytes && c.log.Carry(absence+c.heldBytes+len(data)) {
		c.held, c.heldBytes = append(c.held, data), c.heldBytes+len(data)
	}
	return true
}

// deliver hands up what was held.
func (c *connection) deliver() {
	c.mu.Lock()
	held := c.held
	c.held, c.heldBytes = nil, 0
	c.mu.Unlock()
	for _, data := range held {
		c.hear(data, nil) // nobody waits to be told of an error
	}
}

// start answers /start: when OnConnect has agreed.
func (e *endpoint) start(w http.ResponseWriter, q *request) {
	c, f, no := e.claim(q)
	if c != nil {
		no = c.enter(q, false)
	}
	switch {
	case no != nil:
		no.answer(w)
	case f != nil && f.stays: // it was told on its stream, perhaps
		(&refused{http.StatusInternalServerError, f.reason}).answer(w)
	case f != nil || c.begin(w, q):
		answerJSON(w, q, startedJSON)
	}
}

// begin starts the connection. It is false when that has failed, or the client has
// gone; then it has answered.
func (c *connection) begin(w http.ResponseWriter, q *request) bool {
	c.asked.Store(true)
	c.wait(1)
	defer c.wait(-1)
	settled := c.start()
	c.deliver()
	if !c.await(q, settled) {
		return false
	}
	said, ok := c.verdict()
	if !ok {
		(&refused{http.StatusInternalServerError, said}).answer(w)
	}
	return ok
}

const startedJSON = `{ "Response": "started" }`

// wait counts the requests that wait for OnConnect.
func (c *connection) wait(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking += n
}

// await waits until OnConnect has decided. It is false when the client has gone.
func (c *connection) await(q *request, settled <-chan struct{}) bool {
	if settled == nil {
		return true
	}
	select {
	case <-settled:
		return true
	case <-q.Context().Done():
		return false
	}
}

// abort is the goodbye of a client.
func (e *endpoint) abort(w http.ResponseWriter, q *request) {
	if c, _ := e.table.find(q.id); c != nil {
		c.leave()
	} else {
		e.table.bury(q.id, &farewell{})
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.Header().Set("Content-Length", "0")
}
