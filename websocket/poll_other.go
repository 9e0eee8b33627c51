//go:build !linux

package websocket

import (
	"context"
	"errors"
)

var errWouldBlock = errors.New("websocket: nothing to read")

// Without pollers every connection keeps its net.Conn, and a goroutine that waits for
// it. What is here is never called.

type loop struct{}

func (*loop) becomesDue(*Conn) {}
func (*loop) remove(*Conn)     {}

type socket struct{}

func (*socket) release()    {}
func (*socket) closeWrite() {}

func (c *Conn) attach()                                       {}
func (c *Conn) readSocket([]byte) (int, error)                { return 0, nil }
func (c *Conn) listen()                                       {}
func (c *Conn) readable(bool)                                 {}
func (c *Conn) scheduleLocked()                               {}
func (c *Conn) awaitWritable(int)                             {}
func (c *Conn) writeRaw(*queue) error                         { return nil }
func (c *Conn) writeWaiting(context.Context, *queue) error    { return nil }
func (c *Conn) fillFromSocket(context.Context) (event, error) { return event{}, nil }
