package engineio

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
)

// request is a request, and what its query says (§3.1).
type request struct {
	*http.Request
	kind     string // of transport
	sid      string
	protocol int
	upgrade  bool // it asks for a WebSocket
	textOnly bool // binary messages are to be base64
	jsonp    bool // the answer is to be a script,
	index    string
}

func newRequest(r *http.Request) *request {
	query := r.URL.Query()
	q := &request{
		Request: r, kind: query.Get("transport"), sid: query.Get("sid"), protocol: 3, upgrade: transport.IsWebSocket(r),
		textOnly: query.Get("b64") != "",
	}
	if query.Get("EIO") == "4" { // whatever is not "4" counts as 3
		q.protocol = 4
	}
	if q.protocol == 3 && q.kind == "polling" && query.Has("j") {
		q.jsonp, q.index, q.textOnly = true, query.Get("j"), true
	}
	return q
}

// refusal is an answer to a bad request (§3.2).
type refusal struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	status  int
}

var (
	unknownTransport = &refusal{0, "Transport unknown", http.StatusBadRequest}
	unknownSession   = &refusal{1, "Session ID unknown", http.StatusBadRequest}
	badMethod        = &refusal{2, "Bad handshake method", http.StatusBadRequest}
	badRequest       = &refusal{3, "Bad request", http.StatusBadRequest}
	forbidden        = &refusal{4, "Forbidden", http.StatusForbidden}
	badVersion       = &refusal{5, "Unsupported protocol version", http.StatusBadRequest}
	overloaded       = &refusal{3, "Too many connections", http.StatusServiceUnavailable}
	shuttingDown     = &refusal{3, "Server shutting down", http.StatusServiceUnavailable}
)

// answer writes the refusal: JSON to a poll, and the bare message with status
// 400 to an upgrade, before any 101.
func (no *refusal) answer(w http.ResponseWriter, r *http.Request) {
	if transport.IsWebSocket(r) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusBadRequest) // whatever the code
		w.Write([]byte(no.Message))
		return
	}
	body, _ := json.Marshal(no) // a number and a string cannot fail
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(no.status)
	w.Write(body)
}

// check finds the request's connection, nil for a handshake, in the order of
// the reference's own checks.
func (srv *Server) check(q *request) (*Socket, *refusal) {
	switch {
	case !srv.offers(q.kind):
		return nil, unknownTransport
	case strings.ContainsFunc(q.Header.Get("Origin"), func(c rune) bool { return c < ' ' || c == 0x7f }):
		return nil, badRequest
	case q.jsonp && (!srv.o.JSONP || !isIndex(q.index)):
		return nil, badRequest
	case q.sid == "":
		return nil, srv.checkHandshake(q)
	}
	s := srv.find(q.sid)
	switch {
	case s == nil, s.lapsed():
		return nil, unknownSession
	case q.protocol != int(s.protocol), q.upgrade != (q.kind == "websocket"):
		return nil, badRequest
	case !q.upgrade && s.Transport() != q.kind, q.upgrade && srv.o.NoUpgrades:
		return nil, badRequest
	}
	return s, nil
}

// offers tells whether a query may name that transport.
func (srv *Server) offers(kind string) bool {
	if srv.o.Transports == nil {
		return kind == "polling" || kind == "websocket"
	}
	return kind != "webtransport" && slices.Contains(srv.o.Transports, kind)
}

func (srv *Server) checkHandshake(q *request) *refusal {
	switch {
	case q.Method != http.MethodGet && !q.upgrade: // that of an upgrade may be CONNECT (RFC 8441)
		return badMethod
	case q.upgrade != (q.kind == "websocket"):
		return badRequest
	case q.protocol == 3 && srv.o.RefuseEIO3:
		return badVersion
	case srv.o.AllowRequest == nil:
		return nil
	}
	return forbid(srv.o.AllowRequest(q.Request))
}

// forbid is the refusal for an error of AllowRequest. Only a *parley.Error is for
// the client to read.
func forbid(err error) *refusal {
	var told *parley.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &told):
		return &refusal{forbidden.Code, told.Message, forbidden.status}
	}
	return forbidden
}
