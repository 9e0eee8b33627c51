package websocket

import (
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"time"
)

// This file is the handshake of draft 76 (draft-ietf-hybi-thewebsocketprotocol-00 is the
// same text): two keys in the headers and eight bytes behind them. frame76.go is what
// follows.

// key3Bytes is the length of what follows the request's head.
const key3Bytes = 8

var (
	errKey76   = errors.New("Sec-WebSocket-Key1 and Sec-WebSocket-Key2 must each be given once and hold a number its spaces divide")
	errBody76  = errors.New("what follows a handshake of draft 76 are eight bytes")
	errNames76 = errors.New("Sec-WebSocket-Protocol of draft 76 is one name")
)

// isHixie76 reports whether a request without a version is one of draft 76.
func isHixie76(h http.Header) bool {
	return len(h["Sec-Websocket-Key1"]) > 0 || len(h["Sec-Websocket-Key2"]) > 0
}

// challenge76 is what a server has to answer: the parts of both keys, and the bytes behind
// the head.
type challenge76 [16]byte

// keys76 reads the challenge's part in the headers.
func keys76(h http.Header) (c challenge76, err error) {
	for i, values := range [][]string{h["Sec-Websocket-Key1"], h["Sec-Websocket-Key2"]} {
		if len(values) != 1 {
			return c, errKey76
		}
		part, ok := part76(values[0])
		if !ok {
			return c, errKey76
		}
		binary.BigEndian.PutUint32(c[4*i:], part)
	}
	return c, nil
}

// part76 is the number in the digits of a key, divided by the number of its spaces.
func part76(key string) (part uint32, ok bool) {
	number, digits := uint64(0), 0
	for i := range len(key) {
		if d := key[i] - '0'; d <= 9 {
			number, digits = number*10+uint64(d), digits+1
			if number > math.MaxUint32 {
				return 0, false
			}
		}
	}
	spaces := uint64(strings.Count(key, " "))
	if digits == 0 || spaces == 0 || number%spaces != 0 {
		return 0, false
	}
	return uint32(number / spaces), true
}

// answer is the proof that the server has understood.
func (c challenge76) answer() [md5.Size]byte { return md5.Sum(c[:]) }

// readKey3 completes the challenge from the connection, of which early has been read. It
// returns what lies behind.
func (c *challenge76) readKey3(nc net.Conn, early []byte, timeout time.Duration) (rest []byte, err error) {
	key3 := c[len(c)-key3Bytes:]
	n := copy(key3, early)
	if n == key3Bytes {
		return early[n:], nil
	}
	if err := nc.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(nc, key3[n:]); err != nil {
		return nil, fmt.Errorf("%w: %w", errBody76, err)
	}
	return nil, nc.SetReadDeadline(time.Time{})
}

// agree76 is agree for draft 76. The eight bytes are still to be read.
func (t *terms) agree76(r *http.Request, o *AcceptOptions) *refusal {
	refuse := func(err error) *refusal { return &refusal{http.StatusBadRequest, err, dropHandshake} }
	if r.ContentLength != 0 && r.ContentLength != key3Bytes { // browsers sent no Content-Length
		return refuse(errBody76)
	}
	if len(r.Header["Sec-Websocket-Protocol"]) > 1 || strings.Contains(r.Header.Get("Sec-Websocket-Protocol"), ",") {
		return refuse(errNames76)
	}
	var err error
	if t.challenge, err = keys76(r.Header); err != nil {
		return refuse(err)
	}
	t.origin = r.Header.Get("Origin")
	t.location = o.Draft76.location(r)
	if t.location == "" || strings.ContainsFunc(t.location, func(c rune) bool { return c <= ' ' || c == 0x7F }) {
		return &refusal{http.StatusInternalServerError, errors.New("Draft76.Location has returned no address"), dropHandshake}
	}
	return nil
}

// location is the address of the server as the client is to see it.
func (d *Draft76) location(r *http.Request) string {
	if d != nil && d.Location != nil {
		return d.Location(r)
	}
	scheme, target := "ws://", r.RequestURI
	if r.TLS != nil {
		scheme = "wss://"
	}
	if !strings.HasPrefix(target, "/") { // it was asked for as by a proxy
		target = r.URL.RequestURI()
	}
	return scheme + r.Host + target
}

// complete76 reads what accept needs for its answer, and returns what lies behind it. When
// that does not come, it has answered the request.
func (t *terms) complete76(nc net.Conn, early []byte, o *AcceptOptions) (rest []byte, err error) {
	timeout := o.Limits.handshakeTimeout()
	rest, err = t.challenge.readKey3(nc, early, timeout)
	if err == nil {
		return rest, nil
	}
	o.Limits.leave(t.from)
	if isTimeout(err) {
		o.Stats.drop(dropHandshakeTimeout)
	} else {
		o.Stats.drop(dropHandshake)
	}
	nc.SetWriteDeadline(time.Now().Add(timeout))
	io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n") // the peer may be gone
	nc.Close()
	return nil, fmt.Errorf("websocket: accept: %w", err)
}

// appendHead76 appends the head of the answer, but for the blank line.
func (t *terms) appendHead76(b []byte) []byte {
	b = append(b, "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Origin: "...)
	b = append(b, t.origin...)
	b = append(b, "\r\nSec-WebSocket-Location: "...)
	return append(b, t.location...)
}
