// Command testserver is the hub that the tests in the folder above drive where
// the demo's chat has no words for what they want to know: a hub that asks, a
// handler that panics, a connection that is cut.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "the address to listen on")
	var limits parley.Limits
	flag.DurationVar(&limits.KeepAlive, "keepalive", 0, "time between two pings; 0 means the hub's default")
	flag.DurationVar(&limits.IdleTimeout, "idle", 0, "idle timeout; 0 means the hub's default")
	flag.DurationVar(&limits.AskTimeout, "ask", 0, "how long ask waits; 0 means the hub's default")
	flag.IntVar(&limits.QueueBytes, "queue", 0, "bytes that may wait for one client; 0 means the hub's default")
	flag.Parse()
	if err := run(*listen, limits); err != nil {
		fmt.Fprintln(os.Stderr, "testserver:", err)
		os.Exit(1)
	}
}

// run serves until the process is asked to end, then shuts the hub down.
func run(listen string, limits parley.Limits) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	hub := newHub(limits, log)
	server := &http.Server{Handler: newMux(hub, limits), ReadHeaderTimeout: 10 * time.Second}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("testserver: http://%s/\n", listener.Addr())

	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }() // run's own; ends with Shutdown or a failure to accept
	asked, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	select {
	case err := <-ended:
		return err
	case <-asked.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(hub.Shutdown(ctx), server.Shutdown(ctx))
}

func newMux(hub *parley.Hub, limits parley.Limits) *http.ServeMux {
	mux := http.NewServeMux()
	plain.Mount(mux, "/plain", hub, nil)
	signalr.Mount(mux, "/signalr", hub, &signalr.Options{ClientTimeout: limits.IdleTimeout})
	private := guarded(signalr.Handler(hub, nil))
	mux.Handle("/private/signalr", private)
	mux.Handle("/private/signalr/negotiate", private)
	socketio.Mount(mux, "/socket.io/", hub, &socketio.Options{
		PingInterval: limits.KeepAlive,
		PingTimeout:  limits.IdleTimeout,
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /debug/goroutines", countGoroutines)
	return mux
}

// countGoroutines answers with their number, or with ?stacks with what each
// of them does.
func countGoroutines(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("stacks") {
		pprof.Lookup("goroutine").WriteTo(w, 1) // a client that went away does not want it
		return
	}
	fmt.Fprintln(w, runtime.NumGoroutine())
}
