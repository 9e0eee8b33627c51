package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/examples/chat"
	"github.com/parley-go/parley/examples/clock"
	"github.com/parley-go/parley/examples/duplex"
	"github.com/parley-go/parley/examples/paint"
	"github.com/parley-go/parley/examples/period/gettingstarted"
	"github.com/parley-go/parley/examples/period/greeter"
	"github.com/parley-go/parley/examples/period/logpage"
	"github.com/parley-go/parley/examples/period/webapi"
	"github.com/parley-go/parley/examples/web"
	"github.com/parley-go/parley/websocket"
)

// demo is the command of that name: it serves the sample apps until ctx ends.
func demo(ctx context.Context, args []string, out, errs io.Writer) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(errs)
	listen := flags.String("listen", "127.0.0.1:8080", "address to listen on")
	npm := flags.String("npm", "", "folder of npm packages; empty: interop/node_modules, here or above")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("demo takes no arguments, got %q", flags.Args())
	}
	if *npm == "" {
		*npm = findPackages()
	}
	l, err := net.Listen("tcp", *listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("demo: %s is taken by another program; choose another address, such as --listen 127.0.0.1:0", *listen)
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintf(out, "parley demo: http://%s/\n", l.Addr())
	if *npm == "" {
		fmt.Fprintln(errs, "Socket.IO and SignalR in the browser need their npm clients: make demo installs them.")
	}
	return demoServer(*npm).serve(ctx, l)
}

// app is one part of the site.
type app interface {
	Mount(mux *http.ServeMux, modules string)
	Shutdown(ctx context.Context) error
}

// site is the demo server: the start page, the samples and an echo.
type site struct {
	mux  *http.ServeMux
	apps []app
}

//go:embed start
var start embed.FS

// demoServer puts the site together. npm is the folder of npm packages; empty
// means that there is none.
func demoServer(npm string) *site {
	room, tutorial := chat.New(), gettingstarted.New()
	s := &site{mux: http.NewServeMux(), apps: []app{
		room, clock.New(), paint.New(), duplex.New(nil), &echo{},
		tutorial, webapi.New(), greeter.New(nil), logpage.New(&websocket.AcceptOptions{LegacyDrafts: true}),
	}}
	for _, a := range s.apps {
		a.Mount(s.mux, npm)
	}
	web.MountSignalR(s.mux, "", "chat", map[string]*parley.Hub{"chat": room.Hub(), gettingstarted.Name: tutorial.Hub()})
	web.MountShared(s.mux, npm)
	s.mux.HandleFunc("GET /{$}", startPage)
	s.mux.Handle("/start/", web.Pages(start))
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return s
}

// startPage is what lies at the root: start/index.html.
func startPage(w http.ResponseWriter, r *http.Request) {
	r = r.Clone(r.Context())
	r.URL.Path = "/start/"
	web.Pages(start).ServeHTTP(w, r)
}

// findPackages looks for interop/node_modules here and above; empty when there
// is none.
func findPackages() string {
	dir, err := os.Getwd()
	for err == nil {
		npm := filepath.Join(dir, "interop", "node_modules")
		if info, err := os.Stat(npm); err == nil && info.IsDir() {
			return npm
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

// shutdownTime bounds the goodbyes.
const shutdownTime = 5 * time.Second

// serve answers until ctx ends, then says goodbye to everyone.
func (s *site) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s.mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }() // ends with the server, below
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	if bye := errors.Join(s.shutdown(late), server.Shutdown(late)); bye != nil {
		slog.Warn("parley demo: some clients did not take their goodbye and are cut off", "error", bye)
		server.Close() // of what is left; there is no more to do about it
	}
	return err
}

// shutdown ends all connections, each with its protocol's goodbye, all apps at
// the same time.
func (s *site) shutdown(ctx context.Context) error {
	errs := make([]error, len(s.apps))
	var ending sync.WaitGroup
	for i, a := range s.apps {
		ending.Go(func() { errs[i] = a.Shutdown(ctx) }) // waited for below
	}
	ending.Wait()
	return errors.Join(errs...)
}
