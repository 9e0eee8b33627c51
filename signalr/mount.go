package signalr

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
)

// Options configures an endpoint. Nil means all defaults, which are those of
// Microsoft's server.
type Options struct {
	// Origins are the origins whose pages may connect besides those of the
	// server's own host: "https://example.com", "*.example.com". Empty means
	// none.
	Origins []string
	// InsecureAnyOrigin lets the pages of every origin connect, with the
	// cookies of their visitors. False means that Origin is checked.
	InsecureAnyOrigin bool
	// MaxMessageBytes bounds one message of the hub protocol, its separator
	// included (MaximumReceiveMessageSize). Zero means 32 KiB. One WebSocket
	// message may hold several and have eight times as much.
	MaxMessageBytes int
	// HandshakeTimeout bounds the time from the connection to the end of the
	// handshake. Zero means 15 seconds.
	HandshakeTimeout time.Duration
	// KeepAlive is the time between two pings (KeepAliveInterval). Zero means
	// that of the hub's Limits, which is 15 seconds; negative means no pings.
	KeepAlive time.Duration
	// ClientTimeout closes a connection that has begun to ping when it was not
	// heard of for so long (ClientTimeoutInterval). Zero means 30 seconds,
	// negative never.
	ClientTimeout time.Duration
	// DetailedErrors shows callers the errors that are otherwise only logged
	// (EnableDetailedErrors). False means that they stay hidden.
	DetailedErrors bool
	// NegotiationTimeout is how long a negotiation waits for its connection
	// (DisconnectTimeout). Zero means 15 seconds.
	NegotiationTimeout time.Duration
	// MaxNegotiations bounds the negotiations that wait at one time; more are
	// answered with status 503. Zero means 65,536.
	MaxNegotiations int
	// WriteTimeout bounds one write to a client (TransportSendTimeout). Zero
	// means 10 seconds.
	WriteTimeout time.Duration
	// CloseTimeout bounds a goodbye (WebSockets.CloseTimeout). Zero means 5
	// seconds.
	CloseTimeout time.Duration
}

func orDefault[T int | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}

// Mount serves hub at path of mux, and the negotiations at path/negotiate. See
// [Handler].
func Mount(mux *http.ServeMux, path string, hub *parley.Hub, o *Options) {
	h := Handler(hub, o)
	path = strings.TrimRight(path, "/")
	mux.Handle(path+"/negotiate", h)
	if path == "" {
		path = "/{$}"
	}
	mux.Handle(path, h)
}

// Handler serves hub to SignalR clients: negotiations where a request's path
// ends in /negotiate, connections everywhere else. It is safe for concurrent
// use. Connections it has opened end with [parley.Hub.Shutdown], which is to be
// called before the http.Server's.
func Handler(hub *parley.Hub, o *Options) http.Handler {
	if o == nil {
		o = &Options{}
	}
	e := &endpoint{hub: hub, o: *o, protocol: protocol{manner{detailed: o.DetailedErrors}}}
	e.o.MaxMessageBytes = orDefault(o.MaxMessageBytes, 32<<10)
	e.o.ClientTimeout = orDefault(o.ClientTimeout, 30*time.Second)
	e.table.limit = orDefault(o.MaxNegotiations, 65536)
	e.table.timeout = orDefault(o.NegotiationTimeout, 15*time.Second)
	e.http = transport.Options{
		Origins:           o.Origins,
		InsecureAnyOrigin: o.InsecureAnyOrigin,
		MaxMessageBytes:   8 * int64(e.o.MaxMessageBytes),
		WriteTimeout:      o.WriteTimeout,
		CloseTimeout:      o.CloseTimeout,
		Goodbye:           goodbye,
		CloseReply:        func(int) int { return 1000 },
	}
	e.sockets = transport.NewAcceptor(&e.http)
	return e
}

// goodbye words the end in the close frame: 1000 without a reason, as clients
// report everything else as a failure of the transport; 1011 when the server
// failed. The reason has been told in the hub protocol's Close.
func goodbye(code int, _ string) (int, string) {
	if code == 1011 {
		return 1011, ""
	}
	return 1000, ""
}

// endpoint is one mounted hub. All but the table is fixed after construction.
type endpoint struct {
	hub      *parley.Hub
	o        Options
	http     transport.Options
	sockets  *transport.Acceptor
	protocol protocol
	table    table
}

// ServeHTTP implements [http.Handler]. The answers are those of Microsoft's
// server, in the order in which it checks (docs/protocols/signalr.md,
// "Answers over HTTP").
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	upgrade := r.Method == http.MethodGet && isUpgrade(r) && !wantsEvents(r)
	if !upgrade && !transport.Admit(w, r, &e.http, "GET, POST, DELETE, OPTIONS") {
		return
	}
	switch {
	case isNegotiation(r):
		e.negotiate(w, r)
	case upgrade:
		e.connect(w, r)
	case r.Method == http.MethodGet && wantsEvents(r):
		e.refuse(w, r, http.StatusNotFound, "ServerSentEvents transport not supported by this end point type")
	case r.Method == http.MethodGet:
		e.refuse(w, r, http.StatusNotFound, "LongPolling transport not supported by this end point type")
	case r.Method == http.MethodPost:
		e.refuse(w, r, http.StatusMethodNotAllowed, "POST requests are not allowed for WebSocket connections.")
	case r.Method == http.MethodDelete:
		e.refuse(w, r, http.StatusBadRequest, "Cannot terminate this connection using the DELETE endpoint.")
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		answer(w, http.StatusMethodNotAllowed, "")
	}
}

// refuse answers a request that only a transport other than WebSocket could
// have served.
func (e *endpoint) refuse(w http.ResponseWriter, r *http.Request, status int, why string) {
	token := query(r, "id")
	if token == "" {
		answer(w, http.StatusBadRequest, "Connection ID required")
		return
	}
	if !e.table.has(token) {
		answer(w, http.StatusNotFound, unknownID)
		return
	}
	answer(w, status, why)
}

const unknownID = "No Connection with that ID"

// wantsEvents tells whether the client accepts exactly text/event-stream, as
// the server-sent events transport asks for it.
func wantsEvents(r *http.Request) bool {
	for _, list := range r.Header["Accept"] {
		if slices.ContainsFunc(strings.Split(list, ","), func(t string) bool {
			return strings.EqualFold(strings.TrimSpace(t), "text/event-stream")
		}) {
			return true
		}
	}
	return false
}

func isUpgrade(r *http.Request) bool { return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") }

// query is a parameter of the URL; names do not depend on case.
func query(r *http.Request, name string) string {
	for key, values := range r.URL.Query() {
		if strings.EqualFold(key, name) {
			return strings.Join(values, ",")
		}
	}
	return ""
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	w.Write([]byte(text)) // a client that has gone needs no answer
}
