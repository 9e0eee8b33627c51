package protocol1

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// servePolling answers a GET or POST of polls.
func (srv *Server) servePolling(w http.ResponseWriter, r *http.Request, t target) {
	w.Header().Set("Cache-Control", "no-store")
	c, _ := srv.clients.Get(t.token)
	switch {
	case r.Method == http.MethodPost:
		srv.servePost(w, r, c, t.transport)
	case r.Method != http.MethodGet:
		http.Error(w, "polls are GET and POST", http.StatusMethodNotAllowed)
	case c != nil && c.begin(t.transport, c.newPoll):
		if c.open(r) != nil {
			c.displace()
			http.Error(w, "server shutting down", http.StatusServiceUnavailable)
			return
		}
		srv.serveGet(w, r, c, t.transport)
	default:
		srv.serveGet(w, r, c, t.transport)
	}
}

// newPoll makes the client's pipe. The caller holds mu.
func (c *client) newPoll() wire.Pipe {
	o := &c.server.o
	return transport.NewPoll(c, &transport.PollOptions{
		Wait:         o.PollingDuration,
		Idle:         o.CloseTimeout,
		WriteTimeout: o.Transport.WriteTimeout,
		CloseTimeout: o.Transport.CloseTimeout,
		Write:        c.write,
		Replace:      true, // the client may have lost its last poll before we do
	})
}

func (srv *Server) serveGet(w http.ResponseWriter, r *http.Request, c *client, kind string) {
	if poll := c.polls(kind); poll == nil || errors.Is(poll.Serve(w, r), transport.ErrGone) {
		answer(w, r, []byte(notHandshaken))
	}
}

// polls is the client's pipe; nil when it has none of that kind. One of another
// kind is ended.
func (c *client) polls(kind string) *transport.Poll {
	if c == nil {
		return nil
	}
	pipe, ok := c.current(kind)
	if !ok {
		c.displace()
		return nil
	}
	return pipe.(*transport.Poll)
}

// write answers a poll.
func (c *client) write(w http.ResponseWriter, r *http.Request, batch []*wire.Encoded, last bool) error {
	c.mu.Lock()
	c.told = c.told || slices.ContainsFunc(batch, bars)
	stays := c.left || c.told
	c.mu.Unlock()
	var payload []byte
	switch {
	case len(batch) == 1:
		payload = batch[0].Data
	case len(batch) > 1:
		for _, e := range batch {
			payload = appendPayload(payload, e.Data)
		}
	case last && !stays: // who is told nothing shakes hands again
		w.WriteHeader(http.StatusServiceUnavailable)
		return nil
	default:
		payload = []byte(noop)
	}
	return answer(w, r, payload)
}

// bars tells whether a message keeps the client from coming back.
func bars(e *wire.Encoded) bool {
	main := protocol{}
	return string(e.Data) == string(main.appendHead(nil, packetDisconnect, "")) || string(e.Data) == string(main.refusal())
}

// answer writes a payload as the request's transport wants it.
func answer(w http.ResponseWriter, r *http.Request, payload []byte) error {
	if t, _ := parsePath(r.URL.Path); t.transport == JSONPPolling {
		return writeScript(w, max(0, jsonIndex(r.URL.Query().Get("i"))), string(payload))
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(payload)))
	_, err := w.Write(payload)
	return err
}

// writeScript calls a callback of the client's with a text.
func writeScript(w http.ResponseWriter, callback int, text string) error {
	script := append([]byte("io.j["), strconv.Itoa(callback)+"]("...)
	script = append(wire.AppendJSONString(script, text), ");"...)
	w.Header().Set("Content-Type", "text/javascript; charset=UTF-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(script)))
	_, err := w.Write(script)
	return err
}

// servePost takes the packets of a POST.
func (srv *Server) servePost(w http.ResponseWriter, r *http.Request, c *client, kind string) {
	payload, err := transport.ReadBody(w, r, &srv.o.Transport)
	if err == nil && kind == JSONPPolling {
		payload, err = formPayload(payload)
	}
	poll := c.polls(kind)
	switch {
	case poll == nil:
		answer(w, r, []byte(notHandshaken)) // which its next poll learns too
		return
	case err == nil:
		err = eachPacket(payload, srv.o.MaxPackets, func(packet []byte) bool { return poll.Receive(packet, false) == nil })
	}
	if err != nil {
		c.fail(err)
		http.Error(w, "bad payload", statusOf(err))
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	io.WriteString(w, "1")
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, transport.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, transport.ErrBodyLate):
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
}

// formPayload reads a payload out of a form: as a JSON string in its field d, so
// that browsers leave its line ends alone.
func formPayload(body []byte) ([]byte, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, malformed("payload is not a form")
	}
	var payload string
	if json.Unmarshal([]byte(form.Get("d")), &payload) != nil {
		return nil, malformed("payload is not a JSON string")
	}
	return []byte(payload), nil
}
