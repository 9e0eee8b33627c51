package signalr

import (
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/parley-go/parley"
)

// credentials are what the requests of a connection have proved.
type credentials struct {
	mu    sync.Mutex
	asked int       // refreshes that have come
	used  int       // the latest of them that counts
	until time.Time // how long; zero: for ever
}

// refresh answers POST …/refresh, by which a client brings fresh credentials
// for a connection it has (.NET 11).
func (h *hubEndpoint) refresh(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, "")
		return
	}
	l, status, code := h.refreshes(r)
	if status != 0 {
		refuseRefresh(w, status, code)
		return
	}
	until, ok := h.renew(l, r)
	if !ok {
		refuseRefresh(w, http.StatusForbidden, rejected)
		return
	}
	writeJSON(w, http.StatusOK, lifetime{secondsUntil(until)})
}

type lifetime struct {
	TokenLifetimeSeconds int `json:"tokenLifetimeSeconds,omitempty"`
}

func refuseRefresh(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, map[string]string{"error": code})
}

const rejected = "permission_change_rejected"

// refreshes returns the connection that r is for, or why it is not refreshed.
// A public name must not do, so that version 0 of the negotiation does not.
func (h *hubEndpoint) refreshes(r *http.Request) (l *link, status int, code string) {
	token := query(r, "id")
	switch {
	case !h.o.EnableRefresh:
		return nil, http.StatusNotFound, "refresh_disabled"
	case token == "":
		return nil, http.StatusBadRequest, "missing_connection_token"
	}
	c := h.table.find(token)
	if c == nil {
		return nil, http.StatusNotFound, "connection_not_found"
	}
	l, _ = c.served().(*link)
	switch {
	case l == nil: // its transport has not come yet, or has gone
		return nil, http.StatusNotFound, "connection_not_found"
	case c.id == c.token:
		return nil, http.StatusBadRequest, "unsupported_negotiate_version"
	case !authenticated(r):
		return nil, http.StatusUnauthorized, "invalid_token"
	}
	return l, 0, ""
}

// authenticated tells whether middleware has found out who makes a request, or
// at least until when it is valid.
func authenticated(r *http.Request) bool {
	until := parley.ExpiryOf(r.Context())
	if until.IsZero() {
		return parley.UserOf(r.Context()) != ""
	}
	return time.Now().Before(until)
}

// renew lets r's credentials take the place of those the connection has, if
// the application agrees. Of several refreshes the last that came counts, even
// if an earlier one takes longer. It returns until when the connection's are
// valid now.
func (h *hubEndpoint) renew(l *link, r *http.Request) (until time.Time, ok bool) {
	turn := l.proof.ask()
	if h.accept(l.session.Conn(), r) != nil {
		return time.Time{}, false
	}
	l.proof.mu.Lock()
	defer l.proof.mu.Unlock()
	if turn > l.proof.used {
		l.proof.used, l.proof.until = turn, parley.ExpiryOf(r.Context())
		l.session.Renew(renewed(l.session.Request(), r))
		h.limit(l)
	}
	return l.proof.until, true
}

func (p *credentials) ask() (turn int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return p.asked
}

// accept asks the application.
func (h *hubEndpoint) accept(c *parley.Conn, r *http.Request) error {
	if h.o.OnRefresh != nil {
		return h.o.OnRefresh(c, r)
	}
	if parley.UserOf(r.Context()) != c.User() {
		return parley.Errorf("", "another user")
	}
	return nil
}

// limit closes the connection when its time is over, where that is wanted.
func (h *hubEndpoint) limit(l *link) {
	if h.o.CloseOnExpiry {
		l.session.Expire(l.proof.until)
	}
}

// renewed is the request that opened a connection with what middleware has
// found out about a later one. Query and other headers are the first's.
func renewed(first, later *http.Request) *http.Request {
	r := first.WithContext(later.Context())
	r.Header = first.Header.Clone()
	for _, name := range []string{"Authorization", "Cookie"} {
		if values := later.Header.Values(name); len(values) > 0 {
			r.Header[name] = values
		}
	}
	return r
}

// again looks at the credentials of a poll, or of a WebSocket that goes on with
// a connection: newer ones than it has count as a refresh. On false it has
// answered, and ended the connection.
func (h *hubEndpoint) again(w http.ResponseWriter, r *http.Request, c *connection) bool {
	until := parley.ExpiryOf(r.Context())
	l, ok := c.served().(*link)
	if !ok || until.IsZero() || !l.proof.olderThan(until) {
		return true
	}
	if _, ok := h.renew(l, r); ok || !l.proof.olderThan(until) {
		return true
	}
	refuseRefresh(w, http.StatusForbidden, rejected)
	c.end()
	l.session.Conn().CloseNow()
	return false
}

// olderThan tells whether the credentials end before another one's.
func (p *credentials) olderThan(until time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.until.IsZero() && p.until.Before(until)
}

// secondsUntil is how many whole seconds are left, as clients schedule by
// them; 0 means that there is no end, or none any more.
func secondsUntil(at time.Time) int {
	if at.IsZero() {
		return 0
	}
	return int(min(max(time.Until(at), 0)/time.Second, math.MaxInt32))
}
