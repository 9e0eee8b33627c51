package parley

import (
	"context"
	"errors"
	"iter"
	"reflect"

	"github.com/parley-go/parley/wire"
)

// This file is streams that a call brings along: on the side of the handler,
// which reads them, and on that of the caller.

// bring makes room for the streams that c brings.
func (s *Session) bring(c *Call, ids []string) error {
	for _, id := range ids {
		w, err := s.asks.expect(id, &s.core.limits, s.pause)
		if err != nil {
			return err
		}
		c.uploads = append(c.uploads, w)
	}
	return nil
}

// Uploads is the number of streams that the call brings.
func (c *Call) Uploads() int { return len(c.uploads) }

// Upload is the i-th stream that the call brings. It can be read once. A stream
// that fails yields its error last, an *[Error] when the caller ended it with
// one. Leaving the loop ignores the rest.
func (c *Call) Upload(i int) iter.Seq2[Value, error] {
	w := c.uploads[i]
	return func(yield func(Value, error) bool) {
		defer c.session.asks.drop(w)
		w.each(&c.ctx, c.session.codec(), yield)
	}
}

// badItem is what a handler is told of a value that is not of its type.
const badItem = "Failed to bind Stream message."

// uploadOf is the i-th stream of call as values of type T.
func uploadOf[T any](call *Call, i int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range call.Upload(i) {
			var value T
			if err == nil && v.Scan(&value) != nil {
				err = &Error{Message: badItem}
			}
			if !yield(value, err) || err != nil {
				return
			}
		}
	}
}

// isUpload tells whether t is an iter.Seq2[T, error], and T.
func isUpload(t reflect.Type) (item reflect.Type, ok bool) {
	if t.Kind() != reflect.Func || !t.CanSeq2() || t.In(0).In(1) != errorType {
		return nil, false
	}
	return t.In(0).In(0), true
}

// uploadValue is the i-th stream of call as a value of type t, an
// iter.Seq2[T, error].
func uploadValue(call *Call, i int, t reflect.Type) reflect.Value {
	item, _ := isUpload(t)
	return reflect.MakeFunc(t, func(in []reflect.Value) []reflect.Value {
		yield, failed := in[0], reflect.Zero(errorType)
		for v, err := range call.Upload(i) {
			value := reflect.New(item)
			if err == nil && v.Scan(value.Interface()) != nil {
				err = &Error{Message: badItem}
			}
			e := failed
			if err != nil {
				e = reflect.ValueOf(&err).Elem()
			}
			if !yield.Call([]reflect.Value{value.Elem(), e})[0].Bool() || err != nil {
				break
			}
		}
		return nil
	})
}

// upload is one stream that a call of this side brings.
type upload struct {
	id  string
	seq reflect.Value
}

// uploads takes the iterators out of args.
func (s *Session) uploads(args []any) (rest []any, streams []upload) {
	for i, a := range args {
		v := reflect.ValueOf(a)
		isStream := v.Kind() == reflect.Func && (v.Type().CanSeq() || v.Type().CanSeq2())
		if isStream && streams == nil {
			rest = append(rest, args[:i]...)
		}
		switch {
		case isStream:
			streams = append(streams, upload{s.asks.nextID(), v})
		case streams != nil:
			rest = append(rest, a)
		}
	}
	if streams == nil {
		return args, nil
	}
	return rest, streams
}

func ids(streams []upload) []string {
	if len(streams) == 0 {
		return nil
	}
	list := make([]string, len(streams))
	for i, u := range streams {
		list[i] = u.id
	}
	return list
}

// upload sends the values of streams, until their call has been answered.
func (s *Session) upload(streams []upload, answered <-chan struct{}) {
	for _, u := range streams {
		if !s.whileOpen(func() { s.core.sessions.Add(1) }) {
			return // nobody would wait for it
		}
		go func() { // ends with the iterator, at the latest one value after the answer or the connection; Close waits for it
			defer s.core.sessions.Done()
			s.uploadOne(u, answered)
		}()
	}
}

func (s *Session) uploadOne(u upload, answered <-chan struct{}) {
	over := func() bool {
		select {
		case <-answered:
			return true
		default:
			return s.life.ended() != nil
		}
	}
	end := &wire.Message{Kind: wire.End, ID: u.id}
	if err := s.protect("upload", func() error { return s.pour(u, over) }); err != nil {
		end.Err, _ = s.outward("upload", err)
	}
	if !over() {
		s.send(end) // fails with the connection only
	}
}

var errAnswered = errors.New("parley: the call has been answered")

// pour sends each value of u.
func (s *Session) pour(u upload, over func() bool) (err error) {
	put := func(v reflect.Value) bool {
		if over() {
			err = errAnswered
			return false
		}
		var args wire.Args
		if args, err = s.codec().Marshal(v.Interface()); err == nil {
			err = s.sendWaiting(&s.life, &wire.Message{Kind: wire.Item, ID: u.id, Args: args})
		}
		return err == nil
	}
	if u.seq.Type().CanSeq() {
		u.seq.Seq()(put)
		return err
	}
	u.seq.Seq2()(func(v, failed reflect.Value) bool {
		if e, _ := failed.Interface().(error); e != nil {
			err = e
			return false
		}
		return put(v)
	})
	return err
}

type headersKey struct{}

// WithHeaders returns a context whose calls ([Client.Call], Send and Stream)
// carry headers, where the protocol has any (SignalR).
func WithHeaders(ctx context.Context, headers map[string]string) context.Context {
	return context.WithValue(ctx, headersKey{}, headers)
}

func headersOf(ctx context.Context) map[string]string {
	headers, _ := ctx.Value(headersKey{}).(map[string]string)
	return headers
}
