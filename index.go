package parley

import (
	"hash/maphash"
	"slices"
	"sync"
)

const shardCount = 64

// index finds sessions by ID, group and user. Each map is cut in shards with a
// lock of their own, held only to change it or to copy pointers out of it.
type index struct {
	seed   maphash.Seed
	shards [shardCount]shard
	all    sync.Mutex // orders the broadcasts to everyone
}

type shard struct {
	mu     sync.RWMutex
	conns  map[string]*Session
	groups map[string]*group
	users  map[string]*group
}

// group is a named set of sessions.
type group struct {
	order   sync.Mutex // orders the broadcasts to the group: every member gets them in the same order
	members map[*Session]struct{}
}

func newIndex() *index {
	x := &index{seed: maphash.MakeSeed()}
	for i := range x.shards {
		x.shards[i] = shard{
			conns:  make(map[string]*Session),
			groups: make(map[string]*group),
			users:  make(map[string]*group),
		}
	}
	return x
}

func (x *index) shard(name string) *shard {
	return &x.shards[maphash.String(x.seed, name)%shardCount]
}

func (x *index) add(s *Session) {
	sh := x.shard(s.id)
	sh.mu.Lock()
	sh.conns[s.id] = s
	sh.mu.Unlock()
	if user := s.conn.user; user != "" {
		sh := x.shard(user)
		sh.mu.Lock()
		join(sh.users, user, s)
		sh.mu.Unlock()
	}
}

func (x *index) remove(s *Session, groups []string) {
	sh := x.shard(s.id)
	sh.mu.Lock()
	if sh.conns[s.id] == s {
		delete(sh.conns, s.id)
	}
	sh.mu.Unlock()
	if user := s.conn.user; user != "" {
		sh := x.shard(user)
		sh.mu.Lock()
		leave(sh.users, user, s)
		sh.mu.Unlock()
	}
	for _, name := range groups {
		x.leave(name, s)
	}
}

func (x *index) join(name string, s *Session) {
	sh := x.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	join(sh.groups, name, s)
}

func (x *index) leave(name string, s *Session) {
	sh := x.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	leave(sh.groups, name, s)
}

func join(sets map[string]*group, name string, s *Session) {
	g := sets[name]
	if g == nil {
		g = &group{members: make(map[*Session]struct{})}
		sets[name] = g
	}
	g.members[s] = struct{}{}
}

func leave(sets map[string]*group, name string, s *Session) {
	g := sets[name]
	if g == nil {
		return
	}
	if delete(g.members, s); len(g.members) == 0 {
		delete(sets, name)
	}
}

func (x *index) conn(id string) *Session {
	sh := x.shard(id)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.conns[id]
}

// order is the locks that order what is sent to an audience.
type order struct {
	one  *sync.Mutex // nil for none
	more []*sync.Mutex
}

func (o order) lock() {
	if o.one != nil {
		o.one.Lock()
	}
	for _, mu := range o.more {
		mu.Lock()
	}
}

func (o order) unlock() {
	if o.one != nil {
		o.one.Unlock()
	}
	for _, mu := range o.more {
		mu.Unlock()
	}
}

// members copies the sessions of a, and names the locks that order what is
// sent to them.
func (x *index) members(a *Audience) ([]*Session, order) {
	var list []*Session
	var locks order
	if len(a.more) == 0 {
		list, locks.one = x.part(a.part, a)
	} else {
		list, locks.more = x.union(a)
	}
	if len(a.exceptGroups) > 0 {
		list = slices.DeleteFunc(list, func(s *Session) bool { return s.conn.inAny(a.exceptGroups) })
	}
	return list, locks
}

func (x *index) union(a *Audience) (list []*Session, locks []*sync.Mutex) {
	seen := make(map[*Session]bool)
	for _, p := range a.parts() {
		some, lock := x.part(p, a)
		if lock != nil {
			locks = append(locks, lock)
		}
		for _, s := range some {
			if !seen[s] {
				seen[s] = true
				list = append(list, s)
			}
		}
	}
	return list, locks
}

// part copies the sessions of one of the sets of a, without those that a names
// as exceptions.
func (x *index) part(p part, a *Audience) ([]*Session, *sync.Mutex) {
	switch p.kind {
	case toOne:
		if s := x.conn(p.name); s != nil && !a.excepts(p.name) {
			return []*Session{s}, nil
		}
		return nil, nil
	case toEveryone:
		return x.everyone(a), &x.all
	}
	sh := x.shard(p.name)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	sets := sh.groups
	if p.kind == toUser {
		sets = sh.users
	}
	g := sets[p.name]
	if g == nil {
		return nil, nil
	}
	list := make([]*Session, 0, len(g.members))
	for s := range g.members {
		if !a.excepts(s.id) {
			list = append(list, s)
		}
	}
	return list, &g.order
}

func (x *index) everyone(a *Audience) []*Session {
	var list []*Session
	for i := range x.shards {
		sh := &x.shards[i]
		sh.mu.RLock()
		for id, s := range sh.conns {
			if !a.excepts(id) {
				list = append(list, s)
			}
		}
		sh.mu.RUnlock()
	}
	return list
}

func (x *index) count() int {
	n := 0
	for i := range x.shards {
		sh := &x.shards[i]
		sh.mu.RLock()
		n += len(sh.conns)
		sh.mu.RUnlock()
	}
	return n
}
