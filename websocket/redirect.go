package websocket

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// isRedirect reports whether the server wants its client to go elsewhere
// (RFC 9110 §15.4).
func isRedirect(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirect returns where the answer to a request to u leads, and what is left of
// the application's header on the way there.
func redirect(u *url.URL, header http.Header, resp *http.Response) (*url.URL, http.Header, error) {
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, nil, errors.New("the Location header is missing")
	}
	next, err := u.Parse(location)
	if err != nil {
		return nil, nil, errors.New("the Location header is not a URL") // err may show a password
	}
	next.Fragment, next.RawFragment = "", "" // RFC 9110 §10.2.2 allows one, RFC 6455 §3 does not
	if err := checkURL(next); err != nil {
		return nil, nil, err
	}
	if u.Scheme == "https" && next.Scheme == "http" {
		return nil, nil, errors.New("it leads from wss to ws")
	}
	if !sameServer(u, next) {
		return next, withoutCredentials(header), nil
	}
	if next.User == nil {
		next.User = u.User
	}
	return next, header, nil
}

// sameServer reports whether next may get the credentials meant for u: host and
// port are the same, or only the encryption is added, each on its default port.
func sameServer(u, next *url.URL) bool {
	if !strings.EqualFold(u.Hostname(), next.Hostname()) {
		return false
	}
	upgraded := u.Scheme == "http" && portOf(u) == "80" && next.Scheme == "https" && portOf(next) == "443"
	return upgraded || portOf(u) == portOf(next) && u.Scheme == next.Scheme
}

func withoutCredentials(header http.Header) http.Header {
	header = header.Clone()
	for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization", "Host"} {
		header.Del(name)
	}
	return header
}

// keepCookies stores what cookies the answer brought; resp may be nil.
func keepCookies(u *url.URL, resp *http.Response, o *DialOptions) {
	if o.Jar == nil || resp == nil {
		return
	}
	if cookies := resp.Cookies(); len(cookies) > 0 {
		o.Jar.SetCookies(u, cookies)
	}
}
