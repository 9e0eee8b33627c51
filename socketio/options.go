package socketio

import (
	"io/fs"
	"time"
)

// Options configures an endpoint. Nil means all defaults. Names and defaults
// are those of the Node.js server where it has them.
type Options struct {
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
	// long. Zero means 45 seconds.
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
	// MaxSessions bounds the connections that exist at one time; further ones
	// are answered with status 503. Zero means 65,536.
	MaxSessions int
	// WriteTimeout bounds one write to a client. Zero means 10 seconds.
	WriteTimeout time.Duration
	// CloseTimeout bounds a goodbye. Zero means 5 seconds over WebSocket, and 30
	// seconds for a poll to fetch it.
	CloseTimeout time.Duration
	// ServeClient holds the browser's client: npm's folder socket.io-client, or
	// its dist. The eight files that the Node.js server serves under its path, such
	// as /socket.io/socket.io.min.js, come from it, and nothing else does. They are
	// read when they are first asked for, and kept. With package.json in it, its
	// version is their ETag, else a hash is. Nil means that none are served.
	ServeClient fs.FS
}
