package plain

import (
	"net/http"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// Options configures an endpoint. Nil means all defaults.
type Options struct {
	// Origins are the origins whose pages may connect besides those of the
	// server's own host: "https://example.com", "*.example.com". Empty means
	// none.
	Origins []string
	// InsecureAnyOrigin lets the pages of every origin connect, with the
	// cookies of their visitors. False means that Origin is checked.
	InsecureAnyOrigin bool
	// MaxMessageBytes bounds a message over WebSocket, and the body of a POST.
	// Zero means 64 KiB.
	MaxMessageBytes int64
	// MaxSessions bounds the connections that exist at one time over
	// EventSource and polling. Zero means 65,536.
	MaxSessions int
	// WriteTimeout bounds one write to a client. Zero means 10 seconds.
	WriteTimeout time.Duration
	// CloseTimeout bounds a goodbye. Zero means 5 seconds.
	CloseTimeout time.Duration
	// LegacyDrafts has the WebSocket also speak drafts of its protocol, one of
	// which endangers those who use it: read in websocket.AcceptOptions. False
	// means that only RFC 6455 is spoken.
	LegacyDrafts bool
	// Draft76 are further choices for draft 76, a &websocket.Draft76{…}. Nil means
	// the defaults.
	Draft76 *transport.Draft76
	// PollWait is how long a poll waits for a message. Zero means 25 seconds.
	PollWait time.Duration
	// PollIdle ends a polling connection when so long no poll came. Zero means
	// 30 seconds.
	PollIdle time.Duration
}

// Mount serves hub at path of mux. See [Handler].
func Mount(mux *http.ServeMux, path string, hub *parley.Hub, o *Options) {
	mux.Handle(path, Handler(hub, o))
}

// Handler serves hub over WebSocket, EventSource, polling and POST, at
// whatever path it is put. It is safe for concurrent use. Connections it has
// opened end with [parley.Hub.Shutdown], which is to be called before the
// http.Server's.
func Handler(hub *parley.Hub, o *Options) http.Handler {
	if o == nil {
		o = &Options{}
	}
	e := &endpoint{hub: hub, o: *o, sessions: transport.NewTable[posted](o.MaxSessions)}
	e.http = transport.Options{
		Origins:           o.Origins,
		InsecureAnyOrigin: o.InsecureAnyOrigin,
		MaxMessageBytes:   o.MaxMessageBytes,
		WriteTimeout:      o.WriteTimeout,
		CloseTimeout:      o.CloseTimeout,
		LegacyDrafts:      o.LegacyDrafts,
		Draft76:           o.Draft76,
	}
	e.sockets = transport.NewAcceptor(&e.http)
	if e.o.PollIdle == 0 {
		e.o.PollIdle = 30 * time.Second
	}
	return e
}

// endpoint is one mounted hub. It is fixed after construction.
type endpoint struct {
	hub      *parley.Hub
	o        Options
	http     transport.Options
	sockets  *transport.Acceptor
	sessions *transport.Table[posted] // of event streams and polls
}

// methods are what an endpoint answers.
const methods = "GET, POST, DELETE, OPTIONS"

// ServeHTTP implements [http.Handler].
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if transport.IsWebSocket(r) {
		e.serveWebSocket(w, r)
		return
	}
	if !transport.Admit(w, r, &e.http, methods) {
		return
	}
	query := r.URL.Query()
	kind, token := query.Get("transport"), query.Get("session")
	switch {
	case r.Method == http.MethodGet && kind == "poll" && token == "":
		e.openPoll(w, r)
	case r.Method == http.MethodGet && kind == "poll":
		e.poll(w, r, token)
	case r.Method == http.MethodGet && kind == "":
		e.serveEvents(w, r)
	case r.Method == http.MethodGet: // rather than a stream that was not asked for
		writeError(w, http.StatusBadRequest, "malformed", `the only "transport" to be named is "poll"`)
	case r.Method == http.MethodPost && token == "":
		e.serveOnce(w, r)
	case r.Method == http.MethodPost:
		e.post(w, r, token)
	case r.Method == http.MethodDelete:
		e.end(w, token)
	default:
		w.Header().Set("Allow", methods)
		writeError(w, http.StatusMethodNotAllowed, "method", "this address answers "+methods)
	}
}

// poll is a further poll of a session.
func (e *endpoint) poll(w http.ResponseWriter, r *http.Request, token string) {
	pipe, _ := e.sessions.Get(token)
	polls, ok := pipe.(*transport.Poll)
	if !ok || polls.Serve(w, r) == transport.ErrGone {
		unknownSession(w)
	}
}

// post hands up the messages of a body, all or, when one of them is malformed,
// none.
func (e *endpoint) post(w http.ResponseWriter, r *http.Request, token string) {
	pipe, found := e.sessions.Get(token)
	if !found {
		unknownSession(w)
		return
	}
	messages, ok := e.readMessages(w, r, protocol{})
	if !ok {
		return
	}
	for _, m := range messages {
		if pipe.Receive(m, false) != nil {
			unknownSession(w)
			return
		}
	}
	w.WriteHeader(http.StatusAccepted)
}

// end is a client's goodbye.
func (e *endpoint) end(w http.ResponseWriter, token string) {
	pipe, found := e.sessions.Get(token)
	if !found {
		unknownSession(w)
		return
	}
	e.sessions.Remove(token) // the pipe forgets it too, but not before its last request is done
	pipe.CloseNow()
	w.WriteHeader(http.StatusNoContent)
}

func unknownSession(w http.ResponseWriter) {
	writeError(w, http.StatusNotFound, "unknown_session", "there is no such session, or it has ended")
}

func unavailable(w http.ResponseWriter, code, message string) {
	w.Header().Set("Retry-After", "5")
	writeError(w, http.StatusServiceUnavailable, code, message)
}

// writeError answers a request with an error message.
func writeError(w http.ResponseWriter, status int, code, message string) {
	writeHeader(w, status, jsonType)
	line := appendAnswer(nil, &wire.Message{Kind: wire.Result, Err: &wire.Error{Code: code, Message: message}})
	w.Write(append(line, '\n')) // the client may be gone; there is nobody else to tell
}

const jsonType = "application/json; charset=utf-8"

func writeHeader(w http.ResponseWriter, status int, contentType string) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
}
