package protocol1

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// Options configures a Server. All fields but JSONP are set; the package has no
// defaults of its own.
type Options struct {
	HeartbeatInterval time.Duration // between two heartbeats over WebSocket
	HeartbeatTimeout  time.Duration // for the answer; clients are told, in seconds
	CloseTimeout      time.Duration // between two polls; clients are told, in seconds
	PollingDuration   time.Duration // of a poll
	MaxSessions       int           // clients at a time, those that have only shaken hands included
	JSONP             bool          // jsonp-polling is served too
	Transport         transport.Options
	NewID             func() string // names connections; session IDs are the server's own

	// Hub finds the hub of a namespace, of which "/" is the main one. Nil, or an
	// error, refuses it.
	Hub func(r *http.Request, name string) (*parley.Hub, error)
}

// unusedTime is how long a client may take from its handshake to its transport.
const unusedTime = 30 * time.Second

// The transports, by the names that stand in paths.
const (
	webSocket    = "websocket"
	xhrPolling   = "xhr-polling"
	jsonpPolling = "jsonp-polling"
)

// Server answers the requests below a path's 1/.
type Server struct {
	o       Options
	sockets *transport.Acceptor
	clients *transport.Table[*client]
}

// NewServer makes a server. It ends with its last client.
func NewServer(o Options) *Server {
	srv := &Server{o: o, clients: transport.NewTable[*client](o.MaxSessions)}
	srv.sockets = transport.NewAcceptor(&srv.o.Transport)
	return srv
}

// target is what a path means.
type target struct{ transport, token string }

// parsePath reads …/1/ and …/1/<transport>/<id>. A goodbye by ?disconnect names
// no transport: …/1//<id>/. It tells whether the path is one of ours.
func parsePath(path string) (t target, ok bool) {
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	n := len(parts)
	switch {
	case n >= 1 && parts[n-1] == "1":
		return target{}, true
	case n >= 3 && parts[n-3] == "1":
		return target{parts[n-2], parts[n-1]}, true
	case n >= 2 && parts[n-2] == "1":
		return target{"", parts[n-1]}, true
	}
	return target{}, false
}

// Serves tells whether a path is that of a request to ServeHTTP, wherever it is
// mounted.
func Serves(path string) bool {
	_, ok := parsePath(path)
	return ok
}

// ServeHTTP implements [http.Handler].
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t, ok := parsePath(r.URL.Path)
	query := r.URL.Query()
	switch {
	case !ok:
		http.NotFound(w, r)
	case transport.IsWebSocket(r) && t.transport == webSocket:
		srv.serveWebSocket(w, r, t.token)
	case !transport.Admit(w, r, &srv.o.Transport, "GET, POST"):
	case t.token == "":
		srv.handshake(w, r, jsonIndex(query.Get("jsonp")))
	case query.Has("disconnect"):
		srv.disconnect(t.token)
	case t.transport == xhrPolling, t.transport == jsonpPolling && srv.o.JSONP:
		srv.servePolling(w, r, t)
	default:
		http.Error(w, "transport not supported", http.StatusBadRequest)
	}
}

// jsonIndex is the number of a client's callback; -1 when there is none.
func jsonIndex(text string) int {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

// handshake makes a session: its ID is a secret of 130 random bits.
func (srv *Server) handshake(w http.ResponseWriter, r *http.Request, callback int) {
	if r.Method != http.MethodGet {
		http.Error(w, "a handshake is a GET", http.StatusMethodNotAllowed)
		return
	}
	c := &client{server: srv}
	c.unused = time.AfterFunc(unusedTime, c.expire)
	token, err := srv.clients.Add(c)
	if err != nil {
		c.unused.Stop()
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	c.mu.Lock()
	c.token = token
	c.mu.Unlock()
	transports := webSocket + "," + xhrPolling
	if srv.o.JSONP {
		transports += "," + jsonpPolling
	}
	text := fmt.Sprintf("%s:%d:%d:%s", token, int(srv.o.HeartbeatTimeout.Seconds()), int(srv.o.CloseTimeout.Seconds()), transports)
	w.Header().Set("Cache-Control", "no-store")
	if callback >= 0 && srv.o.JSONP {
		writeScript(w, callback, text)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	io.WriteString(w, text)
}

// disconnect is the goodbye of a page that is being left.
func (srv *Server) disconnect(token string) {
	c, _ := srv.clients.Get(token)
	if c == nil {
		return
	}
	c.mu.Lock()
	opened := c.pipe != nil
	if !opened {
		c.unused.Stop()
		c.forget()
	}
	c.mu.Unlock()
	if opened {
		c.end()
	}
}

func (srv *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, token string) {
	pipe, err := srv.sockets.WebSocket(w, r)
	if err != nil {
		return // the request has been answered
	}
	c, _ := srv.clients.Get(token)
	if c == nil || !c.begin(webSocket, func() wire.Pipe { return pipe }) {
		if c != nil {
			c.displace()
		}
		pipe.Close(1000, "")
		pipe.Start(lastWords{})
		return
	}
	if c.open(r) != nil {
		pipe.Refuse(1001, "")
		return
	}
	pipe.Start(c)
}

// lastWords tells a client without a session, whose WebSocket has been accepted,
// to shake hands again.
type lastWords struct{}

// Receive implements [wire.Receiver].
func (lastWords) Receive([]byte, bool) {}

// Take implements [wire.Receiver].
func (lastWords) Take(batch []*wire.Encoded) []*wire.Encoded {
	return append(batch, &wire.Encoded{Data: []byte(notHandshaken)})
}

// Heard implements [wire.Receiver].
func (lastWords) Heard() {}

// Closed implements [wire.Receiver].
func (lastWords) Closed(error) {}
