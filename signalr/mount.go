package signalr

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/replay"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// Mount serves hub at path of mux, the negotiations at path/negotiate, and fresh
// credentials at path/refresh. See [Handler]. It panics when o names a hub
// protocol that does not exist.
func Mount(mux *http.ServeMux, path string, hub *parley.Hub, o *Options) {
	h := newHubEndpoint(hub, o)
	h.mount(mux, path)
	mux.Handle(strings.TrimRight(path, "/")+"/refresh", h.admitted(h.refresh))
}

// Handler serves hub to SignalR clients: negotiations where a request's path
// ends in /negotiate, fresh credentials where it ends in /refresh, connections
// everywhere else. It is safe for concurrent
// use. Connections it has opened end with [parley.Hub.Shutdown], which is to be
// called before the http.Server's. It panics when o names a hub protocol that
// does not exist.
func Handler(hub *parley.Hub, o *Options) http.Handler { return newHubEndpoint(hub, o) }

// endpoint is what is served under one path: negotiations, and the transports
// of connections. All but the table is fixed after construction.
type endpoint struct {
	o         Options // with defaults
	words     manner
	available []available
	http      transport.Options
	sockets   *transport.Acceptor
	polls     transport.PollOptions
	table     table
	budget    *replay.Budget
	log       *slog.Logger
	start     time.Time

	// serve puts what the endpoint is for on the pipe of a connection that r has
	// brought. An error means that there is nothing to be served any more.
	serve func(c *connection, r *http.Request, pipe wire.Pipe) (receiver, error)

	// again looks at who a request comes from that goes on with a connection; on
	// false it has answered. Nil means that it does not matter.
	again func(w http.ResponseWriter, r *http.Request, c *connection) bool
}

func newEndpoint(o *Options) *endpoint {
	e := &endpoint{o: o.withDefaults(), log: slog.Default(), start: time.Now()}
	e.words.detailed = e.o.DetailedErrors
	e.budget = replay.NewBudget(e.o.ReconnectBudget)
	e.available = offer(e.o.Transports)
	e.table.limit, e.table.start = e.o.MaxNegotiations, e.start
	e.http = transport.Options{
		Origins:           e.o.Origins,
		InsecureAnyOrigin: e.o.InsecureAnyOrigin,
		MaxMessageBytes:   e.o.MaxBatchBytes,
		WriteTimeout:      e.o.WriteTimeout,
		CloseTimeout:      e.o.CloseTimeout,
		Goodbye:           goodbye,
		CloseReply:        func(int) int { return 1000 },
		EventHeader:       eventHeader(),
		EventCRLF:         true,
	}
	e.sockets = transport.NewAcceptor(&e.http)
	e.polls = transport.PollOptions{
		Wait:         e.o.PollTimeout,
		Idle:         e.o.DisconnectTimeout,
		WriteTimeout: e.o.WriteTimeout,
		CloseTimeout: e.o.CloseTimeout,
		Write:        writePoll,
		Replace:      true,
		Replaced:     endPoll,
		LastAlone:    true,
	}
	return e
}

// without takes a transport away.
func (e *endpoint) without(one Transports) {
	e.o.Transports &^= one
	e.available = offer(e.o.Transports)
}

// goodbye words the end in the close frame: 1000 without a reason, as clients
// report everything else as a failure of the transport; 1011 when the server
// failed. The reason has been told in the hub protocol's Close.
func goodbye(code int, _ string) (int, string) {
	if code == 1011 {
		return 1011, ""
	}
	return 1000, ""
}

// hubEndpoint is one mounted hub. It is fixed after construction.
type hubEndpoint struct {
	*endpoint
	hub      *parley.Hub
	dialects []dialect
	openings map[manners]*parley.Opening
	late     *wire.Encoded // for a handshake that took too long
}

// manners are what the openings of connections differ in.
type manners struct {
	dialect dialect
	polling bool
	resumes bool
}

func newHubEndpoint(hub *parley.Hub, o *Options) *hubEndpoint {
	h := &hubEndpoint{endpoint: newEndpoint(o), hub: hub}
	h.endpoint.serve, h.endpoint.log = h.serve, hub.Log()
	if h.o.CloseOnExpiry || h.o.EnableRefresh {
		h.endpoint.again = h.again
	}
	h.dialects = dialects(&h.o)
	for _, d := range h.dialects {
		hub.UseCodec(d.Codec())
	}
	h.late = &wire.Encoded{Data: handshakeError(handshakeCanceled)}
	h.openings = make(map[manners]*parley.Opening)
	for _, d := range h.dialects {
		for _, m := range []manners{{dialect: d}, {dialect: d, polling: true}, {dialect: d, resumes: true}} {
			h.openings[m] = h.opening(m)
		}
	}
	return h
}

