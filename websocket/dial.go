package websocket

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// DialOptions are the choices of a client. A nil *DialOptions means the zero
// value.
type DialOptions struct {
	// Header is sent with the handshake: Authorization, Cookie, Origin, …
	// A "Host" in it replaces the host of the URL. The headers of the handshake
	// itself cannot be replaced.
	Header http.Header

	// Subprotocols are offered to the server, in order of preference.
	Subprotocols []string

	// TLSConfig is used for wss, and for proxies whose scheme is https. Nil means
	// the defaults: the server's certificate is verified against the roots of the
	// system. Its NextProtos are not used.
	TLSConfig *tls.Config

	// NetDial opens the connection under the handshake (and under TLS), to the
	// proxy if there is one. Nil means a net.Dialer, which tries the addresses of
	// IPv6 and IPv4 side by side (RFC 6555).
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Proxy returns the proxy for a request, or nil for none. Its URL is
	// "http://host:port" or "https://host:port" for a tunnel made by CONNECT, or
	// "socks5://host:port" (RFC 1928; the same as "socks5h": the proxy looks the
	// server's name up), with "user:password@" before the host where the proxy
	// wants it. The URL of the request has the scheme http for ws and https for
	// wss. Nil means [http.ProxyFromEnvironment], or no proxy if NetDial is given.
	Proxy func(*http.Request) (*url.URL, error)

	// Jar has the cookies that are sent besides those in Header, and keeps those
	// the server sets, also with a refusal. Nil means that none are kept.
	Jar http.CookieJar

	// MaxRedirects is how many redirects are followed. None ever leads from wss to
	// ws. One that leads to another host or port takes neither Authorization,
	// Cookie, Proxy-Authorization nor Host from Header along, nor the URL's
	// password; the other headers are sent again. Zero means that a redirect is a
	// refusal.
	MaxRedirects int

	// HTTP2 offers HTTP/2 for wss. If the server takes it and announces extended
	// CONNECT, the WebSocket is a stream of an HTTP/2 connection of its own (RFC
	// 8441). If not, it is HTTP/1.1 all the same, at the price of a second
	// connection if the server took HTTP/2 without announcing anything. False means
	// HTTP/1.1.
	HTTP2 bool

	// Compression is what the client offers: permessage-deflate (RFC 7692). Nil
	// means that messages are not compressed.
	Compression *Compression

	// Limits bounds what the server may do, and how long things may take. Nil means
	// the defaults.
	Limits *Limits

	// Stats counts what happens. Nil means that nothing is counted.
	Stats *Stats

	// Answered is called before Dial returns a connection, with the answer that has led
	// to it: its status is 101, or 200 over HTTP/2, and it has no body. A refusal is in
	// the [HandshakeError]. Nil means that nobody wants to know.
	Answered func(*http.Response)
}

// HandshakeError is returned by [Dial]. Use [errors.As] with a *HandshakeError.
type HandshakeError struct {
	// Response is the answer of the server, or of the proxy, if it did not lead to
	// a connection; nil if there was none. The first 8 KiB of its Body can be read,
	// and it need not be closed.
	Response *http.Response

	Reason string // what went wrong
	Err    error  // what caused it, or nil
}

