package parley

import (
	"context"
	"iter"
	"reflect"

	"github.com/parley-go/parley/wire"
)

// Command is the name of a call from a client to the hub that is done or
// fails.
type Command[In any] string

// Handle answers the command on a hub.
func (name Command[In]) Handle(h *Hub, fn func(ctx context.Context, c *Conn, in In) error) {
	h.Handle(string(name), typed(withResult, func(ctx context.Context, call *Call, in In) error {
		return fn(ctx, call.Conn(), in)
	}))
}

// Call sends the command and waits until it is done or has failed.
func (name Command[In]) Call(ctx context.Context, cl *Client, in In) error {
	return cl.Call(ctx, string(name), nil, spread(in)...)
}

// Send sends the command without waiting.
func (name Command[In]) Send(ctx context.Context, cl *Client, in In) error {
	return cl.Send(ctx, string(name), spread(in)...)
}

// Method is the name of a call from a client to the hub that returns a value.
type Method[In, Out any] string

// Handle answers the method on a hub.
func (name Method[In, Out]) Handle(h *Hub, fn func(ctx context.Context, c *Conn, in In) (Out, error)) {
	h.Handle(string(name), typed(withResult, func(ctx context.Context, call *Call, in In) error {
		out, err := fn(ctx, call.Conn(), in)
		if err != nil {
			return err
		}
		return call.reply(out)
	}))
}

// Call asks the hub and waits for the value.
func (name Method[In, Out]) Call(ctx context.Context, cl *Client, in In) (out Out, err error) {
	err = cl.Call(ctx, string(name), &out, spread(in)...)
	return out, err
}

// Stream is the name of a call from a client to the hub that returns many
// values, one after the other.
type Stream[In, T any] string

// Handle answers the stream on a hub. Each send adds a value; it waits while
// the connection's queue is more than half full, and fails when the client has
// cancelled or gone. The stream ends when fn returns.
func (name Stream[In, T]) Handle(h *Hub, fn func(ctx context.Context, c *Conn, in In, send func(T) error) error) {
	h.Handle(string(name), typed(withStream, func(ctx context.Context, call *Call, in In) error {
		return fn(ctx, call.Conn(), in, func(v T) error { return call.Send(v) })
	}))
}

// Call starts the stream. Leaving the loop over it cancels it. A stream that
// fails yields its error last.
func (name Stream[In, T]) Call(ctx context.Context, cl *Client, in In) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range cl.Stream(ctx, string(name), spread(in)...) {
			var value T
			if err == nil {
				err = v.Scan(&value)
			}
			if !yield(value, err) || err != nil {
				return
			}
		}
	}
}

// Upload is the name of a call from a client to the hub that brings many
// values, one after the other, and returns one.
type Upload[In, T, Out any] string

// Handle answers the upload on a hub. items can be read once; one that fails
// yields its error last. Leaving the loop over it ignores the rest.
func (name Upload[In, T, Out]) Handle(h *Hub, fn func(ctx context.Context, c *Conn, in In, items iter.Seq2[T, error]) (Out, error)) {
	h.Handle(string(name), &contract[In]{how: withResult, streams: 1, fn: func(ctx context.Context, call *Call, in In) error {
		out, err := fn(ctx, call.Conn(), in, uploadOf[T](call, 0))
		if err != nil {
			return err
		}
		return call.reply(out)
	}})
}

// Call sends items to the hub and waits for its value. Once that has come, items
// is left at its next value.
func (name Upload[In, T, Out]) Call(ctx context.Context, cl *Client, in In, items iter.Seq[T]) (out Out, err error) {
	err = cl.Call(ctx, string(name), &out, append(spread(in), items)...)
	return out, err
}

// Event is the name of a message from the hub to clients.
type Event[T any] string

// Send sends the event to everyone in an audience; see [Audience.Send].
func (name Event[T]) Send(ctx context.Context, to Addressable, v T) error {
	return to.Audience().Send(ctx, string(name), spread(v)...)
}

// On sets what a Go client does with the event.
func (name Event[T]) On(cl *Client, fn func(ctx context.Context, v T)) {
	cl.Handle(string(name), typed(withResult, func(ctx context.Context, _ *Call, v T) error {
		fn(ctx, v)
		return nil
	}))
}

// Ask is the name of a call from the hub to one client that returns a value.
type Ask[In, Out any] string

// Call asks the client and waits for the value; see [Conn.Call] for the
// errors.
func (name Ask[In, Out]) Call(ctx context.Context, c *Conn, in In) (out Out, err error) {
	err = c.Call(ctx, string(name), &out, spread(in)...)
	return out, err
}

// Handle answers the question on a Go client.
func (name Ask[In, Out]) Handle(cl *Client, fn func(ctx context.Context, in In) (Out, error)) {
	cl.Handle(string(name), typed(withResult, func(ctx context.Context, call *Call, in In) error {
		out, err := fn(ctx, in)
		if err != nil {
			return err
		}
		return call.reply(out)
	}))
}

// contract is the Handler of a typed name.
type contract[In any] struct {
	how     answers
	streams int // that a call brings
	fn      func(context.Context, *Call, In) error
}

func typed[In any](how answers, fn func(context.Context, *Call, In) error) Handler {
	return &contract[In]{how: how, fn: fn}
}

func (t *contract[In]) answers() answers { return t.how }

func (t *contract[In]) brings() int { return t.streams }

func (t *contract[In]) Handle(ctx context.Context, call *Call) error {
	var in In
	if err := gather(call, &in); err != nil {
		return err
	}
	return t.fn(ctx, call, in)
}

// Value is one value of a stream, still as it came.
type Value struct {
	args  wire.Args
	codec wire.Codec
}

// Scan reads the value into the variable that into points to.
func (v Value) Scan(into any) error {
	if len(v.args.Values) == 0 {
		reflect.ValueOf(into).Elem().SetZero()
		return nil
	}
	return v.codec.Unmarshal(v.args, 0, into)
}
