package signalr

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/parley-go/parley"
)

// Transports is a set of ways to connect. Zero means all of them.
type Transports uint8

// The ways to connect, in the order in which clients try them.
const (
	WebSockets Transports = 1 << iota
	ServerSentEvents
	LongPolling
)

// has tells whether one is in the set.
func (t Transports) has(one Transports) bool { return t == 0 || t&one != 0 }

// all are the transports there are.
const all = WebSockets | ServerSentEvents | LongPolling

// String is the wire's name of one transport.
func (t Transports) String() string {
	switch t {
	case WebSockets:
		return "WebSockets"
	case ServerSentEvents:
		return "ServerSentEvents"
	case LongPolling:
		return "LongPolling"
	}
	return "several"
}

// Options configures an endpoint. Nil means all defaults, which are those of
// Microsoft's server; its names stand in brackets.
type Options struct {
	// Origins are the origins whose pages may connect besides those of the
	// server's own host: "https://example.com", "*.example.com". Empty means
	// none (CORS middleware).
	Origins []string
	// InsecureAnyOrigin lets the pages of every origin connect, with the
	// cookies of their visitors. False means that Origin is checked.
	InsecureAnyOrigin bool
	// Transports are the ways to connect (Transports). Zero means all.
	Transports Transports
	// Protocols are the hub protocols that clients may choose from
	// (SupportedProtocols). Empty means all: "json" and "messagepack".
	Protocols []string
	// JSONNames says how the properties of Go structs are named in JSON
	// (JsonHubProtocolOptions.PayloadSerializerOptions). Zero means in camelCase.
	JSONNames JSONNames
	// MaxMessageBytes bounds one message of the hub protocol, its separator
	// included, and the handshake (MaximumReceiveMessageSize). Zero means 32
	// KiB.
	MaxMessageBytes int
	// MaxBatchBytes bounds one WebSocket message, which may hold many messages
	// of the hub protocol. Zero means 1 MiB, or eight times MaxMessageBytes
	// where that is more.
	MaxBatchBytes int64
	// MaxPostBytes bounds the body of one POST, which may hold many messages,
	// too, and is taken in piece by piece (MaxRequestBodySize). Zero means
	// 30,000,000.
	MaxPostBytes int64
	// InputBuffer bounds the bytes of POSTs that came before the transport they
	// belong to; more wait for it, and so do all when such bytes of all
	// connections together are 64 times as many. It is also how many bytes wait
	// to be read from a [ConnHandler]'s connection before its client has to wait
	// (TransportMaxBufferSize). Zero means 64 KiB.
	InputBuffer int
	// OutputBuffer bounds what a [ConnHandler]'s connection has written and its
	// transport has not taken; more waits (ApplicationMaxBufferSize). Zero means
	// 64 KiB. What waits for the clients of a hub is bounded by its Limits.
	OutputBuffer int
	// Binary makes a [ConnHandler] send binary messages, which event streams
	// cannot carry (TransferFormat). False means text.
	Binary bool
	// HandshakeTimeout bounds the time from the connection to the end of the
	// handshake (HandshakeTimeout). Zero means 15 seconds.
	HandshakeTimeout time.Duration
	// KeepAlive is the time between two pings, which long polling does without
	// (KeepAliveInterval). Zero means that of the hub's Limits, which is 15
	// seconds; negative means no pings.
	KeepAlive time.Duration
	// ClientTimeout closes a connection that has begun to ping when it was not
	// heard of for so long (ClientTimeoutInterval). Zero means 30 seconds,
	// negative never.
	ClientTimeout time.Duration
	// DetailedErrors shows callers the errors that are otherwise only logged
	// (EnableDetailedErrors). False means that they stay hidden.
	DetailedErrors bool
	// DisconnectTimeout is how long a negotiation waits for its transport, a
	// long-polling connection for its next poll, and one with stateful
	// reconnect for its next WebSocket (DisconnectTimeout). Zero means 15
	// seconds.
	DisconnectTimeout time.Duration
	// MaxNegotiations bounds the negotiations that wait at one time; more are
	// answered with status 503. Zero means 65,536.
	MaxNegotiations int
	// MinimumProtocolVersion is the lowest version of the negotiation that is
	// answered (MinimumProtocolVersion). Zero means that all are; 1 turns away
	// clients to whom the public name of a connection is its secret, too.
	MinimumProtocolVersion int
	// Redirect sends a client that negotiates to another server: it connects at
	// url, with accessToken unless that is empty. An empty url means that the
	// client stays. An error refuses it: the client is told the message of a
	// *[parley.Error], and of another one only with DetailedErrors. Nil means
	// that all clients stay.
	Redirect func(r *http.Request) (url, accessToken string, err error)
	// AllowStatefulReconnect grants connections that survive the loss of their
	// WebSocket to the clients that ask for it (AllowStatefulReconnects). False
	// means that none are.
	AllowStatefulReconnect bool
	// StatefulReconnectBuffer is the number of bytes sent to a client and not
	// acknowledged at which further messages wait in the connection's queue
	// (StatefulReconnectBufferSize). Zero means 100,000.
	StatefulReconnectBuffer int
	// ReconnectBudget bounds the memory of all connections of the endpoint for
	// what was sent and not acknowledged, and for clients that are away. It
	// counts twice the size of a message and 128 bytes, and 4 KiB for a client
	// that is away. No connection may have more than an eighth of what is free.
	// One that needs more ends, when its client is away, or cannot be resumed
	// until its client has caught up. Zero means 64 MiB.
	ReconnectBudget int64
	// WriteTimeout bounds one write to a client (TransportSendTimeout). Zero
	// means 10 seconds.
	WriteTimeout time.Duration
	// CloseTimeout bounds a goodbye: the wait for the close frame of a
	// WebSocket, and for the poll that fetches it (WebSockets.CloseTimeout).
	// Zero means 5 seconds.
	CloseTimeout time.Duration
	// CloseOnExpiry closes a connection, for its client to come back, when the
	// time is over that middleware has given by [parley.WithExpiry]
	// (CloseOnAuthenticationExpiration). False means that it goes on.
	CloseOnExpiry bool
	// EnableRefresh lets clients bring fresh credentials to a connection of a
	// hub, by POST to path/refresh or by a poll, and tells them in negotiations
	// when it is time (EnableAuthenticationRefresh). False means that they
	// cannot.
	EnableRefresh bool
	// OnRefresh decides whether a connection may go on as r, which middleware
	// has authenticated, rather than as c.Request() (OnAuthenticationRefresh). It
	// may be called concurrently. An error rejects r; a connection that polls
	// ends then. Nil means that the user must be the same. The user that c is to
	// [parley.Hub.User] stays, whatever is decided.
	OnRefresh func(c *parley.Conn, r *http.Request) error
	// Log gets the errors of a [ConnHandler]'s function. Nil means slog.Default.
	// A hub has its own.
	Log *slog.Logger
	// PollTimeout is how long a poll waits for a message (LongPolling.PollTimeout).
	// Zero means 90 seconds.
	PollTimeout time.Duration
}

