package socketio

import (
	"cmp"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/internal/wheel"
	"github.com/parley-go/parley/socketio/internal/engineio"
	"github.com/parley-go/parley/socketio/internal/protocol1"
)

const (
	pingEvery  = 25 * time.Second
	pongWithin = 20 * time.Second
)

// Server serves hubs to Socket.IO clients, as an [http.Handler] at whatever
// path it is put; clients look for it at "/socket.io/". It is safe for
// concurrent use. Connections it has opened end with [parley.Hub.Shutdown],
// which is to be called before the http.Server's.
type Server struct {
	// fixed after construction
	hub            *parley.Hub
	namespaces     namespaces
	maxNamespaces  int
	connectTimeout time.Duration
	engine         *engineio.Server
	ids            engineio.IDs
	wheel          *wheel.Wheel
	began          time.Time
	files          *clientFiles      // nil: none are served
	old            *protocol1.Server // nil: they are refused

	mu      sync.Mutex
	waiting map[*peer]struct{} // those that have joined nothing
	stopped bool               // the main hub is shut down
}

// NewServer makes a server whose main namespace, "/", is hub.
func NewServer(hub *parley.Hub, o *Options) *Server {
	if o == nil {
		o = &Options{}
	}
	srv := &Server{
		hub:            hub,
		maxNamespaces:  cmp.Or(o.MaxNamespaces, 100),
		connectTimeout: cmp.Or(o.ConnectTimeout, 45*time.Second),
		wheel:          wheel.New(wheelTick),
		began:          time.Now(),
		waiting:        make(map[*peer]struct{}),
	}
	srv.namespaces.init(hub, o)
	engine := srv.engineOptions(o)
	srv.engine = engineio.NewServer(engine)
	srv.files = newClientFiles(o.ServeClient, &engine.Transport)
	srv.old = srv.newOld(o, engine.Transport)
	hub.WhenShutdown(srv.stop)
	return srv
}

// stop lets nobody in any more, and those go that have joined nothing. The
// others go with their sessions.
func (srv *Server) stop() {
	srv.mu.Lock()
	srv.stopped = true
	waiting := slices.Collect(maps.Keys(srv.waiting))
	srv.mu.Unlock()
	for _, p := range waiting {
		p.engine.Fail(parley.ErrShutdown)
	}
}

// wait notes a connection that has joined nothing. It tells whether the server
// takes any.
func (srv *Server) wait(p *peer) bool {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if !srv.stopped {
		srv.waiting[p] = struct{}{}
	}
	return !srv.stopped
}

func (srv *Server) waitNoMore(p *peer) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.waiting, p)
}

func (srv *Server) log() *slog.Logger { return srv.hub.Log() }

// ServeHTTP implements [http.Handler].
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case srv.files.serve(w, r):
	case srv.isOld(r):
		srv.old.ServeHTTP(w, r)
	default:
		srv.engine.ServeHTTP(w, r)
	}
}

// Streams is for the packages below this one that bring a transport of their
// own, such as socketio/webtransport: clients that begin by polling are offered
// it from now on. It is to be called before the first request is served.
func (srv *Server) Streams(name string) *engineio.Streams { return srv.engine.Streams(name) }

func (srv *Server) engineOptions(o *Options) engineio.Options {
	compressFrom := max(cmp.Or(o.CompressFromBytes, 1024), 0)
	deflateFrom := 0
	if o.PerMessageDeflate {
		deflateFrom = compressFrom
	}
	return engineio.Options{
		PingInterval:      cmp.Or(o.PingInterval, pingEvery),
		PingTimeout:       cmp.Or(o.PingTimeout, pongWithin),
		UpgradeTimeout:    cmp.Or(o.UpgradeTimeout, 10*time.Second),
		MaxHTTPBufferSize: cmp.Or(o.MaxHTTPBufferSize, 1e6),
		MaxSessions:       cmp.Or(o.MaxSessions, 1<<16),
		MaxPackets:        o.MaxPackets,
		CompressFromBytes: compressFrom,
		RefuseEIO3:        o.RefuseEIO3,
		Transports:        o.Transports,
		NoUpgrades:        o.NoUpgrades,
		JSONP:             o.JSONP,
		Cookie:            stickyCookie(o.Cookie),
		InitialPacket:     o.InitialPacket,
		ASCII:             asciiOnly,
		AllowRequest:      o.AllowRequest,
		Middleware:        o.Middleware,
		Transport: transport.Options{
			Origins:           o.Origins,
			InsecureAnyOrigin: o.InsecureAnyOrigin,
			WriteTimeout:      o.WriteTimeout,
			CloseTimeout:      o.CloseTimeout,
			CompressFromBytes: deflateFrom,
		},
		New: func(s *engineio.Socket) engineio.Upper {
			return &peer{server: srv, engine: s, assembler: assembler{most: narrow(o.MaxAttachments)}}
		},
	}
}

// stickyCookie completes the cookie of the options, which may be nil.
func stickyCookie(o *http.Cookie) *http.Cookie {
	if o == nil {
		return nil
	}
	c := *o
	c.Name, c.Path, c.SameSite = cmp.Or(c.Name, "io"), cmp.Or(c.Path, "/"), cmp.Or(c.SameSite, http.SameSiteLaxMode)
	c.HttpOnly = true // it is a secret
	return &c
}
