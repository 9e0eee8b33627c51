package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/parley-go/parley"
)

// addGroups adds groups that clients enter and leave by themselves.
func addGroups(hub *parley.Hub) {
	hub.Handle("join", parley.Func((*parley.Conn).Join))
	hub.Handle("leave", parley.Func((*parley.Conn).Leave))
	hub.Handle("shout", parley.Func(func(ctx context.Context, c *parley.Conn, group, text string) error {
		return c.Hub().Group(group).Send(ctx, "shouted", group, text)
	}))
	hub.Handle("whisper", parley.Func(func(ctx context.Context, c *parley.Conn, group, text string) error {
		return c.Hub().Group(group).Except(c).Send(ctx, "shouted", group, text)
	}))
	hub.Handle("page", parley.Func(func(ctx context.Context, c *parley.Conn, user, text string) error {
		return c.Hub().User(user).Send(ctx, "paged", text)
	}))
}

// headerOf answers with a header of the call itself.
func headerOf(_ context.Context, call *parley.Call) error {
	var name string
	if err := call.Scan(&name); err != nil {
		return err
	}
	return call.Reply(call.Headers()[name])
}

// me tells a client how the hub sees it.
func me(c *parley.Conn) map[string]string {
	r := c.Request()
	seen := map[string]string{
		"id":        c.ID(),
		"user":      c.User(),
		"protocol":  c.Protocol(),
		"transport": c.Transport(),
		"name":      r.URL.Query().Get("name"),
		"header":    r.Header.Get("X-Test"),
	}
	if cookie, err := r.Cookie(sticky); err == nil {
		seen["cookie"] = cookie.Value
	}
	return seen
}

// sticky is the cookie that guarded gives to whoever comes without.
const sticky = "sticky"

// guarded lets in whoever has a token, which is the user's name, in the header
// or in the query, as browsers send it.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !bearer {
			user = r.URL.Query().Get("access_token")
		}
		if user == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if _, err := r.Cookie(sticky); err != nil {
			http.SetCookie(w, &http.Cookie{Name: sticky, Value: "for-" + user, Path: "/"})
		}
		next.ServeHTTP(w, r.WithContext(parley.WithUser(r.Context(), user)))
	})
}
