package parley_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/parley-go/parley"
)

// noted is a context of somebody's own, which changes while it is used.
type noted struct {
	context.Context
	mu    sync.Mutex
	notes map[string]int
}

// Nobody looks into a context that is not known.
func TestContextsOfOthersAreNotLookedInto(t *testing.T) {
	hub := parley.NewHub(nil)
	server := &http.Server{}
	seen, over := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own := &noted{Context: r.Context(), notes: map[string]int{}}
		go func() { // ends when it is told
			defer close(over)
			for n := 0; ; n++ {
				own.mu.Lock()
				own.notes["n"] = n
				maps.DeleteFunc(own.notes, func(string, int) bool { return n%2 == 0 })
				own.mu.Unlock()
				select {
				case <-seen:
					return
				default:
				}
			}
		}()
		for range 100 {
			s, err := hub.NewSession(r.WithContext(own), &still{}, nil)
			must(t, err)
			s.Closed(nil)
		}
		close(seen)
	})
	server.Handler = h
	srv := httptest.NewServer(h)
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	must(t, err)
	resp.Body.Close()
	<-over
	shutdown(t, hub)
}

func TestKeptPaths(t *testing.T) {
	hub := parley.NewHub(nil)
	for _, uri := range []string{"//evil/hub?x=1", "/a%2Fb//c?x=%00", "/a:b?", "/%2e%2e/x"} {
		r := httptest.NewRequest("GET", "http://h/", nil)
		var err error
		r.RequestURI = uri
		r.URL, err = url.ParseRequestURI(uri) // as package net/http does
		must(t, err)
		s, err := hub.NewSession(r, &still{}, nil)
		must(t, err)
		got := s.Request()
		if got.URL.Path != r.URL.Path || got.URL.EscapedPath() != r.URL.EscapedPath() || got.URL.RawQuery != r.URL.RawQuery || got.RequestURI != uri {
			t.Errorf("%s became path %q, query %q, URI %q", uri, got.URL.Path, got.URL.RawQuery, got.RequestURI)
		}
		s.Closed(nil)
	}
}
