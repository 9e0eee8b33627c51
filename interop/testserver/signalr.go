package main

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr"
)

// endpoint is the hub at a path, with options of its own.
type endpoint struct {
	path    string
	hub     *parley.Hub
	options signalr.Options
	around  func(http.Handler) http.Handler // nil for identify alone
}

// endpoints are what one endpoint cannot be at once.
func (s *site) endpoints() []endpoint {
	short := 300 * time.Millisecond
	return []endpoint{
		{path: "/signalr", hub: s.hub},
		{path: "/signalr/parallel", hub: s.parallel},
		{path: "/signalr/detailed", hub: s.hub, options: signalr.Options{DetailedErrors: true}},
		{path: "/signalr/without-websockets", hub: s.hub, options: signalr.Options{Transports: signalr.ServerSentEvents | signalr.LongPolling}},
		{path: "/signalr/polling", hub: s.hub, options: signalr.Options{Transports: signalr.LongPolling}},
		{path: "/signalr/quick", hub: s.hub, options: signalr.Options{
			KeepAlive: short / 3, ClientTimeout: 2 * time.Second, PollTimeout: short / 3,
		}},
		{path: "/signalr/hasty", hub: s.hub, options: signalr.Options{HandshakeTimeout: short}},
		{path: "/signalr/impatient", hub: s.hub, options: signalr.Options{PollTimeout: time.Millisecond}},
		{path: "/signalr/brief", hub: s.hub, options: signalr.Options{DisconnectTimeout: 10 * short, AllowStatefulReconnect: true}},
		{path: "/signalr/mute", hub: s.hub, options: signalr.Options{KeepAlive: -1}},
		{path: "/signalr/stateful", hub: s.hub, options: signalr.Options{AllowStatefulReconnect: true}},
		{path: "/signalr/stateful/brief", hub: s.hub, options: signalr.Options{
			AllowStatefulReconnect: true, DetailedErrors: true, DisconnectTimeout: 10 * short, StatefulReconnectBuffer: 2000,
		}},
		{path: "/signalr/guarded", hub: s.hub, around: authorize},
		{path: "/signalr/moved", hub: s.hub, options: signalr.Options{Redirect: redirect}},
		{path: "/signalr/closed", hub: s.hub, options: signalr.Options{Redirect: refuse}},
		{path: "/signalr/expiring", hub: s.hub, around: expire, options: signalr.Options{CloseOnExpiry: true}},
		{path: "/private/signalr", hub: s.hub, around: guarded},
	}
}

func (s *site) mountSignalR(mux *http.ServeMux) {
	for _, e := range s.endpoints() {
		o := e.options
		if s.origin != "" {
			o.Origins = []string{s.origin}
		}
		if o.ClientTimeout == 0 {
			o.ClientTimeout = s.limits.IdleTimeout
		}
		h := signalr.Handler(e.hub, &o)
		if e.around != nil {
			h = e.around(h)
		}
		mux.Handle(e.path, identify(h))
		mux.Handle(e.path+"/negotiate", identify(h))
	}
}

// authorize lets in who has a token: "good", or one that begins with "once" for
// the negotiation only. It comes in a header, or in the query where a browser
// cannot send one.
func authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !found {
			token = r.URL.Query().Get("access_token")
		}
		negotiates := strings.HasSuffix(r.URL.Path, "/negotiate")
		if token != "good" && !(negotiates && strings.HasPrefix(token, "once")) && r.Method != http.MethodOptions {
			w.WriteHeader(http.StatusUnauthorized) // without a body: clients show it in place of the status
			return
		}
		next.ServeHTTP(w, r.WithContext(parley.WithUser(r.Context(), "ann")))
	})
}

// redirect sends clients to the guarded endpoint, with their query and a token.
func redirect(r *http.Request) (to, accessToken string, err error) {
	u := url.URL{Scheme: "http", Host: r.Host, Path: "/signalr/guarded", RawQuery: r.URL.RawQuery}
	return u.String(), "good", nil
}

func refuse(*http.Request) (to, accessToken string, err error) {
	return "", "", parley.Errorf("closed", "Closed for today.")
}

// expire lets everybody in for a moment.
func expire(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(parley.WithExpiry(r.Context(), time.Now().Add(2*time.Second))))
	})
}
