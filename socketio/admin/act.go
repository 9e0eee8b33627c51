package admin

import (
	"context"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
)

// handle answers what the pages ask for.
func (a *Admin) handle() {
	a.hub.Handle("emit", parley.HandlerFunc(a.emit))
	a.act("join", 2, func(ctx context.Context, to parley.Audience, args []any) error {
		return to.Join(ctx, text(args[1]))
	})
	a.act("leave", 2, func(ctx context.Context, to parley.Audience, args []any) error {
		return to.Leave(ctx, text(args[1]))
	})
	a.act("_disconnect", 2, func(ctx context.Context, to parley.Audience, args []any) error {
		if wholly, _ := args[1].(bool); wholly {
			for _, c := range to.Conns() {
				socketio.Disconnect(c)
			}
			return nil
		}
		return to.Close(ctx, "")
	})
}

// act registers an event of the page: (namespace, argument, filter).
func (a *Admin) act(event string, filter int, fn func(ctx context.Context, to parley.Audience, args []any) error) {
	a.hub.Handle(event, parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		args, err := arguments(call, filter)
		if err != nil {
			return err
		}
		to, err := a.audience(args[0], args[filter])
		if err != nil {
			return err
		}
		return fn(ctx, to, args)
	}))
}

// emit sends what a page wants sent: (namespace, filter, event, arguments…).
func (a *Admin) emit(ctx context.Context, call *parley.Call) error {
	args, err := arguments(call, 2)
	if err != nil {
		return err
	}
	to, err := a.audience(args[0], args[1])
	if err != nil {
		return err
	}
	return to.Send(ctx, text(args[2]), args[3:]...)
}

// arguments reads a call's; for those that are missing there are nil ones, up to
// the one at last.
func arguments(call *parley.Call, last int) ([]any, error) {
	args := make([]any, call.Len())
	into := make([]any, call.Len())
	for i := range args {
		into[i] = &args[i]
	}
	if err := call.Scan(into...); err != nil {
		return nil, err
	}
	for len(args) <= last {
		args = append(args, nil)
	}
	return args, nil
}

// audience is everyone in a namespace, or those whom the filter names: the members
// of a room, or a client by its ID.
func (a *Admin) audience(namespace, filter any) (parley.Audience, error) {
	hub := a.find(text(namespace))
	if hub == nil {
		return parley.Audience{}, parley.Errorf("not_found", "unknown namespace %q", text(namespace))
	}
	if name := text(filter); name != "" {
		return hub.Group(name).And(hub.Client(name)), nil
	}
	return hub.Audience(), nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
