package classic

import (
	"context"
	"fmt"
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
	ForeverFrame
	LongPolling
)

// has tells whether one is in the set.
func (t Transports) has(one Transports) bool { return t == 0 || t&one != 0 }

// Options configures an endpoint. Nil means all defaults, which are those of
// Microsoft's server; its names stand in brackets where they differ.
type Options struct {
	// Origins are the origins whose pages may connect besides those of the
	// server's own host: "https://example.com", "*.example.com". Empty means
	// none (CORS middleware).
	Origins []string
	// InsecureAnyOrigin lets the pages of every origin connect, with the
	// cookies of their visitors. False means that Origin is checked.
	InsecureAnyOrigin bool
	// Transports are the ways to connect. Zero means all.
	Transports Transports
	// Path is the path under which clients reach the endpoint, where a proxy or
	// http.StripPrefix hides it. Empty means that of the request.
	Path string
	// Key seals the tokens of connections and groups. Processes that share it
	// take over each other's clients. Nil means a random one: tokens then end
	// with the process, and clients that come back to another are refused.
	Key []byte
	// TokenLifetime bounds the age of a connection, which then ends: OnDisconnect is
	// told parley.ErrExpired. Zero means that it may live for ever.
	TokenLifetime time.Duration

	// KeepAlive is the time without a message after which a stream gets a sign
	// of life: at least 2 seconds, and at most a third of DisconnectTimeout. Zero
	// means that third, negative none; clients then do not notice a lost server.
	KeepAlive time.Duration
	// DisconnectTimeout is how long a client may be away, at least 6 seconds. The
	// server gives it 5 seconds more. Zero means 30 seconds.
	DisconnectTimeout time.Duration
	// ConnectionTimeout is how long a poll is held; without KeepAlive other
	// streams as well. Zero means 110 seconds.
	ConnectionTimeout time.Duration
	// TransportConnectTimeout is how long clients wait for the first message on a
	// stream before they try the next transport, and the server for a client to
	// ask for the start. Zero means 5 seconds.
	TransportConnectTimeout time.Duration
	// LongPollDelay is what clients wait between two polls. Zero means nothing.
	LongPollDelay time.Duration
	// WriteTimeout bounds one write to a client. Zero means 10 seconds.
	WriteTimeout time.Duration
	// CloseTimeout bounds the wait for the close frame of a WebSocket. Zero means
	// 5 seconds.
	CloseTimeout time.Duration

	// MaxMessageBytes bounds one message of a client
	// (MaxIncomingWebSocketMessageSize). Zero means 64 KiB.
	MaxMessageBytes int
	// MaxPostBytes bounds the body of a request, in which a message may take
	// three times its length. Zero means 512 KiB.
	MaxPostBytes int64
	// MaxHubs bounds the hubs of one connection. Zero means 64.
	MaxHubs int
	// MaxConnections bounds the connections of the endpoint, those of clients
	// that are away included; more are answered with status 503. Zero means
	// 65,536.
	MaxConnections int
	// BufferMessages is how many of the last messages sent on a connection are
	// kept, for as long as its client may ask for them again
	// (DefaultMessageBufferSize). Zero means 1,000.
	BufferMessages int
	// BufferBytes bounds those messages in bytes. The last batch sent is kept
	// whatever its size. Zero means 256 KiB.
	BufferBytes int
	// BufferBudget bounds the memory of all connections of the endpoint for
	// messages that were sent, and for clients that are away. It counts twice the
	// size of a message and 128 bytes, and 4 KiB for a client that is away. No
	// connection may have more than an eighth of what is free; one that needs
	// more keeps nothing, and ends when its client is away. Zero means 64 MiB.
	BufferBudget int64

	// JSONNames says how the fields of Go structs are named. Zero means as declared.
	JSONNames JSONNames
	// EnableJSONP answers requests that name a callback with scripts, for
	// browsers without CORS. Their Referer counts as their Origin; one that names no
	// page is refused. False means that all are.
	EnableJSONP bool
	// DisableProxies serves no script at path/hubs (EnableJavaScriptProxies).
	DisableProxies bool
	// DetailedErrors shows callers the errors that are otherwise only logged
	// (EnableDetailedErrors). False means that they stay hidden.
	DetailedErrors bool

	// Redirect sends a client that negotiates to another server: it connects at
	// url, with accessToken unless that is empty. An empty url means that the
	// client stays. An error refuses it: the client is told the message of a
	// *[parley.Error], and of another one only with DetailedErrors. Clients before
	// 2.4 know no redirects and fail. Nil means that all clients stay.
	Redirect func(r *http.Request) (url, accessToken string, err error)
	// Authorize tells by an error that who makes the request may not have that
	// hub, which is named as it was mounted. It is asked with every request. A
	// client that is left with no hub is refused, and so is one that may not have a
	// hub any more at which it is: with status 401, or with 403 when it is somebody
	// ([parley.WithUser]). Nil means that all may.
	Authorize func(r *http.Request, hub string) error
	// OnReconnected runs in the order of the client's calls, for each of its hubs,
	// when it has come back after it was lost for a while. missed is how many
	// messages to it are lost because they were too many to be kept. Nil means
	// nothing. Of a client that comes back to another process, OnConnect finds
	// that it is [parley.Conn.Recovered].
	OnReconnected func(ctx context.Context, c *parley.Conn, missed int)
	// RejoiningGroups chooses, of the groups that a client was in at another
	// process, those of a hub that it is in again. It may be called concurrently.
	// Nil means all.
	RejoiningGroups func(r *http.Request, hub string, groups []string) []string
}

