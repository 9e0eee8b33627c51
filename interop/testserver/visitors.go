package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// visitor is what a hub may know of a client.
type visitor struct {
	ID        string            `json:"id"`
	User      string            `json:"user"`
	Transport string            `json:"transport"`
	Protocol  string            `json:"protocol"`
	Path      string            `json:"path"`
	Query     map[string]string `json:"query"`
	Headers   map[string]string `json:"headers"` // without cookies
	Cookies   map[string]string `json:"cookies"`
}

// describe answers in JSON, whatever the protocol's own way of writing is.
func describe(c *parley.Conn) (string, error) {
	data, err := json.Marshal(visitorOf(c))
	return string(data), err
}

func visitorOf(c *parley.Conn) visitor {
	r := c.Request()
	v := visitor{
		ID: c.ID(), User: c.User(), Transport: c.Transport(), Protocol: c.Protocol(), Path: r.URL.Path,
		Query: make(map[string]string), Headers: make(map[string]string), Cookies: make(map[string]string),
	}
	for name, values := range r.URL.Query() {
		v.Query[name] = strings.Join(values, ",")
	}
	for name, values := range r.Header {
		if name != "Cookie" {
			v.Headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	for _, c := range r.Cookies() {
		v.Cookies[c.Name] = c.Value
	}
	return v
}

// addVisitors adds what tells clients apart.
func addVisitors(hub *parley.Hub) {
	hub.Handle("describe", parley.Func(describe))
	hub.Handle("toOne", parley.Func(func(ctx context.Context, c *parley.Conn, id, text string) error {
		one := c.Hub().Conn(id)
		if one == nil {
			return parley.Errorf("gone", "Nobody is %s.", id)
		}
		return one.Send(ctx, "heard", text)
	}))
	hub.Handle("there", parley.Func(func(c *parley.Conn, id string) bool { return c.Hub().Conn(id) != nil }))
	hub.Handle("secret", parley.Func(func() string { return "42" }))
	hub.Use(guard)
}

// guard lets nobody but Ann call secret.
func guard(next parley.Handler) parley.Handler {
	return parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		if call.Name == "secret" && call.Conn().User() != "ann" {
			return parley.Errorf(wire.CodeUnauthorized, "not for you")
		}
		return next.Handle(ctx, call)
	})
}

// identify is the middleware around all endpoints: it says who makes a request,
// ?user=ann, and gives the cookie that is asked for, ?cookie=….
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookie := r.URL.Query().Get("cookie"); cookie != "" && strings.HasSuffix(r.URL.Path, "/negotiate") {
			http.SetCookie(w, &http.Cookie{Name: "visited", Value: cookie, Path: "/"})
		}
		if user := r.URL.Query().Get("user"); user != "" {
			r = r.WithContext(parley.WithUser(r.Context(), user))
		}
		next.ServeHTTP(w, r)
	})
}
