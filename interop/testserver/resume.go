package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/parley-go/parley"
)

// tally is what a connection has counted: numbers that should come from 1 on,
// each once.
type tally struct {
	mu    sync.Mutex
	Last  int    `json:"last"`
	Wrong string `json:"wrong"` // the first thing that was wrong
}

type tallyKey struct{}

func tallyOf(c *parley.Conn) *tally {
	if t, ok := c.Value(tallyKey{}).(*tally); ok {
		return t
	}
	t := &tally{}
	c.Set(tallyKey{}, t)
	return t
}

// addNumbers adds what shows whether anything is lost, doubled or out of order.
func addNumbers(hub *parley.Hub) {
	hub.Handle("number", parley.Func(number))
	hub.Handle("numbers", parley.Func(tallyOf))
	hub.Handle("rain", parley.Func(rain))
}

// number counts what comes; calls of a connection come one after the other.
func number(c *parley.Conn, n int) {
	t := tallyOf(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	if n != t.Last+1 && t.Wrong == "" {
		t.Wrong = fmt.Sprintf("%d came after %d", n, t.Last)
	}
	t.Last = n
}

// rain sends n numbers with some padding to a group, fifty at a time.
func rain(ctx context.Context, c *parley.Conn, group string, n int, padding string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := range n {
		if err := c.Hub().Group(group).Send(ctx, "drop", i+1, padding); err != nil {
			return err
		}
		if i%50 < 49 {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
