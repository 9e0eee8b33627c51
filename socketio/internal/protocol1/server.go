package protocol1

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// Options configures a Server. All fields are set but those that say otherwise;
// the package has no defaults of its own.
type Options struct {
	HeartbeatInterval time.Duration // between two heartbeats over WebSocket
	HeartbeatTimeout  time.Duration // for the answer; clients are told, in seconds
	CloseTimeout      time.Duration // between two polls; clients are told, in seconds
	PollingDuration   time.Duration // of a poll
	MaxSessions       int           // clients at a time, those that have only shaken hands included
	MaxNamespaces     int           // of one client, at a time
	MaxPackets        int           // of one POST
	Transports        []string      // that clients may use, in their words and in the order to be tried
	Transport         transport.Options
	NewID             func() string // names connections; session IDs are the server's own

	// Middleware comes before every request, and refuses it with an error; nil for
	// none. AllowRequest looks at a handshake, and refuses it with an error, whose
	// text the client is told; nil for none.
	Middleware   func(w http.ResponseWriter, r *http.Request) error
	AllowRequest func(r *http.Request) error

	// Hub finds the hub of a namespace, of which "/" is the main one; nil when there
	// is none.
	Hub func(name string) *parley.Hub
	// Seek finds it where Hub does not, and may block; nil for none. Unless the hub
	// is nil, left is to be called when the client has left.
	Seek func(r *http.Request, name string) (hub *parley.Hub, left func())
}

// unusedTime is how long a client may take from its handshake to its transport.
const unusedTime = 30 * time.Second

// The transports, by the names that stand in paths.
const (
	WebSocket    = "websocket"
	XHRPolling   = "xhr-polling"
	JSONPPolling = "jsonp-polling"
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
	upgrade := transport.IsWebSocket(r) && t.transport == WebSocket && srv.offers(WebSocket)
	query := r.URL.Query()
	switch {
	case !ok:
		http.NotFound(w, r)
	case !upgrade && !transport.Admit(w, r, &srv.o.Transport, "GET, POST"):
	case srv.o.Middleware != nil && srv.o.Middleware(w, r) != nil:
		http.Error(w, "bad request", http.StatusBadRequest)
	case upgrade:
		srv.serveWebSocket(w, r, t.token)
	case t.token == "":
		srv.handshake(w, r, jsonIndex(query.Get("jsonp")))
	case query.Has("disconnect"):
		srv.disconnect(t.token)
	case t.transport != WebSocket && srv.offers(t.transport):
		srv.servePolling(w, r, t)
	default:
		http.Error(w, "transport not supported", http.StatusBadRequest)
	}
}

// offers tells whether clients may use a transport.
func (srv *Server) offers(name string) bool { return slices.Contains(srv.o.Transports, name) }

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
	if srv.o.AllowRequest != nil {
		if err := srv.o.AllowRequest(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
	}
	token, err := srv.add()
	if err != nil {
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	text := fmt.Sprintf("%s:%d:%d:%s", token, int(srv.o.HeartbeatTimeout.Seconds()), int(srv.o.CloseTimeout.Seconds()), strings.Join(srv.o.Transports, ","))
	w.Header().Set("Cache-Control", "no-store")
	if callback >= 0 && srv.offers(JSONPPolling) {
		writeScript(w, callback, text)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	io.WriteString(w, text)
}

// add makes a client that has shaken hands.
func (srv *Server) add() (token string, err error) {
	c := &client{server: srv}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token, err = srv.clients.Add(c); err != nil {
		return "", err
	}
	c.unused = time.AfterFunc(unusedTime, c.expire)
	return c.token, nil
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

// withoutBareOrigin takes off an Origin that is only the host, without a scheme,
// as the client under Node.js sends it, and no browser does: it is same-origin.
func withoutBareOrigin(r *http.Request) *http.Request {
	if origin := r.Header["Origin"]; len(origin) != 1 || origin[0] != r.Host {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Del("Origin")
	return r
}

func (srv *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, token string) {
	r = withoutBareOrigin(r)
	pipe, err := srv.sockets.WebSocket(w, r)
	if err != nil {
		return // the request has been answered
	}
	c, _ := srv.clients.Get(token)
	if c == nil || !c.begin(WebSocket, func() wire.Pipe { return pipe }) {
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
