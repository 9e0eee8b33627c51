package socketio

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// namespaces are those of a [Server].
type namespaces struct {
	// fixed after construction
	fixed   map[string]*namespace
	dynamic func(*http.Request, string) (*parley.Hub, error) // nil for none
	cleanup bool
	keep    *parley.KeepOptions // nil: nobody is recovered
	most    int                 // attachments of one packet

	mu       sync.Mutex
	children map[child]*namespace     // of dynamic, that have clients
	clients  map[*parley.Hub]int      // of the hubs among them
	seeking  map[string]int           // clients on their way into a namespace of dynamic
	empty    map[string][]*parley.Hub // to be shut down unless one of them comes to them
}

type child struct {
	name string
	hub  *parley.Hub
}

// namespace is what its clients share.
type namespace struct {
	// fixed after construction
	name    string
	hub     *parley.Hub
	fixed   bool
	written [writings]words // by kind

	openings [kinds]atomic.Pointer[parley.Opening] // by kind; made when first needed

	clients int // guarded by namespaces.mu; of one that is not fixed
}

// init takes the options.
func (n *namespaces) init(main *parley.Hub, o *Options) {
	n.dynamic, n.cleanup, n.most = o.Dynamic, o.CleanupEmptyChildNamespaces, o.MaxAttachments
	n.children, n.clients = make(map[child]*namespace), make(map[*parley.Hub]int)
	n.seeking, n.empty = make(map[string]int), make(map[string][]*parley.Hub)
	if r := o.Recovery; r != nil {
		n.keep = &parley.KeepOptions{
			Window: r.MaxDisconnectionDuration,
			Lag:    cmp.Or(o.PingInterval, pingEvery) + cmp.Or(o.PingTimeout, pongWithin),
			Bytes:  r.MaxBytes, Clients: r.MaxClients,
			Codec: n.words("/", kind{}).Codec(),
		}
	}
	n.fixed = map[string]*namespace{"/": n.make("/", main, true)}
	for name, hub := range o.Namespaces {
		name = "/" + strings.TrimPrefix(name, "/")
		if hub == nil || n.fixed[name] != nil {
			panic(fmt.Sprintf("socketio: Options.Namespaces: %q has no hub, or one already", name))
		}
		n.fixed[name] = n.make(name, hub, true)
	}
}

// make makes a namespace, whose hub has had no client of it.
func (n *namespaces) make(name string, hub *parley.Hub, fixed bool) *namespace {
	if n.keep != nil {
		hub.Keep(*n.keep)
	}
	ns := &namespace{name: name, hub: hub, fixed: fixed}
	for i := range ns.written {
		ns.written[i] = n.words(name, kind{packed: i&1 != 0, recovers: i&2 != 0})
		hub.UseCodec(ns.written[i].Codec())
	}
	return ns
}

// kind is what the words for a client, and their order, depend on.
type kind struct {
	packed   bool // it speaks MessagePack
	recovers bool // it can be recovered
	old      bool // it speaks protocol 4
	polls    bool
}

const (
	writings = 4  // kinds that differ in how messages are written
	kinds    = 16 // all
)

// index numbers the kinds, those first that differ in how messages are written.
func (k kind) index() (i int) {
	for bit, is := range [...]bool{k.packed, k.recovers, k.old, k.polls} {
		if is {
			i |= 1 << bit
		}
	}
	return i
}

// words makes those of a namespace.
func (n *namespaces) words(name string, k kind) words {
	w := newWords(name, k.packed)
	switch w := w.(type) {
	case *packed:
		w.offsets = k.recovers
	case *protocol:
		w.offsets, w.most = k.recovers, n.most
	}
	return w
}

// newWords makes those of a namespace as a client needs them.
func newWords(name string, inMessagePack bool) words {
	if inMessagePack {
		return &packed{nsp: name}
	}
	return &protocol{nsp: name}
}

// words are those that all clients of a kind share.
func (ns *namespace) words(k kind) words { return ns.written[k.index()%writings] }

// opening says how the sessions of a kind go on, which share it.
func (ns *namespace) opening(k kind) *parley.Opening {
	at := &ns.openings[k.index()]
	if o := at.Load(); o != nil {
		return o
	}
	w, revision := ns.words(k), 4
	if k.old {
		revision = 3
	}
	at.CompareAndSwap(nil, &parley.Opening{
		Protocol:  w,
		Welcoming: func(s *parley.Session) []byte { return w.connected(revision, s.ID(), s.RecoveryID()) },
		Refusal:   func(e *wire.Error) []byte { return w.refused(revision, e) },
		// What comes before CONNECT, npm's client keeps for later, without moving
		// its offset: a cut in between would have it hear everything twice. A poll
		// brings all or nothing.
		WelcomeFirst: !k.polls,
		KeepAlive:    -1, // the engine's
		IdleTimeout:  -1,
	})
	return at.Load()
}

