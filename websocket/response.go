package websocket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
)

const (
	maxBodyBytes = 8 << 10  // of a refusal, kept for the caller
	framingBytes = 32 << 10 // that it may need beside when it comes in chunks
)

var errHeaderBytes = errors.New("the answer's header is longer than HeaderBytes")

// upgrade sends the request of RFC 6455 over HTTP/1.1 and judges the answer.
func upgrade(ctx context.Context, nc net.Conn, req *http.Request, o *DialOptions) (*Conn, *http.Response, error) {
	resp, early, err := exchange(ctx, nc, req, o.Limits.headerBytes())
	if err != nil {
		socketUnder(nc).Close()
		return nil, nil, unanswered(ctx, err)
	}
	t, err := checkUpgraded(resp, req, o)
	if err != nil {
		socketUnder(nc).Close()
		return nil, resp, unacceptable(ctx, resp, err)
	}
	return newClient(nc, t, early, o), resp, nil
}

// unanswered is the error when there was no answer, or none of HTTP.
func unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &HandshakeError{Reason: "no answer in time", Err: ctx.Err()}
	}
	return &HandshakeError{Reason: "no proper answer", Err: err}
}

// unacceptable is the error for an answer that does not lead to a connection. If
// time ran out, some of its body may be missing.
func unacceptable(ctx context.Context, resp *http.Response, err error) error {
	reason := strings.TrimPrefix(err.Error(), "websocket: ")
	return &HandshakeError{Response: resp, Reason: reason, Err: ctx.Err()}
}

// newClient returns the connection that the handshake has led to.
func newClient(nc net.Conn, t terms, early []byte, o *DialOptions) *Conn {
	c := newConn(nc, true, o.Limits, early)
	c.subprotocol = t.subprotocol
	if t.extensions != "" {
		c.useDeflate(t.deflate)
	}
	c.opened(o.Stats)
	return c
}

// checkUpgraded goes through RFC 6455 §4.1, "the client MUST validate the
// server's response".
func checkUpgraded(resp *http.Response, req *http.Request, o *DialOptions) (terms, error) {
	h := resp.Header
	accept := h["Sec-Websocket-Accept"]
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return terms{}, fmt.Errorf("the server answered %q, not 101", resp.Status)
	case !hasToken(h["Upgrade"], "websocket"):
		return terms{}, errors.New(`the answer's Upgrade header is not "websocket"`)
	case !hasToken(h["Connection"], "upgrade"):
		return terms{}, errors.New(`the answer's Connection header does not contain "upgrade"`)
	case len(accept) != 1 || trimSpace(accept[0]) != acceptKey(req.Header.Get("Sec-WebSocket-Key")):
		return terms{}, errors.New("the answer's Sec-WebSocket-Accept does not match the key")
	}
	return chosen(h, o)
}

// chosen returns what the server chose of what it was offered.
func chosen(h http.Header, o *DialOptions) (t terms, err error) {
	protocols := h["Sec-Websocket-Protocol"]
	if len(protocols) > 1 || len(protocols) == 1 && !slices.Contains(o.Subprotocols, protocols[0]) {
		return t, errors.New("the server chose a subprotocol that was not offered")
	}
	params, ok, err := o.Compression.confirm(h["Sec-Websocket-Extensions"])
	if ok {
		t.extensions, t.deflate = deflateName, params
	}
	t.subprotocol = h.Get("Sec-WebSocket-Protocol")
	return t, err
}

// exchange sends a request over HTTP/1.1 and reads the answer, which is returned
// with what came behind it if it turns the connection over to another protocol,
// and else with what is kept of its body.
func exchange(ctx context.Context, nc net.Conn, req *http.Request, headerBytes int) (resp *http.Response, early []byte, err error) {
	limit := &io.LimitedReader{R: nc, N: int64(headerBytes)}
	br := bufio.NewReader(limit)
	err = during(ctx, nc, func() error {
		if err := req.Write(nc); err != nil {
			return err
		}
		answer, err := readResponse(br, req)
		if err != nil && limit.N <= 0 {
			return errHeaderBytes
		}
		if err == nil && !switches(answer, req) {
			limit.N = maxBodyBytes + framingBytes
			keepBody(answer)
		}
		resp = answer
		return err
	})
	if resp != nil && !switches(resp, req) {
		return resp, nil, nil // even if time ran out before its body was there
	}
	if err != nil {
		return nil, nil, err
	}
	resp.Body = http.NoBody
	early, err = buffered(br)
	return resp, early, err
}

// readResponse skips interim answers (RFC 9110 §15.2), which may precede any other.
func readResponse(br *bufio.Reader, req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(br, req)
		if err != nil {
			return nil, err
		}
		if resp.ProtoMajor != 1 {
			return nil, fmt.Errorf("the answer is %s, not HTTP/1.1", resp.Proto)
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

// switches reports whether what follows the answer is not HTTP.
func switches(resp *http.Response, req *http.Request) bool {
	if req.Method == http.MethodConnect { // RFC 9110 §9.3.6
		return resp.StatusCode/100 == 2
	}
	return resp.StatusCode == http.StatusSwitchingProtocols
}

// keepBody reads what is kept of the body.
func keepBody(resp *http.Response) {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBodyBytes))
	resp.Body = io.NopCloser(bytes.NewReader(body))
}
