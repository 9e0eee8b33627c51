package classic

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/replay"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/internal/wheel"
)

// Mount serves hubs at path of mux, under the names that clients know them by, such
// as "ChatHub"; upper and lower case are the same in them. signalr.Mount may serve
// the clients of ASP.NET Core at the same path. It panics when two names are the
// same, or two hubs, or an option is out of range.
func Mount(mux *http.ServeMux, path string, hubs map[string]*parley.Hub, o *Options) {
	mount(mux, path, Handler(hubs, o))
}

func mount(mux *http.ServeMux, path string, h http.Handler) {
	path = strings.TrimRight(path, "/")
	mux.Handle("GET "+path+"/negotiate", h)
	mux.Handle(path+"/", h)
}

// Handler serves hubs, as Mount does, at whatever path it is put: the last segment of
// a request's path says what is wanted. It is safe for concurrent use. Connections it
// has opened end with [parley.Hub.Shutdown], which is to be called before the
// http.Server's.
func Handler(hubs map[string]*parley.Hub, o *Options) http.Handler {
	e := newEndpoint(o)
	for name, hub := range hubs {
		e.add(name, hub)
	}
	e.begin()
	return e
}

// CleanPath takes double slashes out of the paths of requests before next sees them.
// A client whose URL ends in a slash, its own or that of another server's redirect,
// posts to "//send"; an [http.ServeMux] redirects it, and the body is lost on the way
// with Go before 1.26. Put it around the mux.
func CleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "//") {
			copied, at := *r, *r.URL
			at.Path, at.RawPath = single(at.Path), single(at.RawPath)
			copied.URL, r = &at, &copied
		}
		next.ServeHTTP(w, r)
	})
}

// single is a path with single slashes.
func single(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

// MountPersistent serves hub at path of mux as one connection without hubs, as
// PersistentConnection: see [Message].
func MountPersistent(mux *http.ServeMux, path string, hub *parley.Hub, o *Options) {
	mount(mux, path, PersistentHandler(hub, o))
}

// PersistentHandler serves hub as MountPersistent does, at whatever path it is put.
func PersistentHandler(hub *parley.Hub, o *Options) http.Handler {
	e := newEndpoint(o)
	e.raw = &served{hub: hub, opening: newOpening(rawProtocol{e.o.JSONNames})}
	e.sorted = []*served{e.raw}
	e.begin()
	return e
}

// endpoint is what is served under one path.
type endpoint struct {
	// fixed after construction
	o       Options            // with defaults
	hubs    map[string]*served // by their names in lower case
	sorted  []*served
	raw     *served // of a PersistentConnection; nil where there are hubs
	keys    *keyring
	http    transport.Options
	posts   transport.Options
	sockets *transport.Acceptor
	wheel   *wheel.Wheel
	began   time.Time
	table   table
	budget  *replay.Budget
	log     *slog.Logger

	mu   sync.Mutex
	left int // hubs that are not shut down
}

// served is a hub that is served.
type served struct {
	name    string // as it was mounted
	hub     *parley.Hub
	opening *parley.Opening
}

func newEndpoint(o *Options) *endpoint {
	e := &endpoint{o: o.withDefaults(), hubs: make(map[string]*served), wheel: wheel.New(250 * time.Millisecond), began: time.Now()}
	e.keys = newKeyring(e.o.Key, e.o.TokenLifetime)
	e.budget = replay.NewBudget(e.o.BufferBudget)
	e.table = table{
		limit: e.o.MaxConnections, memory: e.o.memory(), began: e.began,
		entries: make(map[string]*connection), over: make(map[string]*farewell),
	}
	e.http = transport.Options{
		Origins:           e.o.Origins,
		InsecureAnyOrigin: e.o.InsecureAnyOrigin,
		MaxMessageBytes:   int64(e.o.MaxMessageBytes),
		WriteTimeout:      e.o.WriteTimeout,
		CloseTimeout:      e.o.CloseTimeout,
	}
	e.posts = e.http
	e.posts.MaxMessageBytes = e.o.MaxPostBytes
	e.sockets = transport.NewAcceptor(&e.http)
	return e
}

// add serves a hub.
func (e *endpoint) add(name string, hub *parley.Hub) {
	key := strings.ToLower(name)
	if name == "" || strings.ContainsRune(name, 0) || e.hubs[key] != nil {
		panic(fmt.Sprintf("classic: there can be no hub %q, or there is one already", name))
	}
	for _, other := range e.sorted {
		if other.hub == hub { // a client would be there twice, under one ID
			panic(fmt.Sprintf("classic: %q and %q are the same hub", other.name, name))
		}
	}
	h := &served{name: name, hub: hub, opening: newOpening(hubProtocol{hub: name, detailed: e.o.DetailedErrors, names: e.o.JSONNames})}
	e.hubs[key] = h
	e.sorted = append(e.sorted, h)
}

// begin is the end of the construction.
func (e *endpoint) begin() {
	slices.SortFunc(e.sorted, func(a, b *served) int { return strings.Compare(a.name, b.name) })
	e.left = len(e.sorted)
	e.log = slog.Default()
	for _, h := range e.sorted {
		h.hub.UseCodec(e.o.JSONNames.codec())
		e.log = h.hub.Log()
		h.hub.WhenShutdown(e.hubEnds)
	}
}

// hubEnds is called when one of the hubs shuts down. With the last, those go as well
// who have no session that would tell them.
func (e *endpoint) hubEnds() {
	e.mu.Lock()
	e.left--
	last := e.left == 0
	e.mu.Unlock()
	if !last {
		return
	}
	for _, c := range e.table.close() {
		c.close(1001, "server shutting down")
	}
}

const bodyTimeout = 30 * time.Second // for the body of a request

// ServeHTTP implements [http.Handler].
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.ContentLength != 0 && r.Method != http.MethodConnect { // net/http waits for bodies that nobody reads
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // where unsupported, net/http's own stands
	}
	q := newRequest(r)
	if e.raw == nil && (q.verb == "hubs" || q.verb == "js") && r.Method == http.MethodGet {
		e.script(w, q) // which has no secrets; any page may name it in its <script>
		return
	}
	if !transport.IsWebSocket(r) && !transport.Admit(w, e.scripted(q), &e.http, methods) {
		return
	}
	if no := e.checkCallback(q); no != nil {
		no.answer(w)
		return
	}
	if no := e.authorize(q); no != nil {
		no.answer(w)
		return
	}
	switch q.verb {
	case "negotiate":
		e.negotiate(w, q)
		return
	case "ping":
		answerJSON(w, q, `{ "Response": "pong" }`)
		return
	}
	if no := e.identify(q); no != nil {
		no.answer(w)
		return
	}
	switch q.verb {
	case "start":
		e.start(w, q)
	case "send":
		e.send(w, q)
	case "abort":
		e.abort(w, q)
	default:
		e.open(w, q)
	}
}

// script answers with the proxies of the hubs.
func (e *endpoint) script(w http.ResponseWriter, q *request) {
	h := w.Header()
	h.Set("Content-Type", typeScript)
	h.Set("Cache-Control", "no-cache")
	if e.o.DisableProxies {
		w.Write(disabledScript())
		return
	}
	list := make([]proxied, len(e.sorted))
	for i, served := range e.sorted {
		list[i] = proxied{name: served.name, methods: served.hub.Handlers()}
	}
	w.Write(proxyScript(q.base(&e.o), list)) // a client that has gone needs no answer
}
