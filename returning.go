package parley

import "slices"

// Return is what a client can prove of its past at a process that is gone, or has
// forgotten it: the ID in [SessionOptions], and its groups. [Conn.Recovered] tells
// OnConnect.
type Return struct {
	// Groups are those it was in, and is in again before OnConnect; of more than
	// Limits.Groups, the first.
	Groups []string
}

// returns makes the connection a member of its groups, from [Conn.enterAgain] on.
func (c *Conn) returns(r *Return) {
	c.session.returned = true
	groups := slices.Clone(r.Groups)
	slices.Sort(groups)
	groups = slices.Compact(groups)
	c.groups = groups[:min(len(groups), c.hub.core.limits.Groups)]
}

// enterAgain lets the groups of a connection that returns find it. The caller
// holds the session's lock.
func (c *Conn) enterAgain() {
	if c == nil || !c.session.returned {
		return
	}
	c.mu.Lock() // others can find it already, and have it leave
	defer c.mu.Unlock()
	for _, group := range c.groups {
		c.hub.index.join(group, c.session)
	}
}
