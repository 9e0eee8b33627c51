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
	// beside the main one, "/". A hub whose Shutdown is not that of the whole
	// server is to be shut down last: its clients lose their connections, come
	// back, and are told then.
	Namespaces map[string]*parley.Hub
	// Dynamic finds the hub for a namespace that has another name. Without a hub
	// the client is told "Invalid namespace", with a [*parley.Error] its message
	// and data; r opened the connection. It may block, and is called for several
	// clients at a time. Nil means that there are no others. See [Pattern].
	Dynamic func(r *http.Request, name string) (*parley.Hub, error)
	// CleanupEmptyChildNamespaces shuts a hub of Dynamic down when its last
	// client has left. False means that it stays.
	CleanupEmptyChildNamespaces bool
	// MaxNamespaces bounds the namespaces that one connection has joined at a
	// time, and with it what may wait for one client: a queue for each. Zero means 100.
	MaxNamespaces int
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
