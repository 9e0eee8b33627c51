package main

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/parley-go/parley"
)

// gates make handlers wait for each other, by names that the tests invent:
// hold waits until somebody frees it, and held until somebody holds.
type gates struct {
	mu    sync.Mutex
	named map[string]*gate
	notes map[string][]string
}

type gate struct {
	held, freed chan struct{}
	once        struct{ hold, free sync.Once }
}

func newGates() *gates {
	return &gates{named: make(map[string]*gate), notes: make(map[string][]string)}
}

func (g *gates) gate(name string) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.named[name] == nil {
		g.named[name] = &gate{held: make(chan struct{}), freed: make(chan struct{})}
	}
	return g.named[name]
}

// hold waits at the gate; its end before that is noted under the same name.
func (g *gates) hold(ctx context.Context, name string) error {
	at := g.gate(name)
	at.once.hold.Do(func() { close(at.held) })
	select {
	case <-at.freed:
		return nil
	case <-ctx.Done():
		g.note(name, "gave up")
		return context.Cause(ctx)
	}
}

func (g *gates) held(ctx context.Context, name string) error {
	select {
	case <-g.gate(name).held:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *gates) free(name string) {
	at := g.gate(name)
	at.once.free.Do(func() { close(at.freed) })
}

// count counts to n once the gate is free.
func (g *gates) count(ctx context.Context, name string, n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		if err := g.hold(ctx, name); err != nil {
			yield(0, err)
			return
		}
		for i := 1; i <= n && yield(i, nil); i++ {
		}
	}
}

// note adds a line to a list, which notes returns.
func (g *gates) note(name, line string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.notes[name] = append(g.notes[name], line)
}

func (g *gates) noted(name string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.notes[name])
}

func (g *gates) add(hub *parley.Hub) {
	hub.Handle("hold", parley.Func(func(ctx context.Context, name string) (string, error) { return name, g.hold(ctx, name) }))
	hub.Handle("held", parley.Func(g.held))
	hub.Handle("free", parley.Func(g.free))
	hub.Handle("countFreed", parley.Func(g.count))
	hub.Handle("note", parley.Func(g.note))
	hub.Handle("noted", parley.Func(g.noted))
}