// begin notes that a client wants to enter a namespace that is not fixed, until
// end: so long its hub is not shut down for want of clients.
func (n *namespaces) begin(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seeking[name]++
}

func (n *namespaces) end(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seeking[name]--; n.seeking[name] > 0 {
		return
	}
	delete(n.seeking, name)
	empty := n.empty[name]
	delete(n.empty, name)
	for _, hub := range empty {
		n.retire(name, hub)
	}
}

// seek asks Options.Dynamic for the hub of a namespace.
func (n *namespaces) seek(r *http.Request, name string) (hub *parley.Hub, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("socketio: Options.Dynamic panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return n.dynamic(r, name)
}

// enter counts a client of a namespace that is not fixed.
func (n *namespaces) enter(name string, hub *parley.Hub) *namespace {
	n.mu.Lock()
	defer n.mu.Unlock()
	ns := n.children[child{name, hub}]
	if ns == nil {
		ns = n.make(name, hub, false)
		n.children[child{name, hub}] = ns
	}
	ns.clients++
	n.clients[hub]++
	return ns
}

// leave is the end of what enter has begun.
func (n *namespaces) leave(ns *namespace) {
	if ns.fixed {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if ns.clients--; ns.clients == 0 {
		delete(n.children, child{ns.name, ns.hub})
	}
	if n.clients[ns.hub]--; n.clients[ns.hub] == 0 {
		delete(n.clients, ns.hub)
		n.retire(ns.name, ns.hub)
	}
}

// retire shuts down a hub that has no clients, if that is wanted. The caller
// holds mu.
func (n *namespaces) retire(name string, hub *parley.Hub) {
	switch {
	case !n.cleanup || n.clients[hub] > 0 || hub.Stats().Conns > 0 || n.isFixed(hub):
	case n.seeking[name] > 0:
		if !slices.Contains(n.empty[name], hub) {
			n.empty[name] = append(n.empty[name], hub)
		}
	default:
		shutdown(hub)
	}
}

func (n *namespaces) isFixed(hub *parley.Hub) bool {
	for _, ns := range n.fixed {
		if ns.hub == hub {
			return true
		}
	}
	return false
}

const retireTime = time.Minute // for the handlers of a namespace that has no clients any more

// shutdown shuts a hub down, and returns when it takes no more clients.
func shutdown(hub *parley.Hub) {
	begun := make(chan struct{})
	hub.WhenShutdown(func() { close(begun) })
	go func() { // ends with the last handler of the hub, at the latest in time
		ctx, cancel := context.WithTimeout(context.Background(), retireTime)
		defer cancel()
		hub.Shutdown(ctx)
	}()
	<-begun
}

const maxChildren = 10_000 // of one Pattern

// pattern is the state of what [Pattern] returns.
type pattern struct {
	// fixed after construction
	names *regexp.Regexp
	open  func(name string) *parley.Hub

	mu   sync.Mutex
	hubs map[string]func() *parley.Hub
}

// Pattern makes an [Options.Dynamic] that opens a hub for each namespace whose
// name matches names, such as ^/room-\d+$, when the first client asks for it.
// The hub is kept for those that follow, until it is shut down: see
// [Options.CleanupEmptyChildNamespaces]. It keeps 10,000 at a time and refuses
// further names.
func Pattern(names *regexp.Regexp, open func(name string) *parley.Hub) func(*http.Request, string) (*parley.Hub, error) {
	p := &pattern{names: names, open: open, hubs: make(map[string]func() *parley.Hub)}
	return p.find
}

func (p *pattern) find(_ *http.Request, name string) (*parley.Hub, error) {
	if !p.names.MatchString(name) {
		return nil, nil
	}
	hub := p.entry(name)
	if hub == nil {
		return nil, parley.Errorf(wire.CodeBusy, "Too many namespaces")
	}
	return hub(), nil
}

// entry is what opens the hub once, or nil when there are too many.
func (p *pattern) entry(name string) func() *parley.Hub {
	p.mu.Lock()
	defer p.mu.Unlock()
	if hub := p.hubs[name]; hub != nil || len(p.hubs) >= maxChildren {
		return hub
	}
	hub := sync.OnceValue(func() *parley.Hub { return p.opened(name) })
	p.hubs[name] = hub
	return hub
}

// opened opens a hub, to be forgotten when it is shut down.
func (p *pattern) opened(name string) (hub *parley.Hub) {
	forget := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.hubs, name)
	}
	defer func() {
		if hub == nil { // none, or a panic
			forget()
		}
	}()
	if hub = p.open(name); hub != nil {
		hub.WhenShutdown(forget)
	}
	return hub
}
