package engineio

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// Streams is the way in for a transport that another package brings along,
// such as WebTransport. What it makes is a pipe; whom that is for, the client
// says in its first packet, which the transport reads.
type Streams struct {
	// fixed after construction
	server *Server

	MaxMessageBytes int64         // of one message; more is an error
	FirstPacket     time.Duration // for the client to say what it wants
	WriteTimeout    time.Duration // of one write; zero means the transport's default
	CloseTimeout    time.Duration // of a goodbye; zero means the transport's default
	Silence         time.Duration // after which the heartbeat has ended a connection
}

// Streams offers a transport to clients that begin by polling. The name is that
// of its pipes. It is to be called before the first request is served.
func (srv *Server) Streams(name string) *Streams {
	o := &srv.o
	if !slices.Contains(srv.streams, name) {
		srv.streams = append(srv.streams, name)
	}
	return &Streams{
		server:          srv,
		MaxMessageBytes: o.MaxHTTPBufferSize,
		FirstPacket:     o.UpgradeTimeout,
		WriteTimeout:    o.Transport.WriteTimeout,
		CloseTimeout:    o.Transport.CloseTimeout,
		Silence:         o.PingInterval + o.PingTimeout,
	}
}

// CheckOrigin returns an error unless the request may come from the page that
// sent it.
func (st *Streams) CheckOrigin(r *http.Request) error {
	return transport.CheckOrigin(r, &st.server.o.Transport)
}

// The reasons why there is no connection for a pipe.
var (
	ErrFull      = errors.New("engineio: too many connections")
	ErrNoSession = errors.New("engineio: no connection that polls has this ID")
)

// Open begins a connection, of protocol 4, on a pipe. The Receiver gets what comes
// in by it; on an error the pipe is not used, and its owner closes it. r is the
// request that the pipe began with.
func (st *Streams) Open(r *http.Request, pipe wire.Pipe) (wire.Receiver, error) {
	srv := st.server
	if allow := srv.o.AllowRequest; allow != nil {
		if err := allow(r); err != nil {
			return nil, err
		}
	}
	s := srv.newSocket(4)
	if !srv.add(s) {
		return nil, ErrFull
	}
	first := sayOpen
	if srv.o.InitialPacket != "" {
		first |= sayInitial
	}
	l := s.attach(pipe, plain, first)
	if err := s.open(r); err != nil {
		return nil, err
	}
	return l, nil
}

// Upgrade moves a connection that polls to a pipe, when the client has probed
// it (§3.5). Everything else is as in Open.
func (st *Streams) Upgrade(id string, pipe wire.Pipe) (wire.Receiver, error) {
	s := st.server.find(id)
	if s == nil || s.protocol != 4 || st.server.o.NoUpgrades {
		return nil, ErrNoSession
	}
	l := s.beginChange(plain).attach(pipe)
	if l == nil {
		return nil, ErrNoSession
	}
	return l, nil
}
