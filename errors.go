package parley

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/parley-go/parley/wire"
)

// Error is an error meant for the other side. A handler that returns one, or
// wraps one, tells the caller its Code, Message and Data; any other error is
// logged, and the caller sees a neutral sentence. On the calling side, a call
// that the peer failed returns an *Error.
type Error struct {
	Code    string // for programs; empty means "error". The hub's own codes are the Code constants of package wire
	Message string // for people; empty means a neutral sentence
	Type    string // a class name, for protocols that show one (SignalR); empty means the protocol's default
	Data    any    // an optional value, for protocols that carry one (Socket.IO, plain)

	hub bool // of the hub itself: protocols may use their own sentence for Code
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Errorf returns an *Error with a formatted message.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// hubErrorf is Errorf for what the hub itself has to say.
func hubErrorf(code, format string, args ...any) *Error {
	e := Errorf(code, format, args...)
	e.hub = true
	return e
}

// The reasons for which a connection or a call ends from this side. Compare
// with errors.Is.
var (
	// ErrClosed means that the connection has ended, or was never there.
	ErrClosed = errors.New("parley: connection closed")
	// ErrSlow means that a client did not read and its queue overflowed.
	ErrSlow = errors.New("parley: client too slow, send queue full")
	// ErrIdle means that a client was not heard of within its idle timeout.
	ErrIdle = errors.New("parley: client not heard of in time")
	// ErrHandshake means that a client did not finish its handshake in time.
	ErrHandshake = errors.New("parley: handshake not finished in time")
	// ErrShutdown means that the hub is shutting down.
	ErrShutdown = errors.New("parley: hub is shutting down")
	// ErrTimeout means that a call was not answered in time.
	ErrTimeout = errors.New("parley: call not answered in time")
	// ErrConnecting means a question to a client whose OnConnect still runs:
	// the client could not answer yet.
	ErrConnecting = errors.New("parley: client is still connecting")
	// ErrProtocol means that the peer broke the rules of its protocol.
	ErrProtocol = wire.ErrProtocol
	// ErrExpired means that the credentials of a client were not valid any more.
	ErrExpired = errors.New("parley: credentials expired")
	// ErrLimit means that a limit of the hub's options was reached.
	ErrLimit = errors.New("parley: limit reached")
)

// failedSentence hides from the caller what only the log may tell.
const failedSentence = "The server failed to handle this call."

// outward is what a handler's error looks like to the caller, and whether it
// was meant for them.
func outward(err error, codec wire.Codec) (e *wire.Error, meant bool) {
	var own *Error
	if !errors.As(err, &own) {
		return &wire.Error{Code: wire.CodeInternal, Message: failedSentence, Hub: true, Detail: err.Error()}, false
	}
	e = &wire.Error{
		Code:    cmp.Or(own.Code, wire.CodeFailed),
		Message: cmp.Or(own.Message, failedSentence), // clients take an error without words for none
		Type:    own.Type, Hub: own.hub,
	}
	if own.Data == nil {
		return e, true
	}
	a, err := codec.Marshal(own.Data)
	if err == nil && len(a.Attachments) > 0 { // an error has no room for them: bytes travel as text
		a, err = wire.JSON.Marshal(own.Data)
	}
	if err == nil {
		e.Data = a.Values[0]
	}
	return e, true
}

// inward is a failure that arrived, as the caller's error.
func inward(e *wire.Error, codec wire.Codec) error {
	own := &Error{Code: e.Code, Message: e.Message, Type: e.Type}
	if e.Data == nil {
		return own
	}
	var data any
	if codec.Unmarshal(wire.Args{Values: [][]byte{e.Data}}, 0, &data) == nil {
		own.Data = data
	}
	return own
}
