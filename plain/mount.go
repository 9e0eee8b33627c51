package plain

import (
	"net/http"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
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
	return &endpoint{hub: hub, o: *o, http: transport.Options{
		Origins:           o.Origins,
		InsecureAnyOrigin: o.InsecureAnyOrigin,
		MaxMessageBytes:   o.MaxMessageBytes,
		WriteTimeout:      o.WriteTimeout,
		CloseTimeout:      o.CloseTimeout,
	}}
}

// endpoint is one mounted hub. It is fixed after construction.
type endpoint struct {
	hub  *parley.Hub
	o    Options
	http transport.Options
}

// ServeHTTP implements [http.Handler].
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.serveWebSocket(w, r)
}

func (e *endpoint) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	pipe, err := transport.AcceptWebSocket(w, r, &e.http)
	if err != nil {
		return // the request has been answered
	}
	l := &link{}
	if l.session, err = e.hub.NewSession(r, pipe, nil); err != nil {
		pipe.Refuse(1001, err.Error())
		return
	}
	l.session.Open(parley.Opening{
		Protocol:   protocol{},
		Welcome:    appendOpen(nil, l.session.ID(), ""),
		Refusal:    refusal,
		PingPipe:   true,
		CallPrefix: "s",
	})
	pipe.Run(l)
}
