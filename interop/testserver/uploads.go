package main

import (
	"context"
	"iter"

	"github.com/parley-go/parley"
)

type stream[T any] = iter.Seq2[T, error]

// addUploads adds what takes streams.
func addUploads(hub *parley.Hub, g *gates) {
	hub.Handle("sum", parley.Func(sum))
	hub.Handle("tellSum", parley.Func(tellSum))
	hub.Handle("heldSum", parley.Func(func(ctx context.Context, name string, items stream[int]) (int, error) {
		if err := g.hold(ctx, name); err != nil {
			return 0, err
		}
		return sum(items)
	}))
	hub.Handle("zip", parley.Func(zip))
	hub.Handle("firstTwo", parley.Func(firstTwo))
	hub.Handle("failEarly", parley.Func(failEarly))
	hub.Handle("doubled", parley.Func(func(items stream[int]) stream[int] {
		return each(items, func(n int) int { return 2 * n })
	}))
	hub.Handle("echoAll", parley.Func(func(items stream[any]) stream[any] {
		return each(items, func(v any) any { return v })
	}))
}

func sum(items stream[int]) (total int, err error) {
	for n, err := range items {
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func tellSum(ctx context.Context, c *parley.Conn, items stream[int]) error {
	total, err := sum(items)
	if err != nil {
		return err
	}
	return c.Send(ctx, "sum", total)
}

// zip joins what comes in two streams, pair by pair, until the shorter ends.
func zip(separator string, a, b stream[string]) (pairs []string, err error) {
	next, stop := iter.Pull2(b)
	defer stop()
	for left, err := range a {
		if err != nil {
			return nil, err
		}
		right, err, more := next()
		if err != nil || !more {
			return pairs, err
		}
		pairs = append(pairs, left+separator+right)
	}
	return pairs, nil
}

func firstTwo(items stream[int]) (two []int, err error) {
	for n, err := range items {
		if err != nil {
			return nil, err
		}
		if two = append(two, n); len(two) == 2 {
			break
		}
	}
	return two, nil
}

func failEarly(items stream[int]) error {
	for range items {
		break
	}
	return parley.Errorf("enough", "enough")
}

// each answers with what fn makes of every item.
func each[T any](items stream[T], fn func(T) T) stream[T] {
	return func(yield func(T, error) bool) {
		for v, err := range items {
			if err == nil {
				v = fn(v)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}
