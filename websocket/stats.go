package websocket

import (
	"encoding/json"
	"strconv"
	"sync"
	"sync/atomic"
)

// Stats counts what the connections that were given it do. The zero value is
// ready; one Stats may serve any number of endpoints. It is safe for concurrent
// use, and is an expvar.Var.
//
// Frames and bytes are added up once per read and once per write, so a snapshot
// may lag behind by a batch.
type Stats struct {
	opened              [versions]atomic.Int64
	open                atomic.Int64
	framesIn, bytesIn   atomic.Int64
	framesOut, bytesOut atomic.Int64
	messagesIn          atomic.Int64
	drops               [reasons]atomic.Int64
	closed              sync.Map // StatusCode → *atomic.Int64
}

// Snapshot is what a [Stats] has counted so far.
type Snapshot struct {
	Opened     int64 // connections since the beginning
	Open       int64 // connections now
	FramesIn   int64 // of any kind, also fragments
	FramesOut  int64
	MessagesIn int64 // whole ones
	BytesIn    int64 // as they were on the wire, without TLS
	BytesOut   int64

	// Drops counts what was refused or given up, by reason: the names of the
	// limits that were met ("message_bytes", "queue_bytes", "conns_per_address", …),
	// "origin", "host" and "handshake" for connections that did not come about,
	// "protocol", "utf8" and "deflate" for peers that broke a rule, "network" for
	// connections lost.
	Drops map[string]int64

	// Versions counts connections since the beginning by the version of the protocol,
	// as [Conn.Version] names it.
	Versions map[string]int64

	// Closed counts connections by the status they ended with: the peer's, or
	// ours if the peer's close frame did not come first; 1006 without any.
	Closed map[StatusCode]int64
}

// reason says why something was given up. Every limit has one.
type reason uint8

const (
	dropNone reason = iota
	dropMessageBytes
	dropFrameBytes
	dropFragments
	dropEmptyFragments
	dropControlFrames
	dropPendingPongs
	dropHeaderBytes
	dropHandshakeTimeout
	dropWriteTimeout
	dropCloseTimeout
	dropQueueBytes
	dropConnsPerAddress
	dropOrigin
	dropHost
	dropHandshake
	dropProtocol
	dropUTF8
	dropDeflate
	dropNetwork
	reasons
)

var reasonNames = [reasons]string{
	"", "message_bytes", "frame_bytes", "fragments", "empty_fragments", "control_frames", "pending_pongs",
	"header_bytes", "handshake_timeout", "write_timeout", "close_timeout", "queue_bytes", "conns_per_address",
	"origin", "host", "handshake", "protocol", "utf8", "deflate", "network",
}

// Snapshot returns what has been counted.
func (s *Stats) Snapshot() Snapshot {
	snap := Snapshot{
		Open:     s.open.Load(),
		FramesIn: s.framesIn.Load(), FramesOut: s.framesOut.Load(), MessagesIn: s.messagesIn.Load(),
		BytesIn: s.bytesIn.Load(), BytesOut: s.bytesOut.Load(),
		Drops: make(map[string]int64), Closed: make(map[StatusCode]int64), Versions: make(map[string]int64),
	}
	for v := range s.opened {
		if n := s.opened[v].Load(); n > 0 {
			snap.Versions[versionNames[v]] = n
			snap.Opened += n
		}
	}
	for r := range s.drops {
		if n := s.drops[r].Load(); n > 0 {
			snap.Drops[reasonNames[r]] = n
		}
	}
	for code, n := range s.closed.Range {
		snap.Closed[code.(StatusCode)] = n.(*atomic.Int64).Load()
	}
	return snap
}

// String returns the snapshot as JSON, as package expvar wants it.
func (s *Stats) String() string {
	b, err := json.Marshal(s.Snapshot())
	if err != nil {
		return strconv.Quote(err.Error())
	}
	return string(b)
}

func (s *Stats) drop(r reason) {
	if s != nil && r != dropNone {
		s.drops[r].Add(1)
	}
}

func (s *Stats) connOpened(v version) {
	if s != nil {
		s.opened[v].Add(1)
		s.open.Add(1)
	}
}

func (s *Stats) connClosed(code StatusCode) {
	if s == nil {
		return
	}
	s.open.Add(-1)
	n, ok := s.closed.Load(code)
	if !ok {
		n, _ = s.closed.LoadOrStore(code, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}

func (s *Stats) received(messages, frames, bytes int64) {
	if s != nil {
		s.messagesIn.Add(messages)
		s.framesIn.Add(frames)
		s.bytesIn.Add(bytes)
	}
}

func (s *Stats) sent(frames, bytes int64) {
	if s != nil {
		s.framesOut.Add(frames)
		s.bytesOut.Add(bytes)
	}
}
