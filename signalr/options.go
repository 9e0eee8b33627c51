package signalr

import (
	"net/http"
	"time"
)

// Transports is a set of ways to connect. Zero means all of them.
type Transports uint8

// The ways to connect, in the order in which clients try them.
const (
	WebSockets Transports = 1 << iota
	ServerSentEvents
	LongPolling
)

// has tells whether all of some are in the set.
func (t Transports) has(some Transports) bool { return t == 0 || t&some == some }

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
	// connections together are 64 times as many (TransportMaxBufferSize). Zero
	// means 64 KiB.
	InputBuffer int
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
	d.MaxMessageBytes = orDefault(o.MaxMessageBytes, 32<<10)
	d.MaxBatchBytes = orDefault(o.MaxBatchBytes, max(1<<20, 8*int64(d.MaxMessageBytes)))
	d.MaxPostBytes = orDefault(o.MaxPostBytes, 30e6)
	d.InputBuffer = orDefault(o.InputBuffer, 64<<10)
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
