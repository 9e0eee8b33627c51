// Command testserver is the hub that the tests in the folder above drive where
// the demo's chat has no words for what they want to know: a hub that asks, a
// handler that panics, a connection that is cut.
package main

import (
	"context"
	"encoding/json"
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
	"github.com/parley-go/parley/socketio"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "the address to listen on")
	var o site
	flag.StringVar(&o.origin, "origin", "", "an origin whose pages may connect, besides the server's own")
	flag.StringVar(&o.key, "key", "", "what seals the tokens of classic SignalR's clients, which servers may share")
	flag.StringVar(&o.files, "files", "", "a folder to serve at /files/")
	limits := &o.limits
	flag.DurationVar(&limits.KeepAlive, "keepalive", 0, "time between two pings; 0 means the hub's default")
	flag.DurationVar(&limits.IdleTimeout, "idle", 0, "idle timeout; 0 means the hub's default")
	flag.DurationVar(&limits.AskTimeout, "ask", 0, "how long ask waits; 0 means the hub's default")
	flag.IntVar(&limits.QueueBytes, "queue", 0, "bytes that may wait for one client; 0 means the hub's default")
	flag.Parse()
	if err := run(*listen, &o); err != nil {
		fmt.Fprintln(os.Stderr, "testserver:", err)
		os.Exit(1)
	}
}

// site is what is served.
type site struct {
	limits        parley.Limits
	origin, files string
	key           string
	hub, parallel *parley.Hub // the second runs several calls of a connection at a time
	judges        *judges
	court         *court
}

// run serves until the process is asked to end, then shuts the hubs down.
func run(listen string, s *site) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s.hub = newHub(s.limits, log)
	limits := s.limits
	limits.Parallelism = 3
	s.parallel = newHub(limits, log)
	mux := s.mux()
	endRaw := mountRaw(mux)
	endOld := mountOld(mux, s.limits, log)
	endAdmin, err := mountAdmin(mux)
	if err != nil {
		return err
	}
	matrix := mountMatrix(mux, s.limits, log)
	s.judges = mountJudges(mux, s.limits, s.origin, log)
	s.court = mountClassic(mux, s.limits, s.origin, s.key, log)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
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
	ctx, cancel := context.WithTimeout(context.Background(), 45*time.Second) // a Socket.IO client that has stopped polling holds a hub up for 30
	defer cancel()
	return errors.Join(s.hub.Shutdown(ctx), s.parallel.Shutdown(ctx), endRaw(ctx), endOld(ctx), endAdmin(ctx), s.judges.shutdown(ctx), s.court.shutdown(ctx), matrix.shutdown(ctx), server.Shutdown(ctx))
}

func (s *site) mux() *http.ServeMux {
	mux := http.NewServeMux()
	plain.Mount(mux, "/plain", s.hub, nil)
	socketio.Mount(mux, "/socket.io/", s.hub, &socketio.Options{
		PingInterval: s.limits.KeepAlive,
		PingTimeout:  s.limits.IdleTimeout,
	})
	s.mountSignalR(mux)
	if s.files != "" {
		mux.Handle("GET /files/", http.StripPrefix("/files/", http.FileServer(http.Dir(s.files))))
	}
	mux.HandleFunc("POST /ask", s.ask)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /debug/goroutines", countGoroutines)
	mux.HandleFunc("GET /debug/state", s.state)
	return mux
}

// ask asks a client from outside the hub.
func (s *site) ask(w http.ResponseWriter, r *http.Request) {
	answer, err := askConn(r.Context(), s.hub, r.FormValue("id"), r.FormValue("question"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer) // a client that went away does not want it
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
