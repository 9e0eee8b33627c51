package webtransport

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/parley-go/parley/socketio"
	"github.com/parley-go/parley/socketio/internal/engineio"
	"github.com/parley-go/parley/wire"
)

// Options configures a Server. Nil means all defaults. What else applies, such as
// Origins, MaxHTTPBufferSize or WriteTimeout, is an option of the endpoint.
type Options struct {
	// MaxOpening bounds the sessions whose clients have yet to send their first
	// packet, for which they have the endpoint's UpgradeTimeout; further ones are
	// answered with status 503. Zero means 1,000.
	MaxOpening int
}

// Server lets the WebTransport sessions of an HTTP/3 server in to an endpoint.
// It is an [http.Handler] for the endpoint's path, and for its other requests
// too, whatever version of HTTP they come by. It is safe for concurrent use.
type Server struct {
	// fixed after construction
	endpoint   *socketio.Server
	streams    *engineio.Streams
	sessions   webtransport.Server
	maxOpening int64

	opening atomic.Int64 // sessions without a first packet
}

// New makes a server of endpoint. Before the first request it is to be called and
// put into the handler of the endpoint's path; a nil h3.Handler becomes it. Where
// h3.QUICConfig is nil, it is one that bounds what a client can make the server
// keep: 1 MB of a stream, 2 MB of a connection.
func New(endpoint *socketio.Server, h3 *http3.Server, o *Options) *Server {
	if o == nil {
		o = &Options{}
	}
	srv := &Server{
		endpoint:   endpoint,
		streams:    endpoint.Streams("webtransport"),
		maxOpening: int64(cmp.Or(o.MaxOpening, 1000)),
	}
	if h3.Handler == nil {
		h3.Handler = srv
	}
	if h3.QUICConfig == nil {
		h3.QUICConfig = &quic.Config{
			MaxIdleTimeout:             max(30*time.Second, 2*srv.streams.Silence),
			MaxStreamReceiveWindow:     1 << 20,
			MaxConnectionReceiveWindow: 2 << 20,
		}
	}
	srv.sessions.H3 = h3
	srv.sessions.CheckOrigin = func(*http.Request) bool { return true } // ServeHTTP has checked it
	webtransport.ConfigureHTTP3Server(h3)
	return srv
}

// ListenAndServe answers what comes in at the HTTP/3 server's address, until
// Close.
func (srv *Server) ListenAndServe() error { return srv.sessions.ListenAndServe() }

// Serve answers what comes in by conn, until Close. It does not close conn.
func (srv *Server) Serve(conn net.PacketConn) error { return srv.sessions.Serve(conn) }

// Close ends the HTTP/3 server with all its connections, at once. To say goodbye
// to them, call [parley.Hub.Shutdown] before it.
func (srv *Server) Close() error { return srv.sessions.Close() }

// ServeHTTP implements [http.Handler].
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.ProtoMajor != 3 {
		srv.endpoint.ServeHTTP(w, r)
		return
	}
	if srv.streams.CheckOrigin(r) != nil {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	session, p := srv.accept(w, r)
	if p != nil {
		p.serve()
	}
	if session != nil {
		session.CloseWithError(0, "")
	}
}

// accept lets a session in as far as its first packet. It returns no pipe where
// that opens nothing, and no session where the request has been answered.
func (srv *Server) accept(w http.ResponseWriter, r *http.Request) (*webtransport.Session, *pipe) {
	defer srv.opening.Add(-1)
	if srv.opening.Add(1) > srv.maxOpening {
		w.WriteHeader(http.StatusServiceUnavailable)
		return nil, nil
	}
	session, err := srv.sessions.Upgrade(w, r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return nil, nil
	}
	p, err := srv.open(session, r)
	if err != nil {
		return session, nil
	}
	return session, p
}

// open waits for the client's one stream and its first packet, which opens a
// connection or upgrades one.
func (srv *Server) open(session *webtransport.Session, r *http.Request) (*pipe, error) {
	ctx, cancel := context.WithTimeout(session.Context(), srv.streams.FirstPacket)
	defer cancel()
	stream, err := session.AcceptStream(ctx)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	stream.SetReadDeadline(deadline)
	st := srv.streams
	p := newPipe(session.Context(), stream, &limits{st.MaxMessageBytes, st.WriteTimeout, st.CloseTimeout})
	id, err := p.first()
	if err != nil {
		return nil, err
	}
	stream.SetReadDeadline(time.Time{})
	return p, srv.join(p, id, r)
}

func (srv *Server) join(p *pipe, id string, r *http.Request) (err error) {
	var rcv wire.Receiver
	if id == "" {
		rcv, err = srv.streams.Open(r, p)
	} else {
		rcv, err = srv.streams.Upgrade(id, p)
	}
	if err == nil {
		p.begin(rcv)
	}
	return err
}
