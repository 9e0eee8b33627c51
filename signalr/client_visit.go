package signalr

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"sync"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// visit is where the server of one connection is, and what it takes to be let
// in.
type visit struct {
	*dialer

	// fixed once a transport has been opened
	at       *url.URL
	factory  func(context.Context) (string, error) // asked for tokens; nil: the one there is stays
	pipe     opened
	to       string // the address of the transport
	stateful bool   // stateful reconnect was granted, and the transport can have it

	mu     sync.Mutex
	bearer string // empty for none
}

// ask asks for a token, if there is somebody to ask.
func (v *visit) ask(ctx context.Context) error {
	if v.factory == nil {
		return nil
	}
	token, err := v.factory(ctx)
	if err != nil {
		return fmt.Errorf("access token: %w", err)
	}
	v.setToken(token)
	return nil
}

func (v *visit) setToken(token string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.bearer = token
}

// header is what every request has.
func (v *visit) header() http.Header {
	h := v.o.Header.Clone()
	if h == nil {
		h = make(http.Header)
	}
	// Or ASP.NET would answer who is not let in with a redirect to a page.
	h.Set("X-Requested-With", "XMLHttpRequest")
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.bearer != "" {
		h.Set("Authorization", "Bearer "+v.bearer)
	}
	return h
}

// send sends a copy of a request, with the header that every request has. Its
// errors do not tell the address, which may hold secrets.
func (v *visit) send(by *http.Client, req *http.Request) (*http.Response, error) {
	header := v.header()
	maps.Copy(header, req.Header)
	req = req.WithContext(req.Context())
	req.Header = header
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	resp, err := by.Do(req)
	var told *url.Error
	if errors.As(err, &told) {
		err = fmt.Errorf("%s: %w", told.Op, told.Err)
	}
	return resp, err
}

// do sends a transport's request, a second time with a new token if the first
// was answered with 401.
func (v *visit) do(req *http.Request) (*http.Response, error) {
	resp, err := v.send(&v.waiting, req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || v.factory == nil {
		return resp, err
	}
	resp.Body.Close()
	if err := v.ask(req.Context()); err != nil {
		return nil, err
	}
	if req.GetBody != nil {
		if req.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	return v.send(&v.waiting, req)
}

// opened is a pipe that has been opened and not started.
type opened interface {
	wire.Pipe
	Start(wire.Receiver)
}

// start opens a transport.
func (v *visit) start(ctx context.Context, kind Transports, at *url.URL) (err error) {
	ctx, cancel := context.WithTimeout(ctx, v.o.HandshakeTimeout)
	defer cancel()
	v.to = at.String()
	how := &transport.Requesting{URL: v.to, Do: v.do, Timeout: v.o.RequestTimeout}
	switch kind {
	case ServerSentEvents:
		v.pipe, err = transport.DialEventStream(ctx, how, v.limits())
	case LongPolling:
		v.pipe, err = transport.DialPoll(ctx, how, v.limits())
	default:
		v.pipe, err = v.webSocket(ctx)
	}
	return err
}

func (v *visit) limits() *transport.Options {
	return &transport.Options{MaxMessageBytes: 8 * int64(v.o.MaxMessageBytes)}
}

// webSocket opens a WebSocket, with a new token if the first was answered with
// 401.
func (v *visit) webSocket(ctx context.Context) (*transport.WebSocket, error) {
	pipe, err := transport.DialWebSocket(ctx, v.to, v.dialing(), v.limits())
	var refused *transport.StatusError
	if !errors.As(err, &refused) || refused.Code != http.StatusUnauthorized || v.factory == nil {
		return pipe, err
	}
	if err := v.ask(ctx); err != nil {
		return nil, err
	}
	return transport.DialWebSocket(ctx, v.to, v.dialing(), v.limits())
}

// dialing takes over what the HTTP client knows of reaching the server.
func (v *visit) dialing() *transport.Dialing {
	how := &transport.Dialing{Header: v.header(), Jar: v.waiting.Jar, MaxRedirects: 10}
	through := v.waiting.Transport
	if through == nil {
		through = http.DefaultTransport
	}
	if t, ok := through.(*http.Transport); ok {
		how.TLSConfig, how.NetDial, how.Proxy = t.TLSClientConfig, t.DialContext, t.Proxy
	}
	return how
}
