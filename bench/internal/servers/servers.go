//go:build linux

// Package servers holds the programs that the rig measures: one file for each
// package of the field, written as its documentation advises and tuned as far as
// it can be, and the bare TCP echoes they are compared with.
package servers

import (
	"errors"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"
)

// Options say what a server does.
type Options struct {
	Broadcast bool   // what the client of /publish sends goes to those others that have had an echo; else every message is echoed
	Deflate   string // permessage-deflate: "" for none, "fresh" for no context takeover, or "takeover"
}

// Values of Options.Deflate.
const (
	Fresh    = "fresh"
	Takeover = "takeover"
)

// PublishPath is where the one publisher of a broadcast connects.
const PublishPath = "/publish"

// A Server serves l until the process ends. It returns only on an error.
type Server func(l net.Listener, o Options) error

// all has the servers written in Go by name.
var all = map[string]Server{
	"floor":         floor,
	"floor-net":     floorNet,
	"parley":        onHTTP(parleyHandler),
	"parley-accept": onHTTP(parleyAccept),
	"gws":           onHTTP(gwsHandler),
	"coder":         onHTTP(coderHandler),
	"gobwas":        onHTTP(gobwasHandler),
	"gobwas-epoll":  onHTTP(gobwasEpollHandler),
	"gorilla":       onHTTP(gorillaHandler),
	"hub-json":      onHTTP(hubHandler), // the client chooses the protocol
	"hub-msgpack":   onHTTP(hubHandler),
	"hub-socketio":  onHTTP(socketIOHandler),
}

// Named returns the server of a name.
func Named(name string) (Server, error) {
	s, ok := all[name]
	if !ok {
		return nil, errors.New("servers: no server is named " + name)
	}
	return s, nil
}

// Names returns the names of all servers written in Go, sorted.
func Names() []string { return slices.Sorted(maps.Keys(all)) }

// onHTTP mounts a server on net/http, as an application would.
func onHTTP(handler func(Options) (http.Handler, error)) Server {
	return func(l net.Listener, o Options) error {
		h, err := handler(o)
		if err != nil {
			return err
		}
		s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(discard{}, "", 0)}
		return s.Serve(l)
	}
}

// discard swallows what net/http logs about connections that are reset.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
