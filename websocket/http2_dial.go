package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// extendedConnect performs the handshake of RFC 8441 on a connection of its own.
// Without a response the server does not offer it, or the connection failed. The
// error is a *HandshakeError.
func extendedConnect(ctx context.Context, nc *tls.Conn, req *http.Request, o *DialOptions) (*Conn, *http.Response, error) {
	living, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	s := &clientStream{stream: stream{local: nc.LocalAddr(), remote: nc.RemoteAddr()}, nc: nc, cancel: cancel}
	received, sent := s.connect()
	resp, err := roundTrip(req.Clone(living), nc, sent, o)
	if err != nil {
		s.Close()
		return nil, nil, unanswered(ctx, err)
	}
	body := resp.Body
	t, err := checkConnected(resp, o)
	if err != nil {
		keepBody(resp)
		s.Close()
		return nil, resp, unacceptable(ctx, resp, err)
	}
	if !stop() {
		s.Close()
		return nil, nil, unanswered(ctx, nil)
	}
	go receive(received, body) // ends with Close, or with the stream
	return newClient(s, t, nil, o), resp, nil
}

// roundTrip sends the request as extended CONNECT (RFC 8441 §5), with sent as its
// body, and waits for the answer.
func roundTrip(req *http.Request, nc *tls.Conn, sent io.ReadCloser, o *DialOptions) (*http.Response, error) {
	client, err := http2Client(nc, req.URL.Host, o)
	if err != nil {
		return nil, err
	}
	req.Method = http.MethodConnect
	req.Body, req.ContentLength = sent, -1
	for _, name := range []string{"Upgrade", "Connection", "Sec-WebSocket-Key"} {
		req.Header.Del(name)
	}
	req.Header[":protocol"] = []string{"websocket"}
	return client.RoundTrip(req)
}

// http2Client returns what sends requests over nc. A Transport would not send a
// header called ":protocol"; what it enters itself in its TLSNextProto, for
// connections on which TLS has agreed on HTTP/2, does.
func http2Client(nc *tls.Conn, host string, o *DialOptions) (http.RoundTripper, error) {
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	t := &http.Transport{
		Protocols:              &protocols,
		DisableKeepAlives:      true, // the connection ends with its stream
		DisableCompression:     true,
		MaxResponseHeaderBytes: int64(o.Limits.headerBytes()),
	}
	t.CloseIdleConnections() // whatever is called first sets TLSNextProto up
	next := t.TLSNextProto["h2"]
	if next == nil {
		return nil, errors.New("net/http has HTTP/2 switched off")
	}
	return next(host, nc), nil
}

// checkConnected judges the answer (RFC 8441 §5). What there is of a body is left
// to read only if it is not the WebSocket's.
func checkConnected(resp *http.Response, o *DialOptions) (terms, error) {
	if resp.StatusCode != http.StatusOK {
		return terms{}, fmt.Errorf("the server answered %q, not 200", resp.Status)
	}
	resp.Body = http.NoBody
	return chosen(resp.Header, o)
}

// clientStream is the client's end of a WebSocket over HTTP/2.
type clientStream struct {
	stream
	nc     *tls.Conn
	cancel context.CancelFunc // of the request
}

// Close resets the stream unless both halves have ended (RFC 8441 §5), and
// net/http closes the connection after it. It need not manage to say so to a peer
// that takes nothing.
func (s *clientStream) Close() error {
	s.cancel()
	s.closePipes()
	time.AfterFunc(lingerTime, func() { socketUnder(s.nc).Close() })
	return nil
}
