package websocket

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzHeader(f *testing.F) {
	f.Add([]byte{0x81, 0x85, 1, 2, 3, 4}, true)
	f.Add([]byte{0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0}, false)
	f.Add([]byte{0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, true)
	f.Fuzz(func(t *testing.T, p []byte, fromClient bool) {
		h, n, err := parseHeader(p, fromClient, false)
		if err != nil || n == 0 {
			return
		}
		if h.length < 0 || n > len(p) {
			t.Fatalf("got %+v of %d bytes from %d", h, n, len(p))
		}
		if again := appendHeader(nil, h); !bytes.Equal(again, p[:n]) {
			t.Fatalf("written again: got %x, want %x", again, p[:n])
		}
	})
}

// scriptConn is a network that delivers input in steps and forgets what it is told.
type scriptConn struct {
	input io.Reader
	step  int
}

func (c *scriptConn) Read(p []byte) (int, error)       { return c.input.Read(p[:min(c.step, len(p))]) }
func (c *scriptConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *scriptConn) Close() error                     { return nil }
func (c *scriptConn) LocalAddr() net.Addr              { return memoryAddr{} }
func (c *scriptConn) RemoteAddr() net.Addr             { return memoryAddr{} }
func (c *scriptConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }

// FuzzConn feeds arbitrary bytes to a connection, in steps of two sizes, which
// must not make a difference, and compares with a plain reading of the RFC.
func FuzzConn(f *testing.F) {
	f.Add(maskedText("hello"), uint16(1), true)
	f.Add(join(masked(0x01, []byte("Hel")), masked(0x89, nil), masked(0x80, []byte("lo")), masked(0x88, closePayload(1000, "bye"))), uint16(3), true)
	f.Add([]byte("\x81\x05hello\x88\x00"), uint16(2), false)
	f.Add(masked(0x82, make([]byte, 5000)), uint16(1000), true)
	f.Fuzz(func(t *testing.T, input []byte, step uint16, fromClient bool) {
		const limit = 10_000
		want := readPlainly(input, fromClient, limit)
		for _, s := range []int{int(step) + 1, 1 << 20} {
			c := newConn(&scriptConn{bytes.NewReader(input), s}, !fromClient, &Limits{MessageBytes: limit}, nil)
			var got []string
			for m, err := range c.Messages(context.Background()) {
				if err != nil {
					break
				}
				if m.Type == Text && !utf8.Valid(m.Data) {
					t.Fatalf("text %q is not UTF-8", m.Data)
				}
				got = append(got, string(m.Data))
				if lent := c.reading.lent; lent != nil && cap(lent.b) > 4*limit {
					t.Fatalf("%d bytes of room for %d", cap(lent.b), limit)
				}
			}
			if strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
				t.Fatalf("in steps of %d: got %q, want %q", s, got, want)
			}
		}
	})
}

// readPlainly returns the messages in input up to the first error or close
// frame, by the shortest reading of RFC 6455 §5.
func readPlainly(input []byte, fromClient bool, limit int) (messages []string) {
	var message []byte
	var kind byte
	for fragments, empties := 0, 0; ; {
		if len(input) < 2 {
			return messages
		}
		fin, rsv, op, short := input[0]>>7 == 1, input[0]>>4&7, input[0]&15, uint64(input[1]&127)
		isMasked := input[1]>>7 == 1
		input = input[2:]
		known := op <= 2 || op >= 8 && op <= 10
		if rsv != 0 || !known || isMasked != fromClient || op >= 8 && (!fin || short > 125) {
			return messages
		}
		length := short
		if short >= 126 {
			size := map[uint64]int{126: 2, 127: 8}[short]
			if len(input) < size {
				return messages
			}
			length = binary.BigEndian.Uint64(append(make([]byte, 8-size), input[:size]...))
			if size == 2 && length < 126 || size == 8 && length < 65536 {
				return messages
			}
			input = input[size:]
		}
		var key [4]byte
		if isMasked {
			if len(input) < 4 {
				return messages
			}
			input = input[copy(key[:], input):]
		}
		if uint64(len(input)) < length {
			return messages
		}
		payload := bytes.Clone(input[:length])
		input = input[length:]
		for i := range payload {
			payload[i] ^= key[i%4]
		}
		switch {
		case op == 8:
			return messages
		case op > 8:
			continue
		case (op == 0) == (kind == 0), len(message)+len(payload) > limit:
			return messages
		}
		if op != 0 {
			kind, fragments, empties = op, 0, 0
		}
		if fragments++; !fin && len(payload) == 0 {
			empties++
		}
		if fragments > int(defaults.bounds().fragments) || empties > int(defaults.bounds().empties) {
			return messages
		}
		message = append(message, payload...)
		if !fin {
			continue
		}
		if kind == 1 && !utf8.Valid(message) {
			return messages
		}
		messages, message, kind = append(messages, string(message)), nil, 0
	}
}

