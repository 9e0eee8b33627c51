package engineio

import (
	"cmp"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// attachPoll makes a polling pipe current.
func (s *Socket) attachPoll(first []byte) {
	o := &s.server.o
	l := s.attach(nil, first)
	poll := transport.NewPoll(l, &transport.PollOptions{
		Wait:         2 * (o.PingInterval + o.PingTimeout), // the heartbeat comes first
		Idle:         -1,                                   // likewise
		WriteTimeout: o.Transport.WriteTimeout,
		CloseTimeout: cmp.Or(o.Transport.CloseTimeout, 30*time.Second), // for a poll to fetch the last words (§3.6)
		Write:        s.writePoll,
		Cut:          true, // "a cancelled poll closes the session" (§3.6)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	l.pipe, s.poll = poll, poll
}

// servePolling answers a GET or POST of a polling connection.
func (s *Socket) servePolling(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodGet:
		s.serveGet(w, r)
	case http.MethodPost:
		s.servePost(w, r)
	default:
		w.WriteHeader(http.StatusInternalServerError) // as the reference
	}
}

func (s *Socket) serveGet(w http.ResponseWriter, r *http.Request) {
	if s.crossed() {
		writePayload(w, []byte{packetNoop})
		return
	}
	err := s.poll.Serve(w, r)
	s.mu.Lock()
	s.polls--
	s.mu.Unlock()
	switch {
	case errors.Is(err, transport.ErrPolling):
		s.Fail(errTwoPolls)
		w.WriteHeader(http.StatusBadRequest)
	case errors.Is(err, transport.ErrGone):
		unknownSession.answer(w, r)
	}
}

// crossed counts a poll, and tells whether it crossed the client's own
// goodbye on its way; then it is answered as if it had come before.
func (s *Socket) crossed() bool {
	s.mu.Lock()
	if s.beat != lingering {
		s.polls++
		s.mu.Unlock()
		return false
	}
	s.mu.Unlock()
	s.server.wheel.Cancel(&s.timer)
	s.server.forget(s)
	return true
}

// writePoll answers a poll with a batch of packets.
func (s *Socket) writePoll(w http.ResponseWriter, r *http.Request, batch []*wire.Encoded, last bool) error {
	s.mu.Lock()
	upgraded, ended := !s.polling(), s.phase
	s.mu.Unlock()
	if upgraded && len(batch) == 0 { // the client should have paused its polls
		badRequest.answer(w, r)
		return nil
	}
	var payload []byte
	for _, e := range batch {
		payload = appendPacket(payload, e)
	}
	switch {
	case last && ended != left:
		payload = appendPacket(payload, word(string(packetClose)))
	case len(payload) == 0:
		payload = append(payload, packetNoop)
	}
	return writePayload(w, payload)
}

func writePayload(w http.ResponseWriter, payload []byte) error {
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(payload)))
	_, err := w.Write(payload)
	return err
}

// servePost takes the packets of a POST.
func (s *Socket) servePost(w http.ResponseWriter, r *http.Request) {
	if !s.beginPost() {
		s.Fail(errTwoPosts)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	defer s.endPost()
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/octet-stream" {
		s.Fail(errContent) // the way of protocol 3
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	payload, err := transport.ReadBody(w, r, &s.server.o.Transport)
	switch {
	case errors.Is(err, transport.ErrTooLarge):
		w.WriteHeader(http.StatusRequestEntityTooLarge) // and the connection lives on (§3.2)
	case err != nil:
		s.Fail(errors.Join(errCutPost, err))
		w.WriteHeader(http.StatusBadRequest)
	case s.receivePayload(payload) || len(payload) == 0:
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "ok")
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func (s *Socket) beginPost() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.posting
	s.posting = true
	return first
}

func (s *Socket) endPost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posting = false
}

// receivePayload hands the packets up and tells whether all was well.
func (s *Socket) receivePayload(payload []byte) bool {
	var gone error
	err := eachPacket(payload, func(packet []byte) bool {
		gone = s.poll.Receive(packet, false)
		return gone == nil
	})
	if err != nil {
		s.Fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return gone == nil && s.phase < failed
}
