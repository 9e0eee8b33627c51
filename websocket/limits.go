package websocket

import (
	"cmp"
	"errors"
	"math"
	"net/netip"
	"sync"
	"time"
)

// Limits bounds what a peer may ask of this end. Zero in a field means its
// default; a nil *Limits means all defaults. The same Limits may serve any number
// of endpoints, whose connections are then counted together; it must not be
// changed or copied once it is in use.
type Limits struct {
	// MessageBytes limits a message from the peer, over all its fragments and
	// after inflating. Beyond it the connection is closed with status 1009.
	// Zero means 1 MiB.
	MessageBytes int64

	// FrameBytes limits the payload of one frame (status 1009). Zero means no
	// limit but that of the message.
	FrameBytes int64

	// Fragments limits the frames of one message (status 1008): many tiny ones
	// cost far more than their bytes. Zero means 16,384.
	Fragments int

	// EmptyFragments limits those that carry nothing at all (status 1008). Zero
	// means 256.
	EmptyFragments int

	// ControlFrames limits pings and pongs per second (status 1008). Zero means
	// 1,000.
	ControlFrames int

	// PendingPongs limits the pongs that wait for a peer which does not read.
	// Beyond it only the latest ping is answered, as RFC 6455 §5.5.3 allows.
	// Zero means 60.
	PendingPongs int

	// HeaderBytes limits the headers of a handshake: the request's on a server
	// (status 431), on top of what net/http allows, the answer's on a client.
	// Zero means 32 KiB.
	HeaderBytes int

	// QueueBytes limits what waits for a slow peer, as sent by Send and by a Set.
	// The message that would go beyond it fails with [ErrSlow], and the connection
	// is hung up on: nothing more can be said to a peer that takes nothing. A message
	// may be longer than this when nothing waits before it. Zero means 1 MiB.
	QueueBytes int

	// HandshakeTimeout limits Dial as a whole: connecting, TLS and the opening
	// handshake. On a server net/http's ReadHeaderTimeout limits the request, and
	// this the writing of the answer, and the reading of what draft 76 has behind
	// the request. Zero means 10 s.
	HandshakeTimeout time.Duration

	// WriteTimeout is how long the peer may take nothing of what is waiting for
	// it, give or take a quarter, before the connection is closed. Zero means 10 s.
	WriteTimeout time.Duration

	// CloseTimeout is how long a closing handshake may take. Zero means 5 s.
	CloseTimeout time.Duration

	// ConnsPerAddress limits the connections a server has with one address at a
	// time (429). The address is the request's RemoteAddr, with or without a port:
	// behind a proxy it is the proxy's for all, unless package forwarded is told
	// whom to believe. Zero means no limit.
	ConnsPerAddress int

	once   sync.Once
	filled bounds

	mu    sync.Mutex
	conns map[netip.Addr]int
}

// bounds are Limits with the defaults filled in: what a connection goes by. They
// are shared by all connections of the same Limits and never change.
type bounds struct {
	message, frame int64
	fragments      int32
	empties        int32
	controls       int32
	pongs          int32
	queue          int
	write, close   time.Duration
}

// defaults are what a nil *Limits means.
var defaults Limits

func (l *Limits) bounds() *bounds {
	if l == nil {
		l = &defaults
	}
	l.once.Do(l.fill)
	return &l.filled
}

func (l *Limits) fill() {
	message := min(positive(l.MessageBytes, 1<<20), math.MaxInt64>>1)
	l.filled = bounds{
		message:   message,
		frame:     min(positive(l.FrameBytes, message), message),
		fragments: count(l.Fragments, 16<<10),
		empties:   count(l.EmptyFragments, 256),
		controls:  count(l.ControlFrames, 1000),
		pongs:     count(l.PendingPongs, 60),
		queue:     positive(l.QueueBytes, 1<<20),
		write:     positive(l.WriteTimeout, 10*time.Second),
		close:     positive(l.CloseTimeout, 5*time.Second),
	}
}

// count is positive for what is counted in 32 bits.
func count(v, otherwise int) int32 { return int32(min(positive(v, otherwise), math.MaxInt32)) }

// positive is v, or otherwise if v is not above zero.
func positive[T int | int64 | time.Duration](v, otherwise T) T {
	return cmp.Or(max(v, 0), otherwise)
}

func (l *Limits) headerBytes() int {
	if l == nil {
		return 32 << 10
	}
	return positive(l.HeaderBytes, 32<<10)
}

func (l *Limits) handshakeTimeout() time.Duration {
	if l == nil {
		return 10 * time.Second
	}
	return positive(l.HandshakeTimeout, 10*time.Second)
}

var errAddressFull = errors.New("too many connections from this address")

// admit counts a connection from addr. The one that was admitted calls leave.
func (l *Limits) admit(addr netip.Addr) error {
	if l == nil || l.ConnsPerAddress <= 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns[addr] >= l.ConnsPerAddress {
		return errAddressFull
	}
	if l.conns == nil {
		l.conns = make(map[netip.Addr]int)
	}
	l.conns[addr]++
	return nil
}

func (l *Limits) leave(addr netip.Addr) {
	if l == nil || l.ConnsPerAddress <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns[addr]--; l.conns[addr] <= 0 {
		delete(l.conns, addr)
	}
}
