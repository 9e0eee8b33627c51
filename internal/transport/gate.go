package transport

import "sync"

// gate is where messages wait between Pause and Resume.
type gate struct {
	mu      sync.Mutex
	resumed chan struct{} // closed by Resume; nil when not paused
}

// Pause implements [wire.Pipe].
func (g *gate) Pause() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.resumed == nil {
		g.resumed = make(chan struct{})
	}
}

// Resume implements [wire.Pipe].
func (g *gate) Resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.resumed != nil {
		close(g.resumed)
		g.resumed = nil
	}
}

// wait returns when there is no pause, or with false when gone is closed.
func (g *gate) wait(gone <-chan struct{}) bool {
	for {
		g.mu.Lock()
		resumed := g.resumed
		g.mu.Unlock()
		select {
		case <-gone:
			return false
		default:
		}
		if resumed == nil {
			return true
		}
		select {
		case <-resumed:
		case <-gone:
		}
	}
}
