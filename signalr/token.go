package signalr

import (
	"net/http"
	"net/url"
	"strings"
)

// Token returns the bearer token of a request to an endpoint, or "": that of
// the Authorization header, else the access_token of the query, which browsers
// use where they cannot set headers. Middleware calls it, as
// [parley.Conn.Request] no longer has the query's.
func Token(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); token != "" && strings.EqualFold(scheme, "Bearer") {
		return token
	}
	return query(r, "access_token")
}

// discreet is r without what must not be shown: the query's access_token, and
// the connection's own token.
func discreet(r *http.Request) *http.Request {
	kept := withoutSecrets(r.URL.RawQuery)
	if kept == r.URL.RawQuery {
		return r
	}
	copied, at := *r, *r.URL
	at.RawQuery = kept
	copied.URL, copied.RequestURI = &at, at.RequestURI()
	return &copied
}

// withoutSecrets leaves the rest of a query as it was written.
func withoutSecrets(query string) string {
	var kept []string
	for _, part := range strings.Split(query, "&") {
		key, _, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(key)
		if err == nil && (strings.EqualFold(name, "id") || strings.EqualFold(name, "access_token")) {
			continue
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, "&")
}
