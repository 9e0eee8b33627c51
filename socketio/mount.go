package socketio

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/parley-go/parley"
)

// Mount serves hub at path of mux; empty means "/socket.io/". See [Handler].
func Mount(mux *http.ServeMux, path string, hub *parley.Hub, o *Options) {
	path = cmp.Or(path, "/socket.io/")
	handler := Handler(hub, o)
	mux.Handle(path, handler)
	if bare := strings.TrimSuffix(path, "/"); bare != path && bare != "" {
		mux.Handle(bare, handler) // the client's option addTrailingSlash: false
	}
}

// Handler is [NewServer] for those who need no more than an [http.Handler].
func Handler(hub *parley.Hub, o *Options) http.Handler { return NewServer(hub, o) }
