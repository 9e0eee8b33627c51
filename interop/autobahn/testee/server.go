package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/parley-go/parley/websocket"
)

// serve offers each way to use a connection under a path of its own.
func serve(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/conn", serveConn)
	mux.HandleFunc("/handler", serveHandler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	fmt.Printf("ws://%s\n", listener.Addr())
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

var options = &websocket.AcceptOptions{Limits: limits, Compression: takeover}

// serveConn echoes in a goroutine of its own. Autobahn takes the Server header for
// the name of what it judges.
func serveConn(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "conn")
	c, err := websocket.Accept(w, r, options)
	if err != nil {
		return // Accept has answered the request
	}
	echo(r.Context(), c) // how a case ends is Autobahn's to judge
}

// serveHandler echoes wherever the engine calls it.
func serveHandler() http.HandlerFunc {
	h := &websocket.Handler{
		Options:   options,
		OnMessage: func(c *websocket.Conn, m websocket.Message) { c.Send(m) },
	}
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "handler")
		h.ServeHTTP(w, r)
	}
}
