package plain

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// quiet is the protocol towards a client that came for answers only.
type quiet struct{ protocol }

var errOnce = errors.New("plain: the client of a single POST cannot be asked")

// Append implements [wire.Protocol].
func (q quiet) Append(dst []byte, m *wire.Message) ([]byte, error) {
	switch m.Kind {
	case wire.Call, wire.StreamCall:
		if m.ID != "" {
			return dst, errOnce
		}
		return dst, nil
	case wire.Ping, wire.Pong, wire.Cancel:
		return dst, nil
	case wire.Close:
		if m.Bye.Code == 1000 {
			return dst, nil
		}
	}
	return q.protocol.Append(dst, m)
}

// Parse implements [wire.Protocol]: here a stream needs no ID, either.
func (quiet) Parse(data []byte, m *wire.Message) error { return parse(data, m) }

// once is a whole connection in one POST: its calls are the body, their
// answers the response.
type once struct {
	link
	lines bool // fixed before the pipe runs: there may be more than one line

	// owned by the handler's goroutine
	wanted int  // answers still to come
	began  bool // the status is written
}

// serveOnce performs the calls in the body of r. As the response it makes a
// series of polls, each of which adds some answers.
func (e *endpoint) serveOnce(w http.ResponseWriter, r *http.Request) {
	messages, ok := e.readMessages(w, r, quiet{})
	if !ok {
		return
	}
	o := &once{}
	o.number(messages)
	if o.wanted == 0 {
		writeError(w, http.StatusBadRequest, "malformed", "the body has no call")
		return
	}
	pipe := transport.NewPoll(o, &transport.PollOptions{
		Name: "post", WriteTimeout: e.o.WriteTimeout, CloseTimeout: e.o.CloseTimeout, Write: o.write, Cut: true,
	})
	var err error
	if o.session, err = e.hub.NewSession(r, pipe, nil); err != nil {
		pipe.CloseNow()
		unavailable(w, "shutdown", "the server is shutting down")
		return
	}
	o.session.Open(&parley.Opening{Protocol: quiet{}, Refusal: refuseOnce, KeepAlive: -1, IdleTimeout: -1})
	var feeding sync.WaitGroup
	feeding.Go(func() { feed(pipe, messages) }) // ends when all is handed up or the pipe has ended; waited for below
	for err == nil {
		err = pipe.Serve(w, r)
	}
	pipe.CloseNow()
	feeding.Wait()
	if !o.began {
		unavailable(w, "closed", "the connection was closed before the answer")
	}
}

func feed(pipe *transport.Poll, messages [][]byte) {
	for _, m := range messages {
		if pipe.Receive(m, false) != nil {
			return
		}
	}
}

// number gives an ID to every call that has none, as whoever types a call
// wants to see what comes of it, and counts the answers to come.
func (o *once) number(messages [][]byte) {
	parsed := make([]wire.Message, len(messages))
	taken := make(map[string]bool)
	for i, data := range messages {
		quiet{}.Parse(data, &parsed[i]) // can be parsed: see split
		taken[parsed[i].ID] = true
	}
	last := 0
	for i := range parsed {
		m := &parsed[i]
		if m.Kind != wire.Call && m.Kind != wire.StreamCall {
			continue
		}
		for m.ID == "" {
			if last++; !taken[strconv.Itoa(last)] {
				m.ID = strconv.Itoa(last)
				messages[i], _ = protocol{}.Append(nil, m) // a call can always be written
			}
		}
		o.wanted++
		o.lines = o.lines || o.wanted > 1 || m.Kind == wire.StreamCall
	}
}

// write adds answers to the response. After the last one that is wanted, the
// connection ends.
func (o *once) write(w http.ResponseWriter, _ *http.Request, batch []*wire.Encoded, _ bool) error {
	if len(batch) == 0 {
		return nil
	}
	var lines []byte
	for _, e := range batch {
		var m wire.Message
		if err := (protocol{}).Parse(e.Data, &m); err != nil {
			return err
		}
		if !o.began {
			o.begin(w, &m)
		}
		if m.Kind == wire.Result || m.Kind == wire.End {
			o.wanted--
		}
		lines = append(append(lines, e.Data...), '\n')
	}
	if _, err := w.Write(lines); err != nil {
		return err
	}
	if o.wanted <= 0 {
		o.session.Fail(wire.Goodbye{Code: 1000}, nil)
		return nil
	}
	rc := http.NewResponseController(w)
	defer rc.SetWriteDeadline(time.Time{}) // until there is more to write
	return rc.Flush()
}

// begin writes the status, which the first line decides: one answer is the
// answer of the request, a refusal or a goodbye that of all its calls.
func (o *once) begin(w http.ResponseWriter, first *wire.Message) {
	o.began = true
	status, contentType := http.StatusOK, jsonType
	switch {
	case first.Kind == wire.Close:
		status = http.StatusServiceUnavailable
	case first.Err != nil && first.ID == "":
		status = http.StatusForbidden
	case o.lines:
		contentType = "application/x-ndjson"
	case first.Err != nil:
		status = statusOf(first.Err.Code)
	}
	writeHeader(w, status, contentType)
}

// statusOf is the HTTP status of an error's code.
func statusOf(code string) int {
	switch code {
	case wire.CodeNotFound:
		return http.StatusNotFound
	case wire.CodeArguments:
		return http.StatusBadRequest
	case wire.CodeInternal:
		return http.StatusInternalServerError
	}
	return http.StatusUnprocessableEntity
}

// refuseOnce words the error of an OnConnect.
func refuseOnce(e *wire.Error) []byte {
	return appendAnswer(nil, &wire.Message{Kind: wire.Result, Err: e})
}
