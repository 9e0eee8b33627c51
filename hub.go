package parley

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/parley-go/parley/wire"
)

// Hub is a set of connections that share handlers, groups and users. Make one
// with NewHub, mount it with the protocol packages, end it with Shutdown. All
// methods are safe for concurrent use.
type Hub struct {
	core       *core
	name       string
	index      *index
	backplane  Backplane
	node       string
	leaveBus   func() // nil without a backplane
	disconnect atomic.Pointer[func(context.Context, *Conn, error)]
	senders    atomic.Pointer[[]func(SendFunc) SendFunc]
	watchers   atomic.Pointer[[]*Watcher]
	keeper     atomic.Pointer[keeper] // nil when nobody can be recovered

	mu       sync.Mutex
	live     map[*Session]struct{} // all sessions whose pipe has not ended, handshaking ones too
	codecs   []wire.Codec          // those that sessions of any node may have, beside wire.JSON
	ends     []*func()             // what to call when Shutdown begins
	shutdown bool
}

// HubOptions configures a hub. Nil means all defaults.
type HubOptions struct {
	// Name tells hubs that share a backplane apart. Empty means "hub".
	Name string
	// Limits bounds what one connection may cost.
	Limits Limits
	// Log gets what users must not see, such as handlers' errors. Nil means
	// slog.Default.
	Log *slog.Logger
	// Backplane joins this hub to those of the same name on other nodes. Nil
	// means that there are none.
	Backplane Backplane
}

// NewHub makes a hub.
func NewHub(o *HubOptions) *Hub {
	if o == nil {
		o = &HubOptions{}
	}
	h := &Hub{core: newCore(o.Limits, o.Log), name: o.Name, index: newIndex(), node: NewID()}
	h.live = make(map[*Session]struct{})
	if h.name == "" {
		h.name = "hub"
	}
	h.core.enter = func(s *Session) { h.index.add(s) }
	h.core.leave = h.forget
	h.core.gone = h.gone
	h.joinBackplane(o.Backplane)
	return h
}

// OnConnect sets what runs when a client has finished its handshake. An error
// refuses the client, which sees it as it would see a handler's error. What fn
// sends to the connection arrives after the protocol's own welcome. Calls of
// the client wait until fn returns. OnDisconnect follows for every client that fn
// has let in, and for no other.
func (h *Hub) OnConnect(fn func(ctx context.Context, c *Conn) error) { h.core.connectHook.Store(&fn) }

// OnDisconnect sets what runs after a connection has ended and its calls have
// returned. reason is nil after an ordinary goodbye of either side; else it
// wraps ErrSlow, ErrIdle, ErrProtocol, ErrShutdown or ErrExpired, or is the
// transport's error. ctx ends when Shutdown stops waiting.
func (h *Hub) OnDisconnect(fn func(ctx context.Context, c *Conn, reason error)) {
	h.disconnect.Store(&fn)
}

// Handle registers the handler of calls named name. It panics when there is
// one already. Handlers may be added while the hub serves.
func (h *Hub) Handle(name string, handler Handler) { h.core.handlers.add(name, handler) }

// HandleOther registers the handler of calls that no other handler is named
// for.
func (h *Hub) HandleOther(handler Handler) { h.core.handlers.addOther(handler) }

// Handlers lists the names of the registered handlers, sorted.
func (h *Hub) Handlers() []string { return h.core.handlers.names() }

// Use puts middleware around all handlers, those of the past too: the first
// given is the outermost.
func (h *Hub) Use(middleware ...func(Handler) Handler) { h.core.handlers.use(middleware) }

// Conn finds a connection on this node by its ID, or nil.
func (h *Hub) Conn(id string) *Conn {
	if s := h.index.conn(id); s != nil {
		return s.conn
	}
	return nil
}

// Stats is a snapshot of the hub's counters.
func (h *Hub) Stats() Stats {
	s := h.core.stats.snapshot()
	s.Conns = h.index.count()
	return s
}

// Log is the hub's logger.
func (h *Hub) Log() *slog.Logger { return h.core.log }

// NewSession begins a connection that came in by r; a protocol package calls
// it. The error is ErrShutdown when the hub takes no more.
func (h *Hub) NewSession(r *http.Request, pipe wire.Pipe, o *SessionOptions) (*Session, error) {
	s := newSession(h.core, pipe, o)
	s.conn = &Conn{hub: h, session: s, user: UserOf(r.Context())}
	s.conn.request.Store(keep(r))
	if o != nil && o.Return != nil {
		s.conn.returns(o.Return)
	}
	if k := h.keeper.Load(); k != nil && o != nil && o.Recover != nil {
		k.claim(s, o.Recover)
	}
	if err := h.admit(s, o); err != nil {
		return nil, err
	}
	return s, nil
}

// admit counts s among the sessions.
func (h *Hub) admit(s *Session, o *SessionOptions) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shutdown {
		return ErrShutdown
	}
	h.live[s] = struct{}{}
	h.core.sessions.Add(1)
	s.await(o)
	return nil
}

// forget takes a session that is ending out of the index.
func (h *Hub) forget(s *Session) { h.index.remove(s, s.conn.Groups()) }

// gone is the last act of a session.
func (h *Hub) gone(s *Session, reason error, connected bool) {
	defer h.core.sessions.Done()
	h.mu.Lock()
	delete(h.live, s)
	h.mu.Unlock()
	if !connected {
		return
	}
	h.core.stats.closed[closeReason(reason)].Add(1)
	if hook := h.disconnect.Load(); hook != nil {
		s.protect("OnDisconnect", func() error { (*hook)(h.core.ctx, s.conn, reason); return nil })
	}
	h.watchDisconnected(s.conn, reason)
}

// closeReason is the index of a reason's name in closeReasons.
func closeReason(err error) int {
	for i, known := range []error{nil, nil, ErrSlow, ErrIdle, ErrProtocol, ErrShutdown, ErrExpired} {
		if known != nil && errors.Is(err, known) {
			return i
		}
	}
	if err == nil {
		return 0
	}
	return 1
}

// Shutdown takes no more clients, says goodbye to each in its protocol's own
// words, asking it to come back later, and returns when every connection and
// every handler has ended. When ctx ends first, what is left is cut off
// without a goodbye and ctx's error is returned.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.announce()
	for _, s := range h.stop() {
		s.Fail(wire.Goodbye{Code: 1001, Reason: "server shutting down", Reconnect: true}, ErrShutdown)
	}
	defer h.core.wheel.Stop()
	defer h.core.cancel()
	defer h.leaveBackplane()
	ended := make(chan struct{})
	go func() { // ends with the last session
		h.core.sessions.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	h.core.cancel()
	for _, s := range h.stop() {
		s.life.end(ErrShutdown)
		s.pipe.CloseNow()
	}
	return ctx.Err()
}

// stop lets nobody in any more and lists who is there.
func (h *Hub) stop() []*Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shutdown = true
	list := make([]*Session, 0, len(h.live))
	for s := range h.live {
		list = append(list, s)
	}
	return list
}
