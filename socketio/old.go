package socketio

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/socketio/internal/protocol1"
)

// newOld makes the server of the clients of Socket.IO 0.9; nil when they are not
// wanted. They are told to wait for a heartbeat a little longer than it takes:
// 60 seconds, as their own server says, for one every 25.
func (srv *Server) newOld(o *Options, t transport.Options) *protocol1.Server {
	if !o.Protocol1 {
		return nil
	}
	interval := cmp.Or(o.PingInterval, 25*time.Second)
	t.MaxMessageBytes = cmp.Or(o.MaxHTTPBufferSize, 1e6)
	old := protocol1.Options{
		HeartbeatInterval: interval,
		HeartbeatTimeout:  interval + 35*time.Second,
		CloseTimeout:      time.Minute,
		PollingDuration:   20 * time.Second,
		MaxSessions:       cmp.Or(o.MaxSessions, 1<<16),
		MaxNamespaces:     srv.maxNamespaces,
		MaxPackets:        cmp.Or(o.MaxPackets, 1<<16),
		Transports:        oldTransports(o),
		Transport:         t,
		NewID:             srv.ids.New,
		Middleware:        o.Middleware,
		Hub:               srv.oldHub,
	}
	if o.AllowRequest != nil {
		old.AllowRequest = func(r *http.Request) error { return oldRefusal(o.AllowRequest(r)) }
	}
	if o.Dynamic != nil {
		old.Seek = srv.oldSeek
	}
	return protocol1.NewServer(old)
}

// oldTransports names the transports as old clients know them.
func oldTransports(o *Options) (names []string) {
	if o.Transports == nil || slices.Contains(o.Transports, "websocket") {
		names = append(names, protocol1.WebSocket)
	}
	if o.Transports != nil && !slices.Contains(o.Transports, "polling") {
		return names
	}
	names = append(names, protocol1.XHRPolling)
	if o.JSONP {
		names = append(names, protocol1.JSONPPolling)
	}
	return names
}

// oldRefusal is what an old client is told about the error of AllowRequest.
func oldRefusal(err error) error {
	var meant *parley.Error
	if err == nil || errors.As(err, &meant) {
		return err
	}
	return errors.New("handshake unauthorized")
}

// oldHub finds the hub of a namespace that Options names.
func (srv *Server) oldHub(name string) *parley.Hub {
	if ns := srv.namespaces.fixed[name]; ns != nil {
		return ns.hub
	}
	return nil
}

// oldSeek finds that of any other.
func (srv *Server) oldSeek(r *http.Request, name string) (hub *parley.Hub, left func()) {
	srv.namespaces.begin(name)
	defer srv.namespaces.end(name)
	hub, err := srv.namespaces.seek(r, name)
	var meant *parley.Error
	if err != nil && !errors.As(err, &meant) {
		srv.log().Error("socketio: Options.Dynamic failed", "namespace", name, "error", err)
	}
	if err != nil || hub == nil {
		return nil, nil
	}
	ns := srv.namespaces.enter(name, hub)
	return hub, func() { srv.namespaces.leave(ns) }
}

// isOld tells whether r is for the server of old clients. All others name their
// protocol in the query.
func (srv *Server) isOld(r *http.Request) bool {
	return srv.old != nil && protocol1.Serves(r.URL.Path) && !r.URL.Query().Has("EIO")
}
