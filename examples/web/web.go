// Package web is what the pages of the samples share: a style sheet, one small
// browser module that speaks all dialects, and how pages, hubs and npm bundles
// are served to it.
package web

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
)

//go:embed style.css icon.svg dialects.js
var shared embed.FS

// policy lets a page load and connect to nothing but its own server.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

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
// below the path at, which is empty or begins with a slash, at hub/plain,
// hub/signalr and socket.io/.
func Mount(mux *http.ServeMux, at string, hub *parley.Hub) {
	plain.Mount(mux, at+"/hub/plain", hub, nil)
	signalr.Mount(mux, at+"/hub/signalr", hub, nil)
	socketio.Mount(mux, at+"/socket.io/", hub, nil)
}

// bundles are the npm clients as browsers load them, by the names of their
// dialects.
func bundles() map[string]string {
	return map[string]string{
		"socketio": "socket.io-client/dist/socket.io.min.js",
		"signalr":  "@microsoft/signalr/dist/browser/signalr.min.js",
	}
}

// MountShared serves what the pages share at /web/, and at /npm/ the bundles
// that npm has installed in the folder modules; empty means that there are
// none. /npm/status tells the pages which there are.
func MountShared(mux *http.ServeMux, modules string) {
	mux.Handle("/web/", http.StripPrefix("/web/", Pages(shared)))
	there := make(map[string]func() bool)
	for dialect, pkg := range bundles() {
		file := filepath.Join(modules, filepath.FromSlash(pkg))
		there[dialect] = func() bool { return modules != "" && isFile(file) }
		mux.HandleFunc("GET /npm/"+path.Base(pkg), func(w http.ResponseWriter, r *http.Request) {
			if !there[dialect]() {
				http.Error(w, path.Base(pkg)+" is not installed; run make demo", http.StatusNotFound)
				return
			}
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFile(w, r, file)
		})
	}
	mux.HandleFunc("GET /npm/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintf(w, `{"signalr":%t,"socketio":%t}`+"\n", there["signalr"](), there["socketio"]())
	})
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
