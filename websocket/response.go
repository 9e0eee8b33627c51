package websocket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
)

const (
	maxBodyBytes = 8 << 10  // of a refusal, kept for the caller
	framingBytes = 32 << 10 // that it may need beside when it comes in chunks
)

var errHeaderBytes = errors.New("the answer's header is longer than HeaderBytes")

// exchange sends a request over HTTP/1.1 and reads the answer, which is returned
// with what came behind it if it turns the connection over to another protocol,
// and else with what is kept of its body. When there is none, the error is a
// *HandshakeError.
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
	switch {
	case resp != nil && !switches(resp, req):
		return resp, nil, nil // even if time ran out before its body was there
	case ctx.Err() != nil && err != nil:
		return nil, nil, &HandshakeError{Reason: "no answer in time", Err: err}
	case err != nil:
		return nil, nil, &HandshakeError{Reason: "no proper answer", Err: err}
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
