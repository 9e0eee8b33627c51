package websocket

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// CheckOrigin returns an error unless r may come from the page that sent it.
// It guards against cross-site WebSocket hijacking (RFC 6455 §10.2): a browser
// sends the user's cookies with a handshake from any page, and the Origin header
// is the only thing that tells the pages apart. The same holds for EventSource,
// polling and POST endpoints, which is why it is exported.
//
//   - No Origin header: allowed, the client is not a browser.
//   - Several Origin headers, or one that is not a plain origin: refused.
//   - "null" (sandboxed frames, files, some redirects): refused unless listed.
//   - The host and port of the Origin equal r.Host, whatever the scheme: allowed.
//   - Otherwise one of allowed must match. "example.com" matches that host on the
//     default port with any scheme; "example.com:8443" that port;
//     "https://example.com" that scheme only; "*.example.com" every host below
//     example.com, at any depth, but neither example.com itself nor
//     evil-example.com. Letters match without regard to case.
func CheckOrigin(r *http.Request, allowed []string) error {
	return checkOriginValues(r.Header["Origin"], r.Host, allowed)
}

func checkOriginValues(values []string, host string, allowed []string) error {
	if len(values) == 0 {
		return nil
	}
	if len(values) > 1 {
		return errors.New("websocket: the request has several Origin headers")
	}
	origin := values[0]
	if origin == "null" {
		return checkNullOrigin(allowed)
	}
	u, err := url.Parse(origin)
	if err != nil || !isPlainOrigin(u) {
		return fmt.Errorf("websocket: origin %q is not a scheme and a host", origin)
	}
	if strings.EqualFold(u.Host, host) {
		return nil
	}
	for _, pattern := range allowed {
		if matchOrigin(u, pattern) {
			return nil
		}
	}
	return fmt.Errorf("websocket: origin %q is not allowed", origin)
}

func checkNullOrigin(allowed []string) error {
	if slices.Contains(allowed, "null") {
		return nil
	}
	return errors.New(`websocket: origin "null" is not allowed`)
}

// isPlainOrigin reports whether u is what RFC 6454 §6.2 serializes: a scheme
// and a host, nothing behind or around them.
func isPlainOrigin(u *url.URL) bool {
	for i := range len(u.Host) {
		if u.Host[i] >= 0x80 { // browsers send punycode; letters like the Kelvin sign fold to ASCII
			return false
		}
	}
	return u.Scheme != "" && u.Host != "" && u.User == nil && u.Path == "" &&
		u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

func matchOrigin(origin *url.URL, pattern string) bool {
	if scheme, rest, ok := strings.Cut(pattern, "://"); ok {
		if !strings.EqualFold(scheme, origin.Scheme) {
			return false
		}
		pattern = rest
	}
	host, pattern := strings.ToLower(origin.Host), strings.ToLower(pattern)
	if suffix, ok := strings.CutPrefix(pattern, "*."); ok && suffix != "" {
		label, found := strings.CutSuffix(host, "."+suffix)
		return found && label != ""
	}
	return host == pattern && host != ""
}