// Error returns the reason and the cause in a sentence.
func (e *HandshakeError) Error() string {
	if e.Err == nil {
		return "websocket: dial: " + e.Reason
	}
	return fmt.Sprintf("websocket: dial: %s: %v", e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// Dial opens a connection to a ws or wss URL (http and https mean the same) and
// performs the client's side of the opening handshake (RFC 6455 §4.1). ctx, and
// the HandshakeTimeout of its Limits, limit Dial only, with proxies and redirects;
// they do not end the connection later. Every error is a [*HandshakeError].
func Dial(ctx context.Context, rawURL string, o *DialOptions) (*Conn, error) {
	c, err := dial(ctx, rawURL, o)
	if err != nil {
		return nil, err
	}
	if c.attach(); c.link == nil {
		c.listen()
	}
	return c, nil
}

// dial performs the handshake; the connection still stands on its net.Conn.
func dial(ctx context.Context, rawURL string, o *DialOptions) (*Conn, error) {
	if o == nil {
		o = &DialOptions{}
	}
	within, cancel := context.WithTimeout(ctx, o.Limits.handshakeTimeout())
	defer cancel()
	c, err := dialFollowing(within, rawURL, o)
	if err == nil {
		return c, nil
	}
	switch {
	case errors.Is(err, errHeaderBytes):
		o.Stats.drop(dropHeaderBytes)
	case within.Err() != nil && ctx.Err() == nil:
		o.Stats.drop(dropHandshakeTimeout)
	default:
		o.Stats.drop(dropHandshake)
	}
	return nil, err
}

// dialFollowing follows redirects until a connection is open, or a *HandshakeError
// says why none is.
func dialFollowing(ctx context.Context, rawURL string, o *DialOptions) (*Conn, error) {
	header := o.Header
	u, err := url.Parse(rawURL)
	if err == nil {
		err = checkURL(u)
	}
	for redirects := 0; err == nil; redirects++ {
		req, err := newHandshake(ctx, u, header, o)
		if err != nil {
			return nil, cannotRequest(err)
		}
		c, resp, err := attempt(ctx, req, o)
		keepCookies(req.URL, resp, o)
		if err == nil && o.Answered != nil {
			o.Answered(resp)
		}
		if err == nil || resp == nil || o.MaxRedirects <= 0 || !isRedirect(resp) {
			return c, err
		}
		if redirects == o.MaxRedirects {
			return nil, &HandshakeError{Response: resp, Reason: fmt.Sprintf("the server redirects more than %d times", redirects)}
		}
		if u, header, err = redirect(u, header, resp); err != nil {
			return nil, &HandshakeError{Response: resp, Reason: "the redirect is not followed", Err: err}
		}
	}
	return nil, cannotRequest(err)
}

func cannotRequest(err error) error {
	return &HandshakeError{Reason: "the request cannot be made", Err: err}
}

// checkURL sees to it that u is a WebSocket's (RFC 6455 §3), and names its scheme
// as net/http does.
func checkURL(u *url.URL) error {
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme = "https"
	default:
		return fmt.Errorf("the scheme of %q is neither ws nor wss", u.Redacted())
	}
	if u.Hostname() == "" || u.Fragment != "" {
		return fmt.Errorf("%q needs a host and must have no fragment", u.Redacted())
	}
	return nil
}

// newHandshake builds the request of RFC 6455 §4.1.
func newHandshake(ctx context.Context, u *url.URL, header http.Header, o *DialOptions) (*http.Request, error) {
	for _, p := range o.Subprotocols {
		if p == "" || !isToken(p) {
			return nil, fmt.Errorf("subprotocol %q is not a token", p)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header.Clone()
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	setCredentials(req, o)
	setHandshakeHeader(req.Header, o)
	return req, nil
}

func setCredentials(req *http.Request, o *DialOptions) {
	if user := req.URL.User; user != nil && req.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	if o.Jar != nil {
		for _, cookie := range o.Jar.Cookies(req.URL) {
			req.AddCookie(cookie)
		}
	}
}

func setHandshakeHeader(h http.Header, o *DialOptions) {
	var nonce [16]byte
	rand.Read(nonce[:])
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h.Set("Sec-WebSocket-Version", "13")
	h.Set("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(nonce[:]))
	h.Del("Sec-WebSocket-Extensions")
	if offer := o.Compression.offer(); offer != "" {
		h.Set("Sec-WebSocket-Extensions", offer)
	}
	h.Del("Sec-WebSocket-Protocol")
	if len(o.Subprotocols) > 0 {
		h.Set("Sec-WebSocket-Protocol", strings.Join(o.Subprotocols, ", "))
	}
}

// attempt performs one handshake. The response is the server's answer, if it gave
// one; every error is a *HandshakeError.
func attempt(ctx context.Context, req *http.Request, o *DialOptions) (*Conn, *http.Response, error) {
	nc, err := connect(ctx, req, o, o.HTTP2)
	if err != nil {
		return nil, nil, err
	}
	if secure, ok := nc.(*tls.Conn); ok && o.HTTP2 && secure.ConnectionState().NegotiatedProtocol == "h2" {
		c, resp, err := extendedConnect(ctx, secure, req, o)
		if resp != nil || ctx.Err() != nil {
			return c, resp, err
		}
		if nc, err = connect(ctx, req, o, false); err != nil {
			return nil, nil, err
		}
	}
	return upgrade(ctx, nc, req, o)
}
