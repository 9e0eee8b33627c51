package parley_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
)

// TestRequestIsKept: what opened a connection can be read as long as it lives, and
// readers cannot disturb each other.
func TestRequestIsKept(t *testing.T) {
	type claimKey struct{}
	hub := parley.NewHub(nil)
	defer shutdown(t, hub)
	for _, tt := range []struct{ name, pattern, url string }{
		{"plainly", "/chat", "/chat?room=lobby&empty=&x=%20y"},
		{"with a wildcard", "/{place}", "/chat?room=lobby"},
		{"at the end", "/{$}", "/?a=b"},
		{"as a form", "/form", "/form?room=form"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.WithValue(context.Background(), claimKey{}, "admin"))
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, tt.url, nil)
			r.Header.Add("Cookie", "a=1; b=2")
			r.Header.Add("X-Many", "one")
			r.Header.Add("X-Many", "two: and more")
			var want, got *http.Request
			mux := http.NewServeMux()
			mux.HandleFunc(tt.pattern, func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/form" {
					r.ParseForm()
				}
				s, err := hub.NewSession(r, &still{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Closed(nil)
				want = r
				s.Conn().Request().Header.Set("Cookie", "changed")
				got = s.Conn().Request()
			})
			mux.ServeHTTP(httptest.NewRecorder(), r)
			cancel()
			if got == nil {
				t.Fatal("the handler was not called")
			}
			if !reflect.DeepEqual(got.URL, want.URL) || !reflect.DeepEqual(got.Header, want.Header) {
				t.Errorf("got %v %v, want %v %v", got.URL, got.Header, want.URL, want.Header)
			}
			if got.Method != want.Method || got.Host != want.Host || got.RemoteAddr != want.RemoteAddr || got.RequestURI != want.RequestURI ||
				got.Pattern != want.Pattern || got.Proto != want.Proto || got.ProtoMajor != want.ProtoMajor || got.PathValue("place") != want.PathValue("place") {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if got.Context().Value(claimKey{}) != "admin" || got.Context().Err() != nil {
				t.Errorf("its context has %v, %v", got.Context().Value(claimKey{}), got.Context().Err())
			}
		})
	}
}

// TestContextOfAConnection: it ends with the connection, and so does what was made
// of it.
func TestContextOfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		parleytest.Dial(t, hub, nil)
		c := hub.Audience().Conns()[0]
		child, cancel := context.WithCancel(c.Context())
		defer cancel()
		gone, cancelGone := context.WithCancel(c.Context())
		cancelGone()
		called := make(chan struct{})
		context.AfterFunc(c.Context(), func() { close(called) })
		stop := context.AfterFunc(c.Context(), func() { t.Error("a stopped function was called") })
		if !stop() {
			t.Error("stop was too late")
		}
		if c.Context().Err() != nil || child.Err() != nil || gone.Err() == nil {
			t.Errorf("before the end: %v, %v, %v", c.Context().Err(), child.Err(), gone.Err())
		}
		c.CloseNow()
		<-c.Context().Done()
		<-child.Done()
		<-called
		if err := c.Context().Err(); err != context.Canceled {
			t.Errorf("its error is %v", err)
		}
		late, cancelLate := context.WithCancel(c.Context())
		defer cancelLate()
		<-late.Done()
	})
}

// TestRequestOfAServerKeepsItsValues: what package net/http tells, with and without
// middleware.
func TestRequestOfAServerKeepsItsValues(t *testing.T) {
	type key struct{}
	hub := parley.NewHub(nil)
	defer shutdown(t, hub)
	kept := make(chan *http.Request, 1)
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := hub.NewSession(r, &still{}, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Closed(nil)
		kept <- s.Conn().Request()
	})
	for name, tt := range map[string]struct {
		around http.Handler
		want   any
	}{
		"bare": {handler, nil},
		"middleware": {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler(w, r.WithContext(context.WithValue(r.Context(), key{}, 7)))
		}), 7},
		"hidden": {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(context.WithValue(r.Context(), key{}, 8))
			defer cancel()
			handler(w, r.WithContext(ctx))
		}), 8},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tt.around)
			defer server.Close()
			resp, err := http.Get(server.URL + "/?a=b")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			ctx := (<-kept).Context()
			if got := ctx.Value(key{}); got != tt.want {
				t.Errorf("the middleware's value is %v, want %v", got, tt.want)
			}
			if ctx.Value(http.ServerContextKey) != server.Config {
				t.Errorf("the server is %v", ctx.Value(http.ServerContextKey))
			}
			local, _ := ctx.Value(http.LocalAddrContextKey).(net.Addr)
			if local == nil || local.String() != server.Listener.Addr().String() {
				t.Errorf("the local address is %v, want %v", local, server.Listener.Addr())
			}
		})
	}
}
