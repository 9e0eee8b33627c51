package socketio

import (
	"io/fs"
	"net/http"
	"time"

	"github.com/parley-go/parley"
)

// Options configures an endpoint. Nil means all defaults. Names and defaults
// are those of the Node.js server where it has them.
type Options struct {
	// Namespaces are further namespaces by their names, such as "/admin",
	// beside the main one, "/". Shut the main hub down first: a client loses its
	// whole connection with any of its namespaces, comes back, and is told then
	// which one is gone.
	Namespaces map[string]*parley.Hub
	// Dynamic finds the hub for a namespace that has another name. Without a hub
	// the client is told "Invalid namespace", with a [*parley.Error] its message
	// and data; r opened the connection. It may block, and is called for several
	// clients at a time. Nil means that there are no others. See [Pattern].
	Dynamic func(r *http.Request, name string) (*parley.Hub, error)
	// CleanupEmptyChildNamespaces shuts a hub of Dynamic down when its last
	// client has left, with all that it keeps for lost ones. False means that it
	// stays.
	CleanupEmptyChildNamespaces bool
	// MaxNamespaces bounds the namespaces that one connection has joined at a
	// time, and with it what may wait for one client: a queue for each. Zero means 100.
	MaxNamespaces int
	// Recovery lets clients that were lost go on where they were: with their ID,
	// groups and values, and the events that they have missed (connection state
	// recovery). It works for the hub's clients of protocol 5, which are those
	// since v4.6. OnConnect runs for them too: see [parley.Conn.Recovered]. Nil
	// means that every client that comes back is a new one.
	Recovery *Recovery
	// MaxAttachments bounds the binary attachments of one packet. The clients'
	// own bound is 10. Zero means 10.
	MaxAttachments int
	// PingInterval is the time between a sign of life and the next ping. Zero
	// means 25 seconds.
	PingInterval time.Duration
	// PingTimeout is how long the client has to answer a ping. Zero means 20
	// seconds.
	PingTimeout time.Duration
	// UpgradeTimeout is how long the change from polls to a WebSocket may
	// take. Zero means 10 seconds.
	UpgradeTimeout time.Duration
	// ConnectTimeout closes a connection that has joined no namespace for so
	// long, or whose client leaves an attachment that it has announced out for
	// so long. Zero means 45 seconds.
	ConnectTimeout time.Duration
	// MaxHTTPBufferSize bounds, in bytes, the body of a POST and a message over
	// WebSocket. Clients are told. Zero means 1,000,000.
	MaxHTTPBufferSize int64
	// Origins are the origins whose pages may connect besides those of the
	// server's own host: "https://example.com", "*.example.com". Empty means
	// none. They get CORS headers that name their origin exactly.
	Origins []string
	// InsecureAnyOrigin lets the pages of every origin connect, with the
	// cookies of their visitors. False means that Origin is checked.
	InsecureAnyOrigin bool
	// MaxPackets bounds the packets of one POST; more end the connection. Zero
	// means 65,536.
	MaxPackets int
	// RefuseEIO3 refuses the clients of Socket.IO 1 and 2, which speak protocol 3
	// of Engine.IO, with code 5. False means that they are served (allowEIO3).
	RefuseEIO3 bool
	// Transports are what clients may use: "polling", "websocket". Nil means both.
	Transports []string
	// NoUpgrades keeps clients at the transport they begin with (allowUpgrades:
	// false). False means that those which poll may change to a WebSocket.
	NoUpgrades bool
	// JSONP lets the clients of Socket.IO 1 and 2 poll with scripts, for browsers
	// without CORS. Any page can read such an answer, unless its origin is checked,
	// which is done as for all requests. False means that they are refused.
	JSONP bool
	// Cookie, if it is not nil, is set by the first answer to a poll, for a load
	// balancer to go by. Its value is the Engine.IO session ID, and it is HttpOnly
	// whatever it says; an empty name means "io", an empty path "/", and no SameSite
	// means lax. A client that begins with a WebSocket gets none.
	Cookie *http.Cookie
	// CompressFromBytes is the length from which the answer to a poll is compressed
	// with gzip or deflate, if the client accepts that (httpCompression), and a
	// message over WebSocket with PerMessageDeflate. Zero means 1,024, negative never.
	CompressFromBytes int
	// PerMessageDeflate compresses messages over WebSocket (RFC 7692), each by
	// itself. False means that none is.
	PerMessageDeflate bool
	// InitialPacket is a message that every client gets right behind the first
	// packet of its connection, in the words of Socket.IO's protocol without the
	// leading 4. Empty means none.
	InitialPacket string
	// AllowRequest looks at the request that opens a connection, and refuses it
	// with status 403 and code 4 by returning an error; the client is told the
	// message of a *parley.Error, and of no other. Nil means that none is refused.
	AllowRequest func(r *http.Request) error
	// Middleware comes before every request but CORS preflights, such as each poll
	// and each WebSocket handshake: it may add headers to the answer, and refuses
	// the request with code 3 by returning an error. Nil means that none is refused.
	Middleware func(w http.ResponseWriter, r *http.Request) error
	// MaxSessions bounds the connections that exist at one time; further ones
	// are answered with status 503. Zero means 65,536.
	MaxSessions int
	// WriteTimeout bounds one write to a client. Zero means 10 seconds.
	WriteTimeout time.Duration
	// CloseTimeout bounds a goodbye. Zero means 5 seconds over WebSocket, and 30
	// seconds for a poll to fetch it, or PingInterval and PingTimeout together if
	// that is less.
	CloseTimeout time.Duration
	// ServeClient holds the browser's client: npm's folder socket.io-client, or
	// its dist. The eight files that the Node.js server serves under its path, such
	// as /socket.io/socket.io.min.js, come from it, and nothing else does. They are
	// read when they are first asked for, and kept. With package.json in it, its
	// version is their ETag, else a hash is. Nil means that none are served.
	ServeClient fs.FS
	// Protocol1 serves the clients of Socket.IO 0.9 too, the last of 2014, below
	// 1/ of the path: over WebSocket and polls, in the same namespaces and groups as
	// all others. They know no binary values: bytes reach them in base64. False means
	// that they are refused, as should be where none are left: it is code that can
	// be reached from the network.
	Protocol1 bool
}

// Recovery says what is kept for lost clients. The zero value of each field means
// its default.
type Recovery struct {
	// MaxDisconnectionDuration is how long a client may stay away. The default is
	// 2 minutes.
	MaxDisconnectionDuration time.Duration
	// MaxBytes bounds the events that each hub keeps. With more the oldest go,
	// and clients that lack them are new ones. The default is 16 MiB.
	MaxBytes int
	// MaxClients bounds the lost clients that each hub waits for. The default is
	// 65,536.
	MaxClients int
}
