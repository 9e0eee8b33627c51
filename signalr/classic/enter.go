package classic

import (
	"net/http"
	"slices"
	"strings"

	"github.com/parley-go/parley"
)

// enter makes the sessions of a connection that has none: with back, those of a
// client that was here before.
func (c *connection) enter(q *request, back bool) *refused {
	if !c.isEmpty() {
		return nil
	}
	returns := make([]*parley.Return, len(q.hubs)) // nil for who is new
	if back {
		groups := c.endpoint.keys.openGroups(q.param("groupsToken"), c.id)
		for i, h := range q.hubs { // before the lock, as the application is asked
			returns[i] = c.returning(q, h, groups)
		}
	}
	request, barred := q.discreet(), c.endpoint.barred(q)
	c.entering.Lock()
	defer c.entering.Unlock()
	if !c.isEmpty() {
		return nil
	}
	var list []*presence
	var err error
	for i, h := range q.hubs {
		var p *presence
		if p, err = c.present(h, request, returns[i], false); err != nil {
			break
		}
		list = append(list, p)
	}
	if c.adopt(request, barred, list, err) {
		return nil
	}
	for _, p := range list {
		p.session.Closed(parley.ErrShutdown)
	}
	c.finish(nil)
	return leaving
}

// isEmpty tells whether the connection has not been given its sessions.
func (c *connection) isEmpty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == empty
}

// adopt makes the presences the connection's own. It is false when there is an
// error, or the connection has ended meanwhile.
func (c *connection) adopt(r *http.Request, barred []*served, list []*presence, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || c.phase != empty {
		return false
	}
	c.phase, c.presences, c.barred = made, list, barred
	if len(list) == 0 {
		c.opened = r
	}
	return true
}

// returning is what a client that was here before, in these groups, may have of it at
// a hub.
func (c *connection) returning(q *request, h *served, all []string) *parley.Return {
	var groups []string
	for _, g := range all {
		if hub, name, _ := strings.Cut(g, "\x00"); strings.EqualFold(hub, h.name) {
			groups = append(groups, name)
		}
	}
	if choose := c.endpoint.o.RejoiningGroups; choose != nil {
		groups = choose(q.Request, h.name, groups)
	}
	c.mu.Lock()
	c.regrouped = c.regrouped || len(groups) > 0
	c.mu.Unlock()
	return &parley.Return{Groups: groups}
}

// present makes a presence, which may be quiet.
func (c *connection) present(h *served, r *http.Request, back *parley.Return, quiet bool) (*presence, error) {
	const never = 1 << 62 // the endpoint has its own clock
	p := &presence{connection: c, hub: h, quiet: quiet}
	var err error
	p.session, err = h.hub.NewSession(r, p, &parley.SessionOptions{ID: c.id, HandshakeTimeout: never, Return: back})
	return p, err
}

// visitor is the request that made the sessions, or nil, and whether its client may
// have that hub.
func (c *connection) visitor(h *served) (r *http.Request, allowed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r = c.opened; len(c.presences) > 0 {
		r = c.presences[0].session.Request()
	}
	return r, !slices.Contains(c.barred, h)
}

// start opens the sessions, once, and returns what is closed when OnConnect has
// decided.
func (c *connection) start() (settled <-chan struct{}) {
	c.entering.Lock()
	defer c.entering.Unlock()
	c.mu.Lock()
	if c.phase != made {
		defer c.mu.Unlock()
		return c.settled
	}
	list, done := c.presences, make(chan struct{})
	c.phase, c.settled, c.unsettled = starting, done, len(list)
	if len(list) == 0 {
		c.settle()
	}
	c.mu.Unlock()
	for _, p := range list {
		p.session.Open(p.hub.opening)
	}
	c.ready.Store(true)
	return done
}

// settle ends the start. The caller holds mu.
func (c *connection) settle() {
	if c.phase == starting {
		c.phase = started
	}
	if c.settled != nil && c.unsettled >= 0 {
		c.unsettled = -1
		close(c.settled)
	}
}

// verdict is how the start has ended: an empty text means well.
func (c *connection) verdict() (refused string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == "" && c.phase != started {
		return "The connection has ended.", false
	}
	return c.refused, c.phase == started
}
