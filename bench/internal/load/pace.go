//go:build linux

package load

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Pace sends rate messages per second over random connections at random times
// (Poisson), whatever is answered. It returns how long each answer took, counted from
// the time when its message was due and not from when it could be sent, sorted.
func (f *Fleet) Pace(rate float64, w Window) (latencies []time.Duration, r Result, err error) {
	random := rand.New(rand.NewPCG(1, 2))
	began := time.Now()
	next, open := time.Duration(0), 0
	hear := func(c *conn) (int, error) {
		n, err := f.hear(c)
		now := time.Since(began)
		for _, due := range c.due[:min(n, len(c.due))] {
			if due >= w.Warm {
				latencies = append(latencies, now-due)
			}
		}
		c.due = c.due[min(n, len(c.due)):]
		open -= n
		return n, err
	}
	f.between = func() error {
		for now := time.Since(began); next <= now; next += time.Duration(random.ExpFloat64() / rate * 1e9) {
			c := f.conns[random.IntN(len(f.conns))]
			c.due = append(c.due, next)
			open++
			if err := f.say(c, 1); err != nil {
				return err
			}
		}
		return nil
	}
	r, err = f.measure(w, hear)
	f.between = nil
	if err != nil {
		return nil, r, err
	}
	err = f.until(func(c *conn) error {
		_, err := hear(c)
		return err
	}, func() bool { return open == 0 })
	slices.Sort(latencies)
	return latencies, r, err
}