const (
	leastKeepAlive  = 2 * time.Second
	leastDisconnect = 6 * time.Second
)

// withDefaults is o with every zero replaced. It panics where Microsoft's server
// throws.
func (o *Options) withDefaults() Options {
	if o == nil {
		o = &Options{}
	}
	d := *o
	d.DisconnectTimeout = orDefault(o.DisconnectTimeout, 30*time.Second)
	d.KeepAlive = orDefault(o.KeepAlive, d.DisconnectTimeout/3)
	d.ConnectionTimeout = orDefault(o.ConnectionTimeout, 110*time.Second)
	d.TransportConnectTimeout = orDefault(o.TransportConnectTimeout, 5*time.Second)
	d.MaxMessageBytes = orDefault(o.MaxMessageBytes, 64<<10)
	d.MaxPostBytes = orDefault(o.MaxPostBytes, max(512<<10, 4*int64(d.MaxMessageBytes)))
	d.MaxHubs = orDefault(o.MaxHubs, 64)
	d.MaxConnections = orDefault(o.MaxConnections, 1<<16)
	d.BufferMessages = orDefault(o.BufferMessages, 1000)
	d.BufferBytes = orDefault(o.BufferBytes, 256<<10)
	d.BufferBudget = orDefault(o.BufferBudget, 64<<20)
	switch {
	case d.DisconnectTimeout < leastDisconnect:
		panic(fmt.Sprintf("classic: Options.DisconnectTimeout is %v, which is less than %v", d.DisconnectTimeout, leastDisconnect))
	case d.KeepAlive > 0 && d.KeepAlive < leastKeepAlive:
		panic(fmt.Sprintf("classic: Options.KeepAlive is %v, which is less than %v", d.KeepAlive, leastKeepAlive))
	case d.KeepAlive > d.DisconnectTimeout/3:
		panic(fmt.Sprintf("classic: Options.KeepAlive is %v, which is more than a third of DisconnectTimeout", d.KeepAlive))
	}
	return d
}

func orDefault[T int | int64 | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}

// memory is how long a client may ask again for what it was sent: so long it may
// not notice that it was lost, and then be away.
func (o *Options) memory() time.Duration { return max(2*o.KeepAlive, 0) + o.DisconnectTimeout }

// silence is how long a stream may have ended before that counts as being away;
// between two polls it is nothing unusual.
const silence = 5 * time.Second
