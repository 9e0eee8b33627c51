package socketio

import (
	"errors"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio/internal/engineio"
)

// Why a presence in a namespace ends, in the words of the Node.js server.
const (
	transportClose            = "transport close"
	transportError            = "transport error"
	pingTimeout               = "ping timeout"
	parseError                = "parse error"
	forcedClose               = "forced close"
	forcedServerClose         = "forced server close"
	serverShuttingDown        = "server shutting down"
	clientNamespaceDisconnect = "client namespace disconnect"
	serverNamespaceDisconnect = "server namespace disconnect"
)

// misplaced is the error of a packet that has no business where it comes.
type misplaced struct{ error }

// Unwrap returns what the packet breaks.
func (m misplaced) Unwrap() error { return m.error }

// reasonOf words what the engine says.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, engineio.ErrPingTimeout):
		return pingTimeout
	case errors.Is(err, engineio.ErrParse):
		return parseError
	case errors.Is(err, engineio.ErrForcedClose):
		return forcedClose
	case errors.Is(err, engineio.ErrTransportClose):
		return transportClose
	case err == nil:
		return forcedServerClose
	}
	return transportError
}

// DisconnectReason is why a client is gone, in the words of the Node.js server:
// "transport close", "transport error", "ping timeout", "parse error" (of
// Engine.IO), "forced close" (a packet that cannot be read), "forced server
// close" (this side's limits, or a packet that has no business there), "server
// shutting down" ([parley.Hub.Shutdown]), "client namespace disconnect",
// "server namespace disconnect" ([parley.Conn.Close], [Disconnect]). It is
// empty before the end, and for clients of other protocols. OnDisconnect may
// ask for it.
func DisconnectReason(c *parley.Conn) string {
	s, ok := c.Pipe().(*space)
	if !ok {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		return ""
	}
	return *s.ended
}

// Disconnect ends the presence of c in its namespace, and that of its client in
// all others of the same connection, with a goodbye after which it stays away,
// and then closes the connection: the Node.js server's disconnect(true). A
// client of another protocol is closed by [parley.Conn.Close].
func Disconnect(c *parley.Conn) {
	s, ok := c.Pipe().(*space)
	c.Close("")
	if !ok {
		return
	}
	s.mu.Lock()
	others := s.spaces
	s.mu.Unlock()
	for _, other := range others {
		if session := other.session.Load(); session != nil {
			session.Conn().Close("")
		}
	}
	s.end(forcedServerClose, nil)
}
