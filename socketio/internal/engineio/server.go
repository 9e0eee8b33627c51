package engineio

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/internal/wheel"
	"github.com/parley-go/parley/wire"
)

// Options configures a Server. All fields are set; the package has no
// defaults of its own.
type Options struct {
	PingInterval      time.Duration // between a pong and the next ping
	PingTimeout       time.Duration // for the pong
	UpgradeTimeout    time.Duration // for the change to a WebSocket
	MaxHTTPBufferSize int64         // bytes of a POST body or WebSocket message
	MaxSessions       int           // connections at a time
	Transport         transport.Options
	New               func(*Socket) Upper // makes what stands above a connection
}

// Upper is what stands above a [Socket]. It receives text messages with their
// packet type, the leading 4, and sends them so; binary messages have none.
type Upper interface {
	wire.Receiver
	// Open tells of the request that opened the connection, before anything is
	// read or written. An error refuses it.
	Open(r *http.Request) error
}

// Server answers the requests of one Engine.IO path.
type Server struct {
	o       Options
	ids     IDs
	wheel   *wheel.Wheel
	sockets *transport.Acceptor

	mu       sync.Mutex
	sessions map[string]*Socket
}

// NewServer makes a server. It ends with its last connection.
func NewServer(o Options) *Server {
	o.Transport.MaxMessageBytes = o.MaxHTTPBufferSize
	o.Transport.BareRefusals = true // 1009 and no more (§3.6)
	o.Transport.Goodbye = func(int, string) (int, string) { return noStatus, "" }
	srv := &Server{o: o, wheel: wheel.New(probeTick / 2), sessions: make(map[string]*Socket)}
	srv.sockets = transport.NewAcceptor(&srv.o.Transport)
	return srv
}

// noStatus is an empty close frame: Engine.IO closes a WebSocket without a
// word (§3.6).
const noStatus = 1005

// refusal is an answer to a bad request (§3.2).
type refusal struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	status  int
}

var (
	unknownTransport = &refusal{0, "Transport unknown", http.StatusBadRequest}
	unknownSession   = &refusal{1, "Session ID unknown", http.StatusBadRequest}
	badMethod        = &refusal{2, "Bad handshake method", http.StatusBadRequest}
	badRequest       = &refusal{3, "Bad request", http.StatusBadRequest}
	forbidden        = &refusal{4, "Forbidden", http.StatusForbidden}
	badVersion       = &refusal{5, "Unsupported protocol version", http.StatusBadRequest}
	overloaded       = &refusal{3, "Too many connections", http.StatusServiceUnavailable}
	shuttingDown     = &refusal{3, "Server shutting down", http.StatusServiceUnavailable}
)

// answer writes the refusal: JSON to a poll, and the bare message with status
// 400 to an upgrade, before any 101.
func (no *refusal) answer(w http.ResponseWriter, r *http.Request) {
	if transport.IsWebSocket(r) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusBadRequest) // whatever the code
		w.Write([]byte(no.Message))
		return
	}
	body, _ := json.Marshal(no) // a number and a string cannot fail
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(no.status)
	w.Write(body)
}

// ServeHTTP implements [http.Handler].
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !srv.admit(w, r) {
		return
	}
	s, no := srv.check(r)
	upgrade := transport.IsWebSocket(r)
	switch {
	case no != nil:
		no.answer(w, r)
	case s == nil && upgrade:
		srv.openWebSocket(w, r)
	case s == nil:
		srv.openPolling(w, r)
	case upgrade:
		s.serveUpgrade(w, r)
	default:
		s.servePolling(w, r)
	}
}

// admit looks at the Origin. On false it has answered r, as a preflight or
// with a refusal.
func (srv *Server) admit(w http.ResponseWriter, r *http.Request) bool {
	if transport.CheckOrigin(r, &srv.o.Transport) != nil {
		forbidden.answer(w, r)
		return false
	}
	asks := r.Header.Get("Access-Control-Request-Method") != ""
	if transport.IsWebSocket(r) || r.Method == http.MethodOptions && !asks {
		return true
	}
	return transport.Admit(w, r, &srv.o.Transport, "GET, POST")
}

// check finds the request's connection, nil for a handshake, in the order of
// the reference's own checks.
func (srv *Server) check(r *http.Request) (*Socket, *refusal) {
	query := r.URL.Query()
	kind, id, upgrade := query.Get("transport"), query.Get("sid"), transport.IsWebSocket(r)
	switch {
	case kind != "polling" && kind != "websocket":
		return nil, unknownTransport
	case strings.ContainsFunc(r.Header.Get("Origin"), func(c rune) bool { return c < ' ' || c == 0x7f }):
		return nil, badRequest
	case id == "":
		return nil, srv.checkHandshake(r, kind, upgrade)
	}
	s := srv.find(id)
	switch {
	case s == nil:
		return nil, unknownSession
	case query.Get("EIO") != "4" || upgrade != (kind == "websocket"):
		return nil, badRequest
	case !upgrade && s.Transport() != kind:
		return nil, badRequest
	}
	return s, nil
}

func (srv *Server) checkHandshake(r *http.Request, kind string, upgrade bool) *refusal {
	switch {
	case r.Method != http.MethodGet:
		return badMethod
	case upgrade != (kind == "websocket"):
		return badRequest
	case r.URL.Query().Get("EIO") != "4": // whatever is not "4" counts as 3 (§3.1)
		return badVersion
	}
	return nil
}

func (srv *Server) find(id string) *Socket {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.sessions[id]
}

func (srv *Server) forget(s *Socket) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.sessions, s.id)
}

// add makes a connection known, unless there are too many.
func (srv *Server) add(s *Socket) bool {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if len(srv.sessions) >= srv.o.MaxSessions {
		return false
	}
	srv.sessions[s.id] = s
	return true
}

// openPolling begins a connection with a poll.
func (srv *Server) openPolling(w http.ResponseWriter, r *http.Request) {
	s := srv.newSocket()
	if !srv.add(s) {
		overloaded.answer(w, r)
		return
	}
	s.attachPoll(openPacket(s.id, []string{"websocket"}, &srv.o))
	if err := s.open(r); err != nil {
		s.poll.CloseNow()
		shuttingDown.answer(w, r)
		return
	}
	s.servePolling(w, r)
}

// openWebSocket begins a connection with a WebSocket.
func (srv *Server) openWebSocket(w http.ResponseWriter, r *http.Request) {
	s := srv.newSocket()
	if !srv.add(s) { // told before any 101
		overloaded.answer(w, r)
		return
	}
	pipe, err := srv.sockets.WebSocket(w, r)
	if err != nil {
		srv.forget(s)
		return
	}
	l := s.attach(pipe, openPacket(s.id, []string{}, &srv.o))
	if s.open(r) != nil {
		pipe.Refuse(noStatus, "")
		return
	}
	pipe.Start(l)
}