// opening is what connections of the same manners share. Long polling has no
// pings: every poll is a sign of life.
func (h *hubEndpoint) opening(m manners) *parley.Opening {
	o := &parley.Opening{
		Protocol:      m.dialect,
		Welcome:       []byte(welcome),
		Refusal:       m.dialect.refusal,
		KeepAlive:     h.o.KeepAlive,
		PingPipe:      m.resumes,
		IdleTimeout:   h.o.ClientTimeout,
		IdleAfterPing: true,
		CallPrefix:    "s",
		FoldNames:     true,
	}
	if m.polling {
		o.KeepAlive = -1
	}
	return o
}

// dialects are the hub protocols that clients may choose from.
func dialects(o *Options) []dialect {
	words := manner{detailed: o.DetailedErrors}
	known := []dialect{protocol{words, o.JSONNames}, packed{words}}
	if len(o.Protocols) == 0 {
		return known
	}
	var chosen []dialect
	for _, name := range o.Protocols {
		i := slices.IndexFunc(known, func(d dialect) bool { return d.Name() == name })
		if i < 0 {
			panic(fmt.Sprintf("signalr: Options.Protocols: there is no hub protocol %q", name))
		}
		chosen = append(chosen, known[i])
	}
	return chosen
}

func (e *endpoint) mount(mux *http.ServeMux, path string) {
	path = strings.TrimRight(path, "/")
	mux.Handle(path+"/negotiate", e.admitted(e.negotiate))
	connections := http.HandlerFunc(e.connect)
	mux.Handle(path+"/{$}", connections)
	if path != "" {
		mux.Handle(path, connections)
	}
}

// methods are what an endpoint answers.
const methods = "GET, POST, DELETE, OPTIONS"

// admitted is a handler of requests that pages may send from where the options
// allow.
func (e *endpoint) admitted(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if transport.Admit(w, r, &e.http, methods) {
			handle(w, r)
		}
	}
}

// ServeHTTP implements [http.Handler].
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if endsIn(r.URL.Path, "/negotiate") {
		e.admitted(e.negotiate)(w, r)
		return
	}
	e.connect(w, r)
}

// ServeHTTP implements [http.Handler].
func (h *hubEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if endsIn(r.URL.Path, "/refresh") {
		h.admitted(h.refresh)(w, r)
		return
	}
	h.endpoint.ServeHTTP(w, r)
}

func endsIn(path, last string) bool {
	return len(path) >= len(last) && strings.EqualFold(path[len(path)-len(last):], last)
}

// connect answers what is not asked of a part of the endpoint. The answers are
// those of Microsoft's server, in the order in which it checks
// (docs/protocols/signalr.md, "Answers over HTTP").
func (e *endpoint) connect(w http.ResponseWriter, r *http.Request) {
	if transport.IsWebSocket(r) && !wantsEvents(r) {
		e.serveWebSocket(w, r) // which checks the origin itself
		return
	}
	if !transport.Admit(w, r, &e.http, methods) {
		return
	}
	switch {
	case r.Method == http.MethodGet && wantsEvents(r):
		e.serveEvents(w, r)
	case r.Method == http.MethodGet:
		e.servePoll(w, r)
	case r.Method == http.MethodPost:
		e.post(w, r)
	case r.Method == http.MethodDelete:
		e.endPolling(w, r)
	default:
		w.Header().Set("Allow", methods)
		answer(w, http.StatusMethodNotAllowed, "")
	}
}

// find returns the connection whose token the request names, or answers that
// there is none, or that it is another user's.
func (e *endpoint) find(w http.ResponseWriter, r *http.Request) *connection {
	token := query(r, "id")
	if token == "" {
		answer(w, http.StatusBadRequest, "Connection ID required")
		return nil
	}
	c := e.table.find(token)
	switch {
	case c == nil:
		answer(w, http.StatusNotFound, "No Connection with that ID")
	case e.o.OnRefresh == nil && !c.isOf(parley.UserOf(r.Context())):
		answer(w, http.StatusForbidden, "")
		return nil
	}
	return c
}

// wantsEvents tells whether the client accepts exactly text/event-stream, as
// the server-sent events transport asks for it.
func wantsEvents(r *http.Request) bool {
	for _, list := range r.Header["Accept"] {
		if slices.ContainsFunc(strings.Split(list, ","), func(t string) bool {
			return strings.EqualFold(strings.TrimSpace(t), "text/event-stream")
		}) {
			return true
		}
	}
	return false
}

// query is a parameter of the URL; names do not depend on case. What is given
// several times is nothing that anybody means.
func query(r *http.Request, name string) string {
	found, all := false, ""
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		key, value, _ := strings.Cut(part, "=")
		if len(key) < len(name) || strings.Contains(part, ";") { // which net/url refuses, too
			continue
		}
		if key, err := url.QueryUnescape(key); err != nil || !strings.EqualFold(key, name) {
			continue
		}
		value, err := url.QueryUnescape(value)
		switch {
		case err != nil:
			continue
		case found:
			value = all + "," + value
		}
		found, all = true, value
	}
	return all
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	w.Write([]byte(text)) // a client that has gone needs no answer
}
