package socketio

import (
	"cmp"
	"net/http"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/socketio/internal/engineio"
)

// Server serves hubs to Socket.IO clients, as an [http.Handler] at whatever
// path it is put; clients look for it at "/socket.io/". It is safe for
// concurrent use. Connections it has opened end with [parley.Hub.Shutdown],
// which is to be called before the http.Server's.
type Server struct {
	// fixed after construction
	hub            *parley.Hub
	connectTimeout time.Duration
	engine         *engineio.Server
	ids            engineio.IDs
	files          *clientFiles // nil: none are served
}

// NewServer makes a server whose main namespace, "/", is hub.
func NewServer(hub *parley.Hub, o *Options) *Server {
	if o == nil {
		o = &Options{}
	}
	srv := &Server{hub: hub, connectTimeout: cmp.Or(o.ConnectTimeout, 45*time.Second)}
	engine := srv.engineOptions(o)
	srv.engine = engineio.NewServer(engine)
	srv.files = newClientFiles(o.ServeClient, &engine.Transport)
	return srv
}

// ServeHTTP implements [http.Handler].
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !srv.files.serve(w, r) {
		srv.engine.ServeHTTP(w, r)
	}
}

func (srv *Server) engineOptions(o *Options) engineio.Options {
	return engineio.Options{
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
		New: func(s *engineio.Socket) engineio.Upper { return &peer{server: srv, engine: s} },
	}
}
