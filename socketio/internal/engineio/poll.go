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

// polling is what a Socket needs only while it polls.
type polling struct {
	// fixed after construction
	socket   *Socket
	pipe     *transport.Poll
	textOnly bool // the client that opened it cannot take bytes

	// guarded by socket.mu
	waiting int       // GETs that wait
	since   time.Time // when the last one came
	posting bool      // a POST is being read
	greeted bool      // the first answer has been given
	writes  writing
}

// attachPoll makes a polling pipe current.
func (s *Socket) attachPoll(textOnly bool) *polling {
	o := &s.server.o
	l := &link{socket: s}
	p := &polling{socket: s, textOnly: textOnly}
	p.pipe = transport.NewPoll(l, &transport.PollOptions{
		Wait:         2 * (o.PingInterval + o.PingTimeout), // the heartbeat comes first
		Idle:         -1,                                   // likewise
		WriteTimeout: o.Transport.WriteTimeout,
		CloseTimeout: cmp.Or(o.Transport.CloseTimeout, min(30*time.Second, o.PingInterval+o.PingTimeout)), // for a poll to fetch the last words (§3.6), as long as a heartbeat may take
		Write:        p.write,
		Cut:          true, // "a cancelled poll closes the session" (§3.6)
		LastAlone:    true, // socket.io-client 4.5 and later would see the end before the messages of its payload
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	l.pipe, s.polls = p.pipe, p
	s.carry(l, plain, sayOpen)
	if o.InitialPacket != "" {
		s.owed |= sayInitial
	}
	return p
}

// servePolling answers a GET or POST of a polling connection.
func (s *Socket) servePolling(w http.ResponseWriter, q *request) {
	s.mu.Lock()
	p := s.polls
	s.mu.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case p == nil: // it has changed to a WebSocket just now
		badRequest.answer(w, q.Request)
	case q.Method == http.MethodGet:
		p.serveGet(w, q)
	case q.Method == http.MethodPost:
		p.servePost(w, q)
	default:
		w.WriteHeader(http.StatusInternalServerError) // as the reference
	}
}

// answering is the answer to one poll.
type answering struct {
	http.ResponseWriter
	q *request
}

// Unwrap is for [http.ResponseController].
func (a *answering) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (p *polling) serveGet(w http.ResponseWriter, q *request) {
	s := p.socket
	a := &answering{w, q}
	if p.crossed() {
		p.answer(a, []*wire.Encoded{&s.server.words.noop})
		return
	}
	err := p.pipe.Serve(a, q.Request)
	s.mu.Lock()
	p.waiting--
	upgraded, parted := s.polls != p, s.phase == left
	unheard := s.phase == failed && p.waiting == 0
	s.mu.Unlock()
	if unheard { // it was answered before the close packet, and no poll finds the session any more
		p.pipe.CloseNow()
	}
	switch {
	case errors.Is(err, transport.ErrPolling):
		s.Fail(errTwoPolls)
		w.WriteHeader(http.StatusBadRequest)
	case errors.Is(err, transport.ErrGone) && upgraded:
		badRequest.answer(w, q.Request)
	case errors.Is(err, transport.ErrGone) && parted: // while it was about to wait
		p.answer(a, []*wire.Encoded{&s.server.words.noop})
	case errors.Is(err, transport.ErrGone):
		unknownSession.answer(w, q.Request)
	}
}

// crossed counts a poll, and tells whether it crossed the client's own
// goodbye on its way; then it is answered as if it had come before.
func (p *polling) crossed() bool {
	s := p.socket
	s.mu.Lock()
	if s.beat != lingering {
		p.waiting++
		p.since = time.Now()
		s.mu.Unlock()
		return false
	}
	s.mu.Unlock()
	s.server.wheel.Cancel(&s.timer)
	s.server.forget(s)
	return true
}

// write answers a poll with a batch of packets.
func (p *polling) write(w http.ResponseWriter, r *http.Request, batch []*wire.Encoded, last bool) error {
	s := p.socket
	s.mu.Lock()
	upgraded, ended := s.polls != p, s.phase
	s.mu.Unlock()
	switch {
	case upgraded && len(batch) == 0: // the client should have paused its polls
		badRequest.answer(w, r)
		return nil
	case last && ended != left:
		batch = append(batch, &wire.Encoded{Data: []byte{packetClose}})
	case len(batch) == 0:
		batch = append(batch, &s.server.words.noop)
	}
	return p.answer(w.(*answering), batch)
}

// answer writes packets as the request wants them.
func (p *polling) answer(a *answering, batch []*wire.Encoded) error {
	h, kind := a.Header(), "text/plain; charset=UTF-8"
	var payload []byte
	binary := false
	if p.socket.protocol == 3 {
		p.simplify(batch)
		payload, binary = appendPayload3(nil, batch, p.textOnly || a.q.textOnly)
	} else {
		payload = appendPayload(nil, batch)
	}
	switch {
	case binary:
		kind = "application/octet-stream"
	case a.q.jsonp:
		payload, kind = appendScript(nil, payload, a.q.index), "text/javascript; charset=UTF-8"
		h.Set("X-Content-Type-Options", "nosniff")
	}
	payload = p.socket.server.compress(a, payload, batch)
	p.greet(a)
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(payload)))
	_, err := a.Write(payload)
	return err
}

