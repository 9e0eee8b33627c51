package socketio

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley"
)

// Auth is what the client gave as its auth, an object in JSON, or nil. It is
// there when OnConnect runs. Of clients of protocol 4 it is the query of the
// namespace, as in "/admin?token=abc".
func Auth(c *parley.Conn) json.RawMessage {
	if s, ok := c.Pipe().(*space); ok {
		return s.authJSON()
	}
	return nil
}

// HandshakeDetails tell how a client came. The names in JSON are those of the
// Node.js server, which calls it the handshake.
type HandshakeDetails struct {
	Time    string            `json:"time"`    // of the CONNECT, as JavaScript writes a Date
	Address string            `json:"address"` // of the client, without its port
	XDomain bool              `json:"xdomain"` // whether an Origin was given
	Secure  bool              `json:"secure"`  // whether it came over TLS
	Issued  int64             `json:"issued"`  // Time in milliseconds since 1970
	URL     string            `json:"url"`     // of the request that opened the connection
	Query   map[string]string `json:"query"`   // of URL; of a name given twice the last value
	Headers map[string]string `json:"headers"` // of that request, with names in lower case
	Auth    json.RawMessage   `json:"auth"`    // see [Auth]; {} for none
}

// Handshake tells how the client came. Of a client of another protocol nothing is
// known of the time, and there is no auth.
func Handshake(c *parley.Conn) *HandshakeDetails {
	r := c.Request()
	h := &HandshakeDetails{
		Address: remoteAddress(r),
		XDomain: r.Header.Get("Origin") != "",
		Secure:  r.TLS != nil,
		URL:     r.RequestURI,
		Query:   query(r),
		Headers: headers(r),
		Auth:    json.RawMessage("{}"),
	}
	s, ok := c.Pipe().(*space)
	if !ok {
		return h
	}
	h.Time = time.UnixMilli(s.issued).Format("Mon Jan 02 2006 15:04:05 GMT-0700 (MST)")
	h.Issued = s.issued
	if auth := s.authJSON(); auth != nil {
		h.Auth = auth
	}
	return h
}

// ClientOf names the client that c is of: alike for all its namespaces. Of a client
// of another protocol it is the ID of c.
func ClientOf(c *parley.Conn) string {
	if s, ok := c.Pipe().(*space); ok {
		sum := sha256.Sum256([]byte(s.engine.ID())) // which is a secret
		return base64.RawURLEncoding.EncodeToString(sum[:12])
	}
	return c.ID()
}

func remoteAddress(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

func query(r *http.Request) map[string]string {
	all := make(map[string]string)
	for name, values := range r.URL.Query() {
		all[name] = values[len(values)-1]
	}
	return all
}

func headers(r *http.Request) map[string]string {
	all := map[string]string{"host": r.Host}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		separator := ", "
		if name == "Cookie" {
			separator = "; "
		}
		all[strings.ToLower(name)] = strings.Join(r.Header[name], separator)
	}
	return all
}
