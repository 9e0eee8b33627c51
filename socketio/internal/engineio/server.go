package engineio

import (
	"cmp"
	"net/http"
	"sync"
	"time"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/internal/wheel"
	"github.com/parley-go/parley/wire"
)

// Options configures a Server. New, the times and the other limits have to be set:
// the package has no defaults for them.
type Options struct {
	PingInterval      time.Duration // between a sign of life and the next ping
	PingTimeout       time.Duration // for the answer
	UpgradeTimeout    time.Duration // for the change to a WebSocket
	MaxHTTPBufferSize int64         // bytes of a POST body or WebSocket message
	MaxPackets        int           // in one payload; zero means 65,536
	MaxSessions       int           // connections at a time
	CompressFromBytes int           // of answers to polls, gzip or deflate; zero means never
	RefuseEIO3        bool          // protocol 3
	Transports        []string      // that clients may use; nil means polling and websocket
	NoUpgrades        bool          // clients stay with what they began with
	JSONP             bool          // scripts as answers to polls, in protocol 3
	Cookie            *http.Cookie  // for the first answer to a poll, with the session ID as its value; nil for none
	InitialPacket     string        // a message right behind the open packet; empty for none

	// ASCII writes a text message in ASCII alone, for clients of protocol 3 that
	// cannot be trusted with more. Nil leaves it as it is.
	ASCII func(message []byte) []byte

	Transport transport.Options

	// AllowRequest refuses a handshake with an error, which the client is told if
	// it is a *parley.Error. Nil allows all.
	AllowRequest func(*http.Request) error
	// Middleware comes before every request but preflights. With an error it
	// refuses the request. Nil does nothing.
	Middleware func(http.ResponseWriter, *http.Request) error

	New func(*Socket) Upper // makes what stands above a connection
}

// Upper is what stands above a [Socket]. It receives text messages with their
// packet type, the leading 4, and sends them so; binary messages have none.
type Upper interface {
	wire.Receiver
	// Open tells of the request that opened the connection, before anything is
	// read. An error refuses it: there is no call of Closed then.
	Open(r *http.Request) error
}

// Server answers the requests of one Engine.IO path.
type Server struct {
	o       Options
	ids     IDs
	wheel   *wheel.Wheel
	began   time.Time
	words   vocabulary
	sockets *transport.Acceptor
	squeeze squeezer
	streams []string // names of transports of other packages

	mu       sync.Mutex
	sessions map[[idBytes]byte]*Socket
}

// NewServer makes a server. It ends with its last connection.
func NewServer(o Options) *Server {
	o.MaxPackets = cmp.Or(o.MaxPackets, maxPackets)
	o.Transport.MaxMessageBytes = o.MaxHTTPBufferSize
	o.Transport.BareRefusals = true // 1009 and no more (§3.6)
	o.Transport.Goodbye = func(int, string) (int, string) { return noStatus, "" }
	srv := &Server{o: o, wheel: wheel.New(probeTick / 2), began: time.Now(), sessions: make(map[[idBytes]byte]*Socket)}
	srv.words.learn(o.InitialPacket)
	srv.sockets = transport.NewAcceptor(&srv.o.Transport)
	return srv
}

// noStatus is an empty close frame: Engine.IO closes a WebSocket without a
// word (§3.6).
const noStatus = 1005

// ServeHTTP implements [http.Handler].
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !srv.admit(w, r) {
		return
	}
	if srv.o.Middleware != nil && srv.o.Middleware(w, r) != nil {
		badRequest.answer(w, r)
		return
	}
	q := newRequest(r)
	s, no := srv.check(q)
	switch {
	case no != nil:
		no.answer(w, r)
	case s == nil && q.upgrade:
		srv.openWebSocket(w, q)
	case s == nil:
		srv.openPolling(w, q)
	case q.upgrade:
		s.serveUpgrade(w, q)
	default:
		s.servePolling(w, q)
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

func (srv *Server) find(id string) *Socket {
	if len(id) != idBytes {
		return nil
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.sessions[[idBytes]byte([]byte(id))]
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

// upgrades are what a client that polls may change to.
func (srv *Server) upgrades() []string {
	names := []string{}
	if srv.o.NoUpgrades {
		return names
	}
	if srv.offers("websocket") {
		names = append(names, "websocket")
	}
	return append(names, srv.streams...)
}

// openPolling begins a connection with a poll.
func (srv *Server) openPolling(w http.ResponseWriter, q *request) {
	s := srv.newSocket(q.protocol)
	if !srv.add(s) {
		overloaded.answer(w, q.Request)
		return
	}
	p := s.attachPoll(q.textOnly)
	if err := s.open(q.Request); err != nil {
		p.pipe.CloseNow()
		shuttingDown.answer(w, q.Request)
		return
	}
	s.servePolling(w, q)
}

// openWebSocket begins a connection with a WebSocket. What this side has to say
// at once leaves with the answer to the handshake.
func (srv *Server) openWebSocket(w http.ResponseWriter, q *request) {
	s := srv.newSocket(q.protocol)
	if !srv.add(s) { // told before any 101
		overloaded.answer(w, q.Request)
		return
	}
	first := [][]byte{openPacket(s.ID(), []string{}, &srv.o)}
	if srv.o.InitialPacket != "" {
		first = append(first, srv.words.initial.Data)
	}
	pipe, err := srv.sockets.Greet(w, q.Request, first...)
	if err != nil {
		srv.forget(s)
		return
	}
	l := s.attach(pipe, q.form(), 0)
	if s.open(q.Request) != nil {
		pipe.Refuse(noStatus, "")
		return
	}
	pipe.Start(l)
}

// form is that of binary messages over the WebSocket asked for.
func (q *request) form() form {
	switch {
	case q.textOnly:
		return textual
	case q.protocol == 3:
		return numbered
	}
	return plain
}
