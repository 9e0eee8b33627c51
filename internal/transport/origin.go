package transport

import (
	"errors"
	"net/http"
	"strings"

	"github.com/parley-go/parley/websocket"
)

// CheckOrigin returns an error unless r may come from the page that sent it:
// see websocket.CheckOrigin. It also refuses what a page elsewhere can make a
// browser request without an Origin, such as an image (W3C Fetch Metadata
// §2.4).
func CheckOrigin(r *http.Request, o *Options) error {
	if o.InsecureAnyOrigin {
		return nil
	}
	if site := r.Header.Get("Sec-Fetch-Site"); r.Header.Get("Origin") == "" && (site == "cross-site" || site == "same-site") {
		return errors.New("transport: the request comes from a page elsewhere and names no origin")
	}
	return websocket.CheckOrigin(r, o.Origins)
}

// Admit lets in what CheckOrigin lets in, with the CORS headers that make the
// answer readable there (WHATWG Fetch §3.2), and answers OPTIONS requests.
// methods are what the endpoint answers, such as "GET, POST". On false it has
// answered r. WebSocket handshakes need no Admit: Acceptor.WebSocket checks them.
func Admit(w http.ResponseWriter, r *http.Request, o *Options, methods string) bool {
	h := w.Header()
	h.Add("Vary", "Origin")
	if err := CheckOrigin(r, o); err != nil {
		http.Error(w, sentence(err), http.StatusForbidden)
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if r.Method != http.MethodOptions {
		return true
	}
	preflight(h, r, methods)
	w.WriteHeader(http.StatusNoContent)
	return false
}

// preflight answers a browser that asks beforehand (§3.2.3): an origin that may
// come may send any header.
func preflight(h http.Header, r *http.Request, methods string) {
	h.Set("Allow", methods)
	if r.Header.Get("Access-Control-Request-Method") == "" {
		return
	}
	h.Add("Vary", "Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Max-Age", "600")
	if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		h.Set("Access-Control-Allow-Headers", wanted)
	}
}

// sentence is an error without the prefix of its package.
func sentence(err error) string {
	_, s, _ := strings.Cut(err.Error(), ": ")
	return s
}
