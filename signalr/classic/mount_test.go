package classic

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley"
)

// TestMountPanics: what cannot be meant is told at once, and by its name.
func TestMountPanics(t *testing.T) {
	hub, other := newHub(), newHub()
	for _, c := range []struct {
		hubs map[string]*parley.Hub
		o    *Options
		want string
	}{
		{map[string]*parley.Hub{"": hub}, nil, `no hub ""`},
		{map[string]*parley.Hub{"a\x00b": hub}, nil, `no hub "a\x00b"`},
		{map[string]*parley.Hub{"Chat": hub, "chat": other}, nil, "chat"},
		{map[string]*parley.Hub{"chat": hub, "talk": hub}, nil, "are the same hub"},
		{nil, &Options{DisconnectTimeout: time.Second}, "DisconnectTimeout"},
		{nil, &Options{KeepAlive: time.Second}, "KeepAlive"},
		{nil, &Options{KeepAlive: 11 * time.Second}, "KeepAlive"},
		{nil, &Options{KeepAlive: 4 * time.Second, DisconnectTimeout: 9 * time.Second}, "KeepAlive"},
	} {
		func() {
			defer func() {
				said, _ := recover().(string)
				if !strings.HasPrefix(said, "classic: ") || !strings.Contains(strings.ToLower(said), strings.ToLower(c.want)) {
					t.Errorf("%v, %+v: got the panic %q, want one about %s", c.hubs, c.o, said, c.want)
				}
			}()
			Mount(http.NewServeMux(), "/signalr", c.hubs, c.o)
		}()
	}
	if got := (&Options{DisconnectTimeout: 60 * time.Second}).withDefaults().KeepAlive; got != 20*time.Second {
		t.Errorf("KeepAlive is %v, want a third of DisconnectTimeout", got)
	}
}

// TestPathsAreNotGreedy: what only begins or ends like the endpoint's path is not its.
func TestPathsAreNotGreedy(t *testing.T) {
	serve(t, nil, func(w *world) {
		for path, want := range map[string]int{"/signalrs/ping": 404, "/signal/ping": 404, "/a/signalr/ping": 404, "/signalr/ping": 200, "/signalr/ping/": 200, "/signalr/a-ping": 400} {
			if got := w.do(path, nil); got.status != want {
				t.Errorf("%s: got %d, want %d", path, got.status, want)
			}
		}
	})
}