// withDefaults is o with every zero replaced that this package reads itself.
func (o *Options) withDefaults() Options {
	if o == nil {
		o = &Options{}
	}
	d := *o
	if o.Transports == 0 {
		d.Transports = all
	}
	d.MaxMessageBytes = orDefault(o.MaxMessageBytes, 32<<10)
	d.MaxBatchBytes = orDefault(o.MaxBatchBytes, max(1<<20, 8*int64(d.MaxMessageBytes)))
	d.MaxPostBytes = orDefault(o.MaxPostBytes, 30e6)
	d.InputBuffer = orDefault(o.InputBuffer, 64<<10)
	d.OutputBuffer = orDefault(o.OutputBuffer, 64<<10)
	d.ClientTimeout = orDefault(o.ClientTimeout, 30*time.Second)
	d.DisconnectTimeout = orDefault(o.DisconnectTimeout, 15*time.Second)
	d.StatefulReconnectBuffer = orDefault(o.StatefulReconnectBuffer, 100_000)
	d.ReconnectBudget = orDefault(o.ReconnectBudget, 64<<20)
	d.MaxNegotiations = orDefault(o.MaxNegotiations, 65536)
	d.PollTimeout = orDefault(o.PollTimeout, 90*time.Second)
	return d
}

func orDefault[T int | int64 | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}
