//go:build linux

package load

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// office is an HTTP connection over which others are negotiated, one after the other.
type office struct{ fd int }

// query is that of a connection's request, after its negotiation if there is one.
func (f *Fleet) query(to netip.AddrPort, path string) (query string, err error) {
	if f.script.hub == nil {
		return "", nil
	}
	query = f.script.hub.query
	if !strings.Contains(query, "%s") {
		return query, nil
	}
	if f.office == nil {
		fd, err := dial(to, 0)
		if err != nil {
			return "", err
		}
		f.office = &office{fd}
	}
	token, err := f.office.negotiate(to, path)
	return fmt.Sprintf(query, token), err
}

func (o *office) close() {
	if o != nil {
		reset(o.fd)
	}
}

// negotiate asks for a connection at path, as SignalR's clients do, and returns its
// token.
func (o *office) negotiate(to netip.AddrPort, path string) (token string, err error) {
	path = strings.TrimSuffix(path, "/")
	ask := fmt.Sprintf("POST %s/negotiate?negotiateVersion=1 HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", path, to)
	if _, err := unix.Write(o.fd, []byte(ask)); err != nil {
		return "", fmt.Errorf("load: negotiation: %w", err)
	}
	header, body, err := readResponse(o.fd)
	if err != nil {
		return "", err
	}
	_, length, _ := strings.Cut(string(header), "Content-Length: ")
	length, _, _ = strings.Cut(length, "\r\n")
	size, err := strconv.Atoi(length)
	if err != nil || !bytes.HasPrefix(header, []byte("HTTP/1.1 200 ")) {
		return "", fmt.Errorf("load: negotiation: the server said %q", header)
	}
	for buf := make([]byte, 1024); len(body) < size; {
		n, err := readSome(o.fd, buf)
		if err != nil {
			return "", err
		}
		body = append(body, buf[:n]...)
	}
	_, token, _ = strings.Cut(string(body), `"connectionToken":"`)
	token, _, found := strings.Cut(token, `"`)
	if !found {
		return "", fmt.Errorf("load: negotiation: no token in %q", body)
	}
	return token, nil
}
