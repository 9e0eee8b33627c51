package main

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/parley-go/parley"
)

// gates make handlers wait for each other, by names that the tests invent:
// hold waits until somebody frees it, held until somebody holds, and gaveUp
// until the context of one who held has ended.
type gates struct {
	mu    sync.Mutex
	named map[string]*gate
	notes map[string][]string // what note has noted, in order
}

type gate struct {
	held, freed, left event
}

// event happens once.
type event struct {
	once sync.Once
	done chan struct{}
}

func newEvent() event { return event{done: make(chan struct{})} }

func (e *event) happen() { e.once.Do(func() { close(e.done) }) }

func (e *event) wait(ctx context.Context) error {
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func newGates() *gates {
	return &gates{named: make(map[string]*gate), notes: make(map[string][]string)}
}

func (g *gates) gate(name string) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.named[name] == nil {
		g.named[name] = &gate{held: newEvent(), freed: newEvent(), left: newEvent()}
	}
	return g.named[name]
}

func (g *gates) hold(ctx context.Context, name string) error {
	at := g.gate(name)
	at.held.happen()
	err := at.freed.wait(ctx)
	if err != nil {
		at.left.happen()
	}
	return err
}

func (g *gates) held(ctx context.Context, name string) error { return g.gate(name).held.wait(ctx) }
func (g *gates) left(ctx context.Context, name string) error { return g.gate(name).left.wait(ctx) }
func (g *gates) free(name string)                            { g.gate(name).freed.happen() }

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
	parley.Stream[string, int]("heldStream").Handle(hub, func(ctx context.Context, _ *parley.Conn, name string, _ func(int) error) error {
		return g.hold(ctx, name)
	})
	hub.Handle("gaveUp", parley.Func(g.left))
	hub.Handle("note", parley.Func(g.note))
	hub.Handle("noted", parley.Func(g.noted))
}
