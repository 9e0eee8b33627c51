package websocket

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
)

// Set is a number of connections to send to. The zero value is empty and ready. It
// is safe for concurrent use. A connection that ends leaves its sets by itself.
type Set struct {
	mu      sync.Mutex // held before that of a member, and never while something is sent
	members []*Conn
	shared  bool // somebody goes through members: they are copied before one is taken out
	index   map[*Conn]int
}

// Add makes c a member, and reports whether it is new to the set. A connection that
// has ended is not added.
func (s *Set) Add(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.index[c]; ok {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false
	}
	if s.index == nil {
		s.index = make(map[*Conn]int)
	}
	s.index[c] = len(s.members)
	s.members = append(s.members, c)
	x := c.more()
	x.sets = append(x.sets, s)
	return true
}

// Remove ends c's membership, and reports whether it was a member. A Send that is
// running may still reach it.
func (s *Set) Remove(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.mu.Lock()
	if x := c.extra; x != nil {
		x.sets = slices.DeleteFunc(x.sets, func(of *Set) bool { return of == s })
	}
	c.mu.Unlock()
	return s.remove(c)
}

// remove takes c out. The caller has mu.
func (s *Set) remove(c *Conn) bool {
	i, ok := s.index[c]
	if !ok {
		return false
	}
	if s.shared {
		s.members, s.shared = slices.Clone(s.members), false
	}
	last := len(s.members) - 1
	moved := s.members[last]
	s.members[i], s.members[last] = moved, nil
	s.index[moved] = i
	s.members = s.members[:last]
	delete(s.index, c)
	return true
}

// leaveSets is called when the connection has ended, and by two goroutines if both have
// found that out: when either returns, it has left.
func (c *Conn) leaveSets() {
	c.mu.Lock()
	var sets []*Set
	if x := c.extra; x != nil {
		sets = slices.Clone(x.sets)
	}
	c.mu.Unlock()
	for _, s := range sets {
		s.Remove(c)
	}
}

// Contains reports whether c is a member.
func (s *Set) Contains(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.index[c]
	return ok
}

// Clear ends all memberships there are when it starts. It closes no connection.
func (s *Set) Clear() {
	for _, c := range s.share() {
		s.Remove(c)
	}
}

// Len returns the number of members.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.members)
}

// All returns an iterator over the members there are when it starts, in no order.
func (s *Set) All() iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		for _, c := range s.share() {
			if !yield(c) {
				return
			}
		}
	}
}

// share returns the members of the moment, in a slice that is not written to.
func (s *Set) share() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shared = true
	return s.members
}

// SendError tells of a member that could not be sent to: [ErrSlow], when it was hung up
// on, which its [Handler]'s OnError is told as well; or an error wrapping
// [errors.ErrUnsupported], when the version of its protocol cannot carry the message.
type SendError struct {
	Conn *Conn
	Err  error
}

// Error returns the member's address and what went wrong.
func (e *SendError) Error() string {
	return fmt.Sprintf("websocket: sending to %v: %s", e.Conn.RemoteAddr(), strings.TrimPrefix(e.Err.Error(), "websocket: "))
}

// Unwrap returns what went wrong.
func (e *SendError) Unwrap() error { return e.Err }

// Broadcast sends m to every member, framed once. It is otherwise like Send.
func (s *Set) Broadcast(m Message) error { return s.Send(Prepare(m)) }

// Send sends p to every member but those in except. It never waits for one: see
// [Conn.Send]. Members whose peer is too slow are hung up on.
//
// The error joins a [*SendError] for each member it failed for; all others have been sent
// to. A member that has ended is no failure: it is leaving the set.
func (s *Set) Send(p *Prepared, except ...*Conn) error {
	if err := checkType(p.Type()); err != nil {
		return err
	}
	var failed []error
	for _, c := range s.share() {
		if len(except) > 0 && slices.Contains(except, c) {
			continue
		}
		if err := c.SendPrepared(p); err != nil && (errors.Is(err, ErrSlow) || errors.Is(err, errors.ErrUnsupported)) {
			failed = append(failed, &SendError{c, err})
		}
	}
	return errors.Join(failed...)
}
