// Command testee is what Autobahn's cases are run against.
//
//	testee server 127.0.0.1:0                 an echo server for a fuzzing client
//	testee client ws://127.0.0.1:9001 WAY     a client that echoes each case of a fuzzing server
//
// The server says on its first line where it listens, and has a path for each way to
// use a connection: /conn, /handler. So are the ways of the client called, and
// there is takeover: conn, with compression that refers back to earlier messages.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/parley-go/parley/websocket"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "testee:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "server":
		return serve(ctx, args[1])
	case len(args) == 3 && args[0] == "client":
		return runCases(ctx, args[1], args[2])
	}
	return errors.New("want: server ADDRESS, or: client URL conn|handler|takeover")
}

// limits let through what Autobahn sends: messages of 16 MiB, and 4 MiB in
// frames of 64 bytes.
var limits = &websocket.Limits{MessageBytes: 64 << 20, Fragments: 1 << 20, QueueBytes: 64 << 20}

// takeover agrees to whatever window the peer asks for.
var takeover = &websocket.Compression{ContextTakeover: true, WindowBits: 15, PeerWindowBits: 15}

// echo answers every message until the connection ends, and says why it did.
func echo(ctx context.Context, c *websocket.Conn) error {
	defer c.CloseNow()
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := c.Write(ctx, m); err != nil {
			return err
		}
	}
	return nil
}