func FuzzHandshakeHeaders(f *testing.F) {
	f.Add("chat, superchat", "keep-alive, Upgrade", sampleKey, "https://a.example.com", "*.example.com")
	f.Add(",,\t ,", "\"upgrade\"", "====", "null", "null")
	f.Fuzz(func(t *testing.T, list, connection, key, origin, pattern string) {
		tokens, err := parseTokens([]string{list, connection})
		for _, token := range tokens {
			if err != nil || token == "" || !isToken(token) || !strings.Contains(list+" "+connection, token) {
				t.Fatalf("got token %q of %q, %v", token, list, err)
			}
		}
		if hasToken([]string{connection}, "upgrade") && !strings.Contains(strings.ToLower(strings.ReplaceAll(connection, "\u017F", "s")), "upgrade") {
			t.Fatalf("%q does not contain the token", connection)
		}
		isKey(key)
		r := &http.Request{Host: "chat.test", Header: http.Header{"Origin": {origin}}}
		if CheckOrigin(r, []string{pattern}) == nil && !strings.EqualFold(origin[strings.LastIndexByte(origin, '/')+1:], "chat.test") {
			_, host, _ := strings.Cut(pattern, "://")
			if host == "" {
				host = pattern
			}
			if !strings.HasSuffix(strings.ToLower(origin), strings.ToLower(strings.TrimPrefix(host, "*"))) {
				t.Fatalf("origin %q passed for %q", origin, pattern)
			}
		}
	})
}

// FuzzRoundTrip sends a message from one role to the other and back, in
// fragments on the way there.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("hello"), uint16(2), true)
	f.Add(make([]byte, 70_000), uint16(60_000), false)
	f.Fuzz(func(t *testing.T, data []byte, cut uint16, toServer bool) {
		at := min(int(cut), len(data))
		var wire []byte
		for i, part := range [][]byte{data[:at], data[at:]} {
			h := header{fin: i == 1, op: []opcode{opBinary, opContinuation}[i], masked: toServer, key: maskKey{1, 2, 3, byte(cut)}, length: int64(len(part))}
			if !toServer {
				h.key = maskKey{}
			}
			wire = appendHeader(wire, h)
			wire = append(wire, part...)
			if toServer {
				mask(wire[len(wire)-len(part):], h.key, 0)
			}
		}
		nc := &countingConn{}
		c := newConn(nc, !toServer, &Limits{MessageBytes: 1 << 21}, wire)
		m, err := c.Read(context.Background())
		if err != nil || !bytes.Equal(m.Data, data) {
			t.Fatalf("there: got %d bytes, %v, want %d", len(m.Data), err, len(data))
		}
		if err := c.Write(context.Background(), m); err != nil {
			t.Fatal(err)
		}
		back := newConn(&countingConn{}, toServer, &Limits{MessageBytes: 1 << 21}, nc.bytes)
		if m, err := back.Read(context.Background()); err != nil || !bytes.Equal(m.Data, data) {
			t.Fatalf("back: got %d bytes, %v, want %d", len(m.Data), err, len(data))
		}
	})
}