// compress compresses a payload if that is worth it, wanted and accepted.
func (srv *Server) compress(a *answering, payload []byte, batch []*wire.Encoded) []byte {
	from := srv.o.CompressFromBytes
	if from <= 0 || len(payload) < from || !compressible(batch) {
		return payload
	}
	payload, encoding := srv.squeeze.squeeze(a.q.Header, payload)
	a.Header().Add("Vary", "Accept-Encoding")
	if encoding != "" {
		a.Header().Set("Content-Encoding", encoding)
	}
	return payload
}

func compressible(batch []*wire.Encoded) bool {
	for _, e := range batch {
		if !e.Uncompressed {
			return true
		}
	}
	return false
}

// greet puts the cookie into the first answer, and into no other.
func (p *polling) greet(a *answering) {
	s := p.socket
	s.mu.Lock()
	first := !p.greeted
	p.greeted = true
	s.mu.Unlock()
	if template := s.server.o.Cookie; template != nil && first {
		cookie := *template
		cookie.Value = s.ID()
		http.SetCookie(a, &cookie)
	}
}

// servePost takes the packets of a POST.
func (p *polling) servePost(w http.ResponseWriter, q *request) {
	s := p.socket
	if !p.beginPost() {
		s.Fail(errTwoPosts)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	defer p.endPost()
	kind, _, _ := mime.ParseMediaType(q.Header.Get("Content-Type"))
	binary := kind == "application/octet-stream"
	if binary && s.protocol == 4 {
		s.Fail(errContent)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	payload, err := transport.ReadBody(w, q.Request, &s.server.o.Transport)
	switch {
	case errors.Is(err, transport.ErrTooLarge):
		w.WriteHeader(http.StatusRequestEntityTooLarge) // and the connection lives on (§3.2)
	case err != nil:
		s.Fail(errors.Join(errCutPost, err))
		w.WriteHeader(http.StatusBadRequest)
	case p.receive(q, payload, binary) || len(payload) == 0:
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "ok")
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func (p *polling) beginPost() bool {
	p.socket.mu.Lock()
	defer p.socket.mu.Unlock()
	first := !p.posting
	p.posting = true
	return first
}

func (p *polling) endPost() {
	p.socket.mu.Lock()
	defer p.socket.mu.Unlock()
	p.posting = false
}

// receive hands the packets up and tells whether all was well.
func (p *polling) receive(q *request, payload []byte, binary bool) bool {
	s := p.socket
	var gone error
	err := p.eachPacket(q, payload, binary, func(packet []byte, binary bool) bool {
		gone = p.pipe.Receive(packet, binary)
		return gone == nil
	})
	if err != nil {
		s.Fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return gone == nil && s.phase < failed
}

func (p *polling) eachPacket(q *request, payload []byte, binary bool, fn func(packet []byte, binary bool) bool) (err error) {
	s := p.socket
	if q.jsonp {
		if payload, err = formPayload(payload); err != nil {
			return err
		}
	}
	most := s.server.o.MaxPackets
	switch {
	case s.protocol == 4:
		return eachPacket(payload, most, fn)
	case binary:
		return eachRecord3(payload, most, fn)
	}
	return eachPacket3(payload, most, func(packet []byte, _ bool) bool { return fn(p.read(packet), false) })
}
