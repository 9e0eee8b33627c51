package parley

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/parley-go/parley/internal/wheel"
	"github.com/parley-go/parley/wire"
)

// core is what a [Hub] and a [Client] have in common: what their sessions
// need.
type core struct {
	// fixed after construction
	limits  Limits
	log     *slog.Logger
	wheel   *wheel.Wheel
	start   time.Time
	ctx     context.Context // ends when the hub or client gives up waiting for its handlers
	cancel  context.CancelFunc
	enter   func(*Session)              // a session may be found from now on
	leave   func(*Session)              // and no longer
	gone    func(*Session, error, bool) // the last act of a session; whether it was ever connected
	peerBye func(wire.Goodbye)          // the peer said goodbye; nil on a hub

	connectHook atomic.Pointer[func(context.Context, *Conn) error]

	handlers registry
	stats    counters
	asked    atomic.Uint64 // calls and streams of this side
	sessions sync.WaitGroup
}

// Limits bounds what one connection may cost. The zero value of each field
// means its default.
type Limits struct {
	// QueueBytes and QueueMessages bound what waits to be written to one
	// connection. A message that finds the queue full closes the connection
	// with ErrSlow, unless its Audience says DropOldest or KeepLatest. While
	// one batch is being written, as much again may be on its way. The
	// defaults are 1 MiB and 16,384.
	QueueBytes, QueueMessages int
	// Parallelism is how many calls of one connection run at a time; streams,
	// calls that bring streams, and handlers that have asked a client with
	// their own ctx do not count, up to Streams of them. The default, 1, keeps
	// a connection's calls in order.
	Parallelism int
	// WaitingCalls and WaitingBytes bound the calls of one connection that
	// wait for their turn. At the limit its pipe is not read until half of
	// them are done. While it is asked something, four times as many may wait,
	// for its answer comes behind them. The defaults are 256 and 1 MiB.
	WaitingCalls, WaitingBytes int
	// Streams bounds the streams that one connection runs at a time, and those
	// that its calls have brought. The default is 64 of each.
	Streams int
	// UploadItems is how many values of a stream that a call has brought may
	// wait for its handler. With one more the connection's pipe is not read. The
	// default is 10.
	UploadItems int
	// Groups bounds the groups one connection may be in. The default is 1,024.
	Groups int
	// KeepAlive is the time between two pings. The default is 15 seconds.
	KeepAlive time.Duration
	// IdleTimeout closes a connection of which nothing was heard for so long.
	// The default is 45 seconds.
	IdleTimeout time.Duration
	// Grace is how long the calls of a client that has said goodbye, or to
	// which the hub has, may go on: what it said last is not lost. Then their
	// contexts end. The calls of a client that was lost end at once, streams
	// always. The default is 5 seconds; negative means none.
	Grace time.Duration
	// AskTimeout bounds a call to a client whose context has no deadline. The
	// default is 30 seconds.
	AskTimeout time.Duration
}

func (l *Limits) fill() {
	l.QueueBytes = orDefault(l.QueueBytes, 1<<20)
	l.QueueMessages = orDefault(l.QueueMessages, 16384)
	l.Parallelism = max(l.Parallelism, 1)
	l.WaitingCalls = orDefault(l.WaitingCalls, 256)
	l.WaitingBytes = orDefault(l.WaitingBytes, 1<<20)
	l.Streams = orDefault(l.Streams, 64)
	l.UploadItems = orDefault(l.UploadItems, 10)
	l.Groups = orDefault(l.Groups, 1024)
	l.KeepAlive = orDefault(l.KeepAlive, 15*time.Second)
	l.IdleTimeout = orDefault(l.IdleTimeout, 45*time.Second)
	l.Grace = orDefault(l.Grace, 5*time.Second)
	l.AskTimeout = orDefault(l.AskTimeout, 30*time.Second)
}

// onConnect is the hook of the moment, or nil.
func (c *core) onConnect() func(context.Context, *Conn) error {
	if hook := c.connectHook.Load(); hook != nil {
		return *hook
	}
	return nil
}

func orDefault[T int | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}

func newCore(l Limits, log *slog.Logger) *core {
	l.fill()
	if log == nil {
		log = slog.Default()
	}
	c := &core{limits: l, log: log, wheel: wheel.New(100 * time.Millisecond), start: time.Now()}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// NewID returns 128 random bits as 22 characters of URL-safe base64.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// cut shortens a close reason to the 123 bytes that RFC 6455 §5.5 leaves it.
func cut(reason string) string {
	if len(reason) <= 123 {
		return reason
	}
	reason = reason[:123]
	for len(reason) > 0 && !utf8.ValidString(reason) {
		reason = reason[:len(reason)-1]
	}
	return reason
}
