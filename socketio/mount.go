package socketio

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/socketio/internal/engineio"
)

// Options configures an endpoint. Nil means all defaults. Names and defaults
// are those of the Node.js server where it has them.
type Options struct {
	// PingInterval is the time between a sign of life and the next ping. Zero
	// means 25 seconds.
	PingInterval time.Duration
	// PingTimeout is how long the client has to answer a ping. Zero means 20
	// seconds.
	PingTimeout time.Duration
	// UpgradeTimeout is how long the change from polls to a WebSocket may
	// take. Zero means 10 seconds.
	UpgradeTimeout time.Duration
	// ConnectTimeout closes a connection that has joined no namespace for so
	// long. Zero means 45 seconds.
	ConnectTimeout time.Duration
	// MaxHTTPBufferSize bounds, in bytes, the body of a POST and a message over
	// WebSocket. Clients are told. Zero means 1,000,000.
	MaxHTTPBufferSize int64
	// Origins are the origins whose pages may connect besides those of the
	// server's own host: "https://example.com", "*.example.com". Empty means
	// none. They get CORS headers that name their origin exactly.
	Origins []string
	// InsecureAnyOrigin lets the pages of every origin connect, with the
	// cookies of their visitors. False means that Origin is checked.
	InsecureAnyOrigin bool
	// MaxSessions bounds the connections that exist at one time; further ones
	// are answered with status 503. Zero means 65,536.
	MaxSessions int
	// WriteTimeout bounds one write to a client. Zero means 10 seconds.
	WriteTimeout time.Duration
	// CloseTimeout bounds a goodbye. Zero means 5 seconds over WebSocket, and 30
	// seconds for a poll to fetch it.
	CloseTimeout time.Duration
}

// Mount serves hub at path of mux; empty means "/socket.io/". See [Handler].
func Mount(mux *http.ServeMux, path string, hub *parley.Hub, o *Options) {
	path = cmp.Or(path, "/socket.io/")
	handler := Handler(hub, o)
	mux.Handle(path, handler)
	if bare := strings.TrimSuffix(path, "/"); bare != path && bare != "" {
		mux.Handle(bare, handler) // the client's option addTrailingSlash: false
	}
}

// Handler serves hub to Socket.IO clients, at whatever path it is put; clients
// look for it at "/socket.io/". It is safe for concurrent use. Connections it
// has opened end with [parley.Hub.Shutdown], which is to be called before the
// http.Server's.
func Handler(hub *parley.Hub, o *Options) http.Handler {
	if o == nil {
		o = &Options{}
	}
	ids, connectTimeout := &engineio.IDs{}, cmp.Or(o.ConnectTimeout, 45*time.Second)
	return engineio.NewServer(engineio.Options{
		PingInterval:      cmp.Or(o.PingInterval, 25*time.Second),
		PingTimeout:       cmp.Or(o.PingTimeout, 20*time.Second),
		UpgradeTimeout:    cmp.Or(o.UpgradeTimeout, 10*time.Second),
		MaxHTTPBufferSize: cmp.Or(o.MaxHTTPBufferSize, 1e6),
		MaxSessions:       cmp.Or(o.MaxSessions, 1<<16),
		Transport: transport.Options{
			Origins:           o.Origins,
			InsecureAnyOrigin: o.InsecureAnyOrigin,
			WriteTimeout:      o.WriteTimeout,
			CloseTimeout:      o.CloseTimeout,
		},
		New: func(s *engineio.Socket) engineio.Upper {
			return &peer{hub: hub, ids: ids, connectTimeout: connectTimeout, engine: s}
		},
	})
}
