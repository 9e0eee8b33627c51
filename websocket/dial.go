package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	maxResponseBytes = 64 << 10 // of the server's answer to a handshake
	maxBodyBytes     = 8 << 10  // of a refusal, kept for the caller
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

	// TLSConfig is used for wss. Nil means the defaults: the server's
	// certificate is verified against the roots of the system.
	TLSConfig *tls.Config

	// NetDial opens the connection under the handshake (and under TLS). Nil
	// means a net.Dialer.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Limits bounds what the server may do, and how long things may take. Nil means
	// the defaults.
	Limits *Limits

	// Stats counts what happens. Nil means that nothing is counted.
	Stats *Stats
}

// HandshakeError is returned by [Dial]. Use [errors.As] with a *HandshakeError.
type HandshakeError struct {
	// Response is the server's answer if it did not lead to a connection; nil if
	// there was none. The first 8 KiB of its Body can be read, and it need not be
	// closed.
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
// the HandshakeTimeout of its Limits, limit Dial only; they do not end the connection later.
// Every error is a [*HandshakeError]. Redirects are not followed.
func Dial(ctx context.Context, rawURL string, o *DialOptions) (*Conn, error) {
	if o == nil {
		o = &DialOptions{}
	}
	req, err := newHandshake(rawURL, o)
	if err != nil {
		return nil, &HandshakeError{Reason: "the request cannot be made", Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limits.handshakeTimeout())
	defer cancel()
	nc, err := connect(ctx, req.URL, o)
	if err != nil {
		return nil, &HandshakeError{Reason: "no connection to " + req.URL.Host, Err: err}
	}
	c, err := shakeHands(ctx, nc, req, o)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// newHandshake builds the request of RFC 6455 §4.1.
func newHandshake(rawURL string, o *DialOptions) (*http.Request, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme = "https"
	default:
		return nil, fmt.Errorf("the scheme of %q is neither ws nor wss", u.Redacted())
	}
	if u.Hostname() == "" || u.Fragment != "" { // RFC 6455 §3: no fragment
		return nil, fmt.Errorf("%q needs a host and must have no fragment", u.Redacted())
	}
	for _, p := range o.Subprotocols {
		if p == "" || !isToken(p) {
			return nil, fmt.Errorf("subprotocol %q is not a token", p)
		}
	}
	req, err := http.NewRequest(http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	setHandshakeHeader(req, o)
	return req, nil
}

func setHandshakeHeader(req *http.Request, o *DialOptions) {
	if o.Header != nil {
		req.Header = o.Header.Clone()
	}
	h := req.Header
	if host := h.Get("Host"); host != "" {
		req.Host = host
		h.Del("Host")
	}
	if user := req.URL.User; user != nil && h.Get("Authorization") == "" {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	var nonce [16]byte
	rand.Read(nonce[:])
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h.Set("Sec-WebSocket-Version", "13")
	h.Set("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(nonce[:]))
	h.Del("Sec-WebSocket-Extensions")
	h.Del("Sec-WebSocket-Protocol")
	if len(o.Subprotocols) > 0 {
		h.Set("Sec-WebSocket-Protocol", strings.Join(o.Subprotocols, ", "))
	}
}

// connect opens the connection the handshake takes place on.
func connect(ctx context.Context, u *url.URL, o *DialOptions) (net.Conn, error) {
	dial := o.NetDial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	nc, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil || u.Scheme == "http" {
		return nc, err
	}
	secure := tls.Client(nc, tlsConfig(o.TLSConfig, u.Hostname()))
	if err := secure.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return secure, nil
}

func tlsConfig(given *tls.Config, host string) *tls.Config {
	config := &tls.Config{}
	if given != nil {
		config = given.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"} // the handshake is HTTP/1.1, whatever else the server speaks
	return config
}

// shakeHands sends the request and judges the answer, for as long as ctx allows.
func shakeHands(ctx context.Context, nc net.Conn, req *http.Request, o *DialOptions) (*Conn, error) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		nc.SetDeadline(longAgo)
		close(interrupted)
	})
	resp, early, err := exchange(nc, req)
	if !stop() {
		<-interrupted
		return nil, &HandshakeError{Reason: "no answer in time", Err: ctx.Err()}
	}
	if err != nil {
		return nil, &HandshakeError{Reason: "no proper answer", Err: err}
	}
	if err := checkResponse(resp, req, o.Subprotocols); err != nil {
		return nil, &HandshakeError{Response: resp, Reason: err.Error()}
	}
	c := newConn(nc, true, o.Limits, early)
	c.subprotocol = resp.Header.Get("Sec-WebSocket-Protocol")
	return c, nil
}

// exchange sends the request and reads the answer, with all of its body that is
// kept, and what came behind it.
func exchange(nc net.Conn, req *http.Request) (*http.Response, []byte, error) {
	if err := req.Write(nc); err != nil {
		return nil, nil, err
	}
	br := bufio.NewReader(&io.LimitedReader{R: nc, N: maxResponseBytes})
	resp, err := readResponse(br, req)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBodyBytes))
		resp.Body = io.NopCloser(bytes.NewReader(body))
		return resp, nil, nil
	}
	resp.Body = http.NoBody
	early, err := buffered(br)
	return resp, early, err
}

// readResponse skips interim answers (RFC 9110 §15.2), which may precede any other.
func readResponse(br *bufio.Reader, req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(br, req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

// checkResponse goes through RFC 6455 §4.1, "the client MUST validate the
// server's response".
func checkResponse(resp *http.Response, req *http.Request, offered []string) error {
	h := resp.Header
	chosen := h["Sec-Websocket-Protocol"]
	accept := h["Sec-Websocket-Accept"]
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("the server answered %q, not 101", resp.Status)
	case !hasToken(h["Upgrade"], "websocket"):
		return errors.New(`the answer's Upgrade header is not "websocket"`)
	case !hasToken(h["Connection"], "upgrade"):
		return errors.New(`the answer's Connection header does not contain "upgrade"`)
	case len(accept) != 1 || trimSpace(accept[0]) != acceptKey(req.Header.Get("Sec-WebSocket-Key")):
		return errors.New("the answer's Sec-WebSocket-Accept does not match the key")
	case len(h["Sec-Websocket-Extensions"]) != 0:
		return errors.New("the server chose an extension that was not offered")
	case len(chosen) > 1 || len(chosen) == 1 && !slices.Contains(offered, chosen[0]):
		return errors.New("the server chose a subprotocol that was not offered")
	}
	return nil
}
