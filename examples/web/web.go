// Package web is what the pages of the samples share: a style sheet, one small
// browser module that speaks all dialects, and how pages, hubs and npm bundles
// are served to it.
package web

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/signalr/classic"
	"github.com/parley-go/parley/socketio"
)

//go:embed style.css icon.svg dialects.js
var shared embed.FS

// policy lets a page load and connect to nothing but its own server. The one
// style that may stand in the page is that of classic SignalR's forever frame.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; " +
	"style-src 'self' 'unsafe-hashes' 'sha256-7upzhVFG4tAiDrhGmMQ4BC3xJPS/zwMJOfc7u8chZ4g='"

// Pages serves a page's files.
func Pages(files fs.FS) http.Handler {
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "pages are read, nothing else", http.StatusMethodNotAllowed)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}

// Mount serves hub in all dialects, where the browser module looks for it:
// below the path at, which is empty or begins with a slash, at hub/plain, where
// WebSockets may be of drafts, hub/signalr and socket.io/, where Socket.IO's own scripts are too if npm has
// installed them in the folder modules; empty means that there is none.
func Mount(mux *http.ServeMux, at string, hub *parley.Hub, modules string) {
	plain.Mount(mux, at+"/hub/plain", hub, &plain.Options{LegacyDrafts: true})
	signalr.Mount(mux, at+"/hub/signalr", hub, nil)
	var client fs.FS
	if modules != "" {
		client = os.DirFS(filepath.Join(modules, "socket.io-client"))
	}
	socketio.Mount(mux, at+"/socket.io/", hub, &socketio.Options{ServeClient: client, Protocol1: true})
}

// MountSignalR serves hubs at the path at+"/signalr" to SignalR clients of both
// generations: to classic ones each hub by its name, to those of ASP.NET Core, who
// know of one, hubs[main].
func MountSignalR(mux *http.ServeMux, at, main string, hubs map[string]*parley.Hub) {
	signalr.Mount(mux, at+"/signalr", hubs[main], nil)
	classic.Mount(mux, at+"/signalr", hubs, nil)
}

// bundle is an npm client, or a part of it, as browsers load it.
type bundle struct {
	dialect string
	file    string // in the folder of npm's packages
	at      string // where it is served, below /npm/; empty when Mount serves it
}

func bundles() []bundle {
	return []bundle{
		{"signalr", "@microsoft/signalr/dist/browser/signalr.min.js", "signalr.min.js"},
		{"socketio", "socket.io-client/dist/socket.io.min.js", ""},
		{"socketio09", "socket.io-client-0.9/dist/socket.io.js", "socket.io-0.9.js"},
		{"classic", "jquery/dist/jquery.min.js", "jquery.min.js"},
		{"classic", "signalr-2.4.3/jquery.signalR.min.js", "jquery.signalR.min.js"},
	}
}

// MountShared serves what the pages share at /web/, and at /npm/ the bundles
// that npm has installed in the folder modules; empty means that there are
// none. /npm/status tells the pages which there are.
func MountShared(mux *http.ServeMux, modules string) {
	mux.Handle("/web/", http.StripPrefix("/web/", Pages(shared)))
	find := func(b bundle) (file string, there bool) {
		file = filepath.Join(modules, filepath.FromSlash(b.file))
		return file, modules != "" && isFile(file)
	}
	for _, b := range bundles() {
		if b.at != "" {
			mux.HandleFunc("GET /npm/"+b.at, func(w http.ResponseWriter, r *http.Request) {
				file, there := find(b)
				if !there {
					http.Error(w, b.at+" is not installed; run make demo", http.StatusNotFound)
					return
				}
				w.Header().Set("X-Content-Type-Options", "nosniff")
				w.Header().Set("Cache-Control", "no-cache")
				http.ServeFile(w, r, file)
			})
		}
	}
	mux.HandleFunc("GET /npm/status", func(w http.ResponseWriter, _ *http.Request) {
		status := make(map[string]bool)
		for _, b := range bundles() {
			_, there := find(b)
			rest, known := status[b.dialect]
			status[b.dialect] = there && (rest || !known)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		json.NewEncoder(w).Encode(status)
	})
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
