//go:build linux

package rig

import (
	"fmt"
	"slices"
	"time"

	"github.com/parley-go/parley/bench/internal/load"
)

// A Case is one kind of work at one size, done by several servers.
type Case struct {
	Name    string
	Kind    Kind
	Size    int    // bytes of a message
	Conns   int    // connections
	Depth   int    // messages in flight on each, or publications in a burst, or messages before idling
	Deflate string // as servers.Options.Deflate
	Cores   int    // processors that the server has: 1 or 2
	Servers []string
	Warm    time.Duration
	Measure time.Duration
	Once    bool // one repetition says it all
	Extra   bool // run only when named
}

// Kind is what a case measures.
type Kind int

// The kinds of cases.
const (
	Echo      Kind = iota // time of the processor for each echo
	Broadcast             // the same for each delivery
	Handshake             // the same for each connection opened
	Idle                  // memory of connections that do nothing
	Busy                  // latency beside a goroutine that computes
	Calls                 // system calls for each echo
)

// Names of servers.
const (
	floor        = "floor"
	floorNet     = "floor-net"
	parley       = "parley"
	parleyAccept = "parley-accept"
	gws          = "gws"
	gorilla      = "gorilla"
	coder        = "coder"
	gobwas       = "gobwas"
	gobwasEpoll  = "gobwas-epoll"
	nodeWS       = "ws"
	nodeSocketIO = "socket.io"
	hubJSON      = "hub-json"
	hubMsgpack   = "hub-msgpack"
	hubSocketIO  = "hub-socketio"
)

// olds are Parley's servers as an older build of this program has them, by the names
// under which they run.
var olds = map[string]string{"old": parley, "old-accept": parleyAccept,
	"old-hub-json": hubJSON, "old-hub-msgpack": hubMsgpack, "old-hub-socketio": hubSocketIO}

// Without returns the cases of all kinds but one.
func Without(cases []Case, kind Kind) []Case {
	return slices.DeleteFunc(slices.Clone(cases), func(c Case) bool { return c.Kind == kind })
}

func (c *Case) script(server string) *load.Script {
	if today, ok := olds[server]; ok {
		server = today
	}
	switch {
	case server == floor || server == floorNet:
		return load.Raw(c.Size, c.Depth)
	case server == hubJSON || server == hubMsgpack:
		return load.SignalR(c.Size, c.Depth, server == hubMsgpack)
	case server == hubSocketIO || server == nodeSocketIO:
		return load.SocketIO(c.Size, c.Depth)
	case c.Deflate != "":
		return load.Compressed(c.Size, c.Depth, c.Deflate == "takeover")
	}
	return load.Echo(c.Size, c.Depth)
}

// command is how a server is started for the case.
func (c *Case) command(program, server, profile string) []string {
	args := []string{program, "serve", "-server", server, "-deflate", c.Deflate}
	if c.Kind == Broadcast {
		args = append(args, "-broadcast")
	}
	if c.Kind == Busy {
		args = append(args, "-busy")
	}
	if profile != "" {
		args = append(args, "-profile", profile)
	}
	return args
}

// bytes says a size as people do.
func bytes(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	case n > 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dB", n)
}
