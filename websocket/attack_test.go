package websocket

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
)

// This file is a list of attacks that brought other servers down, made on both ways of
// serving and over every network. What only concerns the handshake is in accept_test.go,
// extension_test.go and compression_test.go; what a server may do to a client is in
// dial_test.go.

// overEachServer runs a test against both ways of serving an echo.
func overEachServer(t *testing.T, o AcceptOptions, test func(t *testing.T, n network, url string)) {
	overEach(t, func(t *testing.T, n network) {
		for _, handled := range []bool{false, true} {
			t.Run(fmt.Sprintf("handled %v", handled), func(t *testing.T) {
				o := o // its Stats are not shared
				if handled {
					test(t, n, n.serve(t, &Handler{Options: &o, OnMessage: func(c *Conn, m Message) { c.Send(m) }}))
					return
				}
				test(t, n, n.serveReader(t, &o, func(c *Conn) {
					for m, err := range c.Messages(context.Background()) {
						if err != nil || c.Write(context.Background(), m) != nil {
							return
						}
					}
				}))
			})
		}
	})
}

// wantRefusal waits for the close frame, and for the end.
func (p *rawPeer) wantRefusal(want StatusCode) {
	p.t.Helper()
	for {
		f := p.receive()
		if f.first != 0x88 {
			continue // an echo, a pong
		}
		if code := StatusCode(binary.BigEndian.Uint16(f.payload)); code != want {
			p.t.Errorf("the peer was told %d %q, want %d", code, f.payload[2:], want)
		}
		p.nc.Close()
		return
	}
}

// length64 is the header of a frame that announces n bytes.
func length64(first byte, n uint64) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, n), 1, 2, 3, 4)
}

// CVE-2020-27813, CVE-2026-27889: lengths that overflow a counter. CVE-2016-10542: a message has a limit by default, here
// as large as it is.
func TestAttackByLengths(t *testing.T) {
	tests := []struct {
		name string
		send []byte
		want StatusCode
	}{
		{"the top bit", length64(0x82, 1<<63), StatusProtocolError},
		{"all ones", length64(0x82, 1<<64-1), StatusProtocolError},
		{"all but the top bit", length64(0x82, 1<<63-1), StatusMessageTooBig},
		{"a sum that overflows 64 bits", join(masked(0x02, []byte("x")), length64(0x00, 1<<63-1)), StatusMessageTooBig},
		{"a sum that overflows 32 bits", join(masked(0x02, make([]byte, 70_000)), length64(0x00, 1<<32-70_000)), StatusMessageTooBig},
		{"a sum over the limit by one", join(masked(0x02, make([]byte, 1000)), length64(0x80, 1<<20-999)), StatusMessageTooBig},
		{"a ping of 64 bits", length64(0x89, 1<<63), StatusProtocolError},
	}
	overEachServer(t, AcceptOptions{}, func(t *testing.T, n network, url string) {
		for _, tt := range tests {
			peer := n.raw(t, url)
			peer.send(tt.send)
			peer.wantRefusal(tt.want)
		}
	})
}

// bomb compresses mebi times 1 MiB of zeros.
func bomb(mebi int) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	w.Write(make([]byte, 1<<20))
	w.Flush()
	return bytes.TrimSuffix(bytes.Repeat(b.Bytes(), mebi), []byte(syncMark))
}

const deflateOffer = "Sec-WebSocket-Extensions: permessage-deflate\r\n"

// CVE-2026-27571, CVE-2018-1000518: a megabyte that inflates to a gigabyte, as one frame
// and in fragments.
func TestAttackByBombs(t *testing.T) {
	const size = 256 << 20
	payload := bomb(size >> 20)
	if len(payload) > size/900 {
		t.Fatalf("the bomb has %d bytes: it is none", len(payload))
	}
	var fragments []byte
	for rest := payload; len(rest) > 0; {
		k := min(100, len(rest))
		first := byte(0x00)
		if len(rest) == len(payload) {
			first = 0x41
		}
		if k == len(rest) {
			first |= 0x80
		}
		fragments = append(fragments, masked(first, rest[:k])...)
		rest = rest[k:]
	}
	for name, send := range map[string][]byte{"one frame": masked(0xC1, payload), "fragments": fragments} {
		t.Run(name, func(t *testing.T) {
			overEachServer(t, AcceptOptions{Compression: &Compression{}}, func(t *testing.T, n network, url string) {
				peer := n.upgrade(t, url, deflateOffer)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				peer.send(send)
				peer.wantRefusal(StatusMessageTooBig)
				runtime.ReadMemStats(&after)
				if more := after.TotalAlloc - before.TotalAlloc; more > size/8 {
					t.Errorf("%d bytes were allocated for a bomb of %d", more, size)
				}
			})
		})
	}
}

// CVE-2026-48779: fragments that carry next to nothing, or nothing at all.
func TestAttackByTinyFragments(t *testing.T) {
	tests := []struct {
		name     string
		fragment []byte
		count    int // the first that is refused
	}{
		{"of a byte", masked(0x00, []byte("x")), 16 << 10},
		{"of nothing", masked(0x00, nil), 257},
	}
	overEachServer(t, AcceptOptions{}, func(t *testing.T, n network, url string) {
		for _, tt := range tests {
			peer := n.raw(t, url)
			before := liveBytes()
			peer.send(masked(0x01, []byte("x")), bytes.Repeat(tt.fragment, tt.count))
			peer.wantRefusal(StatusPolicyViolation)
			if more := liveBytes() - before; more > 4<<20 {
				t.Errorf("%s: %d bytes more are in use", tt.name, more)
			}
		}
	})
}

// ws before 8.23.0: pings to a server whose pongs nobody reads. What waits is bounded,
// and the last ping is answered all the same.
func TestAttackByPingsWithoutReading(t *testing.T) {
	const flood = 30_000
	overEachSmall(t, func(t *testing.T, n network) {
		stats, opened := &Stats{}, make(chan *Conn, 1)
		peer := n.raw(t, n.serve(t, &Handler{
			Options: &AcceptOptions{Stats: stats, Limits: &Limits{ControlFrames: 1 << 30}},
			OnOpen:  func(c *Conn, _ *http.Request) { opened <- c },
		}))
		c := <-opened
		var frames []byte
		for i := range flood {
			frames = append(frames, masked(0x89, fmt.Appendf(nil, "%0100d", i))...)
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for rest := frames; len(rest) > 0; rest = rest[min(len(rest), 64<<10):] {
				if _, err := peer.nc.Write(rest[:min(len(rest), 64<<10)]); err != nil {
					t.Errorf("the flood: %v", err)
					return
				}
				c.mu.Lock()
				waits := 0
				if c.out.queue != nil {
					waits = c.out.queue.bytes
				}
				c.mu.Unlock()
				if waits > 32<<10 {
					t.Errorf("%d bytes of pongs wait", waits)
				}
			}
		}()
		<-sent
		until(t, "a ping that gets no answer", func() bool { return drops(stats)["pending_pongs"] > 0 })
		want := fmt.Sprintf("%0100d", flood-1)
		for last := ""; last != want; {
			last = string(peer.receive().payload)
		}
	})
}

// More control frames than a peer has any use for, though it reads the answers.
func TestAttackByControlFrames(t *testing.T) {
	for name, frame := range map[string][]byte{"pings": masked(0x89, nil), "pongs": masked(0x8A, nil)} {
		t.Run(name, func(t *testing.T) {
			overEachServer(t, AcceptOptions{Limits: &Limits{ControlFrames: 10}}, func(t *testing.T, n network, url string) {
				peer := n.raw(t, url)
				peer.send(bytes.Repeat(frame, 1000))
				peer.wantRefusal(StatusPolicyViolation)
			})
		})
	}
}

// CVE-2026-33219: connections that begin a message and leave it at that.
func TestAttackByHalfMessages(t *testing.T) {
	const peers = 50
	starts := [][]byte{
		length64(0x82, 1<<20),                             // a long message, announced
		join(length64(0x82, 1<<20), make([]byte, 10)),     // and begun
		masked(0x01, []byte("to be continued")),           // a fragment
		{0x82},                                            // half a header
		length64(0x82, 1<<20)[:9],                         // nearly a header
		join(masked(0x01, []byte("x")), []byte{0x80}),     // a fragment and half a header
		masked(0x89, make([]byte, 125))[:100],             // most of a ping
		join(masked(0x01, nil), masked(0x89, nil)[:4]),    // half a ping within a message
		join(masked(0x41, []byte{1, 2, 3}), []byte{0x00}), // compressed
	}
	overEachServer(t, AcceptOptions{Compression: &Compression{}}, func(t *testing.T, n network, url string) {
		before := liveBytes()
		var all []*rawPeer
		for range peers {
			for _, start := range starts {
				if n.tls && len(all) >= 2*len(starts) {
					break // their handshakes take long, and more would show nothing else
				}
				peer := n.upgrade(t, url, deflateOffer)
				peer.send(start)
				all = append(all, peer)
			}
		}
		other := n.raw(t, url)
		other.send(maskedText("still served"))
		if f := other.receive(); string(f.payload) != "still served" {
			t.Errorf("got %q", f.payload)
		}
		if more := (liveBytes() - before) / int64(len(all)); more > 128<<10 {
			t.Errorf("each connection takes %d bytes", more)
		}
		for _, peer := range all {
			peer.nc.Close()
		}
	})
}

// CVE-2023-43669 and all that are slow: a handshake of a byte per second ends when
// net/http's ReadHeaderTimeout says so.
func TestAttackBySlowHandshakes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{Handler: echoHandler(nil), ReadHeaderTimeout: 10 * time.Second}
		go server.Serve(l)
		defer server.Close()
		a, b := memoryNetwork(1000)
		l.conns <- b
		start, gone := time.Now(), make(chan struct{})
		go func() {
			defer close(gone)
			for _, b := range []byte(handshake(nil)) {
				if _, err := a.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		answer, _ := io.ReadAll(a)
		a.Close()
		<-gone
		if got := time.Since(start); got > 11*time.Second {
			t.Errorf("the server waited for %v and said %q", got, answer)
		}
	})
}

// CVE-2024-37890, CVE-2020-7693 and GHSA-c4j6-fc7j-m34r: requests that are odd. None is
// accepted that should not be, and the server goes on.
func TestAttackByOddHandshakes(t *testing.T) {
	type changes = map[string]string
	tests := []struct {
		name    string
		changes changes
		want    int
	}{
		{"2,000 headers", changes{"X": strings.Repeat("y\n", 2000) + "y", "Y": strings.Repeat("z", 32<<10)}, 431},
		{"a long header", changes{"Cookie": strings.Repeat("x", 33<<10)}, 431},
		{"2,000 headers and no Upgrade", changes{"X": strings.Repeat("y\n", 2000) + "y", "Upgrade": "-"}, 426},
		{"2,000 headers and no key", changes{"X": strings.Repeat("y\n", 2000) + "y", "Sec-WebSocket-Key": "-"}, 400},
		{"Upgrade: foo", changes{"Upgrade": "foo"}, 426},
		{"Upgrade: foo, and no Connection", changes{"Upgrade": "foo", "Connection": "-"}, 426},
		{"an absolute target, of our host", changes{"request line": "GET http://chat.test/ HTTP/1.1"}, 101},
		{"an absolute target, of another host", changes{"request line": "GET http://169.254.169.254/latest HTTP/1.1"}, 403},
		{"an absolute target with a user", changes{"request line": "GET http://chat.test@evil.test/ HTTP/1.1"}, 403},
		{"an absolute target of https", changes{"request line": "GET https://chat.test/ HTTP/1.1"}, 101},
		{"a target without a host", changes{"request line": "GET http:///x HTTP/1.1"}, 101}, // it has the Host header
		{"an authority as the target", changes{"request line": "GET chat.test:80 HTTP/1.1"}, 101},
		{"a host with a port that is not served", changes{"Host": "chat.test:8080"}, 403},
		{"a host with a dot at the end", changes{"Host": "chat.test."}, 403},
		{"a host with a user", changes{"Host": "x@chat.test"}, 400},
		{"a host like ours", changes{"Host": "chat.test.evil.test"}, 403},
		{"an empty host", changes{"Host": ""}, 400},
		{"a host in capitals", changes{"Host": "CHAT.TEST"}, 101},
		{"a host that is an address", changes{"Host": "127.0.0.1"}, 403},
		// A page of evil.test, whose name now means our address, talks to us.
		{"DNS rebinding", changes{"Host": "evil.test", "Origin": "http://evil.test"}, 403},
		{"another page", changes{"Origin": "http://evil.test"}, 403},
		{"our page", changes{"Origin": "http://chat.test"}, 101},
		{"window bits of 0", changes{"Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=0"}, 101},
		{"window bits of nothing", changes{"Sec-WebSocket-Extensions": `permessage-deflate; client_max_window_bits=""`}, 400},
		{"an extension named as a method of every object", changes{"Sec-WebSocket-Extensions": "constructor, __proto__; toString=1"}, 101},
		{"an extension of quotes", changes{"Sec-WebSocket-Extensions": `x; y="` + strings.Repeat(`\"`, 15_000)}, 400},
		{"an extension of spaces", changes{"Sec-WebSocket-Extensions": "x; y=" + strings.Repeat(" ", 30_000) + "z"}, 101},
	}
	stats := &Stats{}
	s := echoServer(t, &AcceptOptions{Hosts: []string{"chat.test", "other.test:8080"}, Compression: &Compression{}, Stats: stats})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, _, nc := ask(t, s, handshake(tt.changes))
			if resp.StatusCode != tt.want {
				t.Errorf("got %d, want %d", resp.StatusCode, tt.want)
			}
			if got := resp.Header.Get("Sec-WebSocket-Extensions"); got != "" {
				t.Errorf("the server agreed to %q", got)
			}
			nc.Close()
		})
	}
	if got := drops(stats); got["host"] == 0 || got["origin"] != 1 || got["header_bytes"] != 2 {
		t.Errorf("counted %v", got)
	}
}

// One address takes only so many connections, and has them back when they end.
func TestAttackByConnections(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		stats := &Stats{}
		o := &AcceptOptions{Stats: stats, Limits: &Limits{ConnsPerAddress: 3}}
		url := n.serve(t, &Handler{Options: o, OnMessage: func(c *Conn, m Message) { c.Send(m) }})
		open := func() (*Conn, error) { return Dial(t.Context(), url, n.options()) }
		var all []*Conn
		for range 3 {
			c, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			all = append(all, c)
		}
		_, err := open()
		var refused *HandshakeError
		if !errors.As(err, &refused) || refused.Response.StatusCode != http.StatusTooManyRequests {
			t.Errorf("the fourth: got %v, want 429", err)
		}
		all[0].Close(StatusNormalClosure, "")
		until(t, "the end of a connection", func() bool { return stats.Snapshot().Open == 2 })
		c, err := open()
		if err != nil {
			t.Fatalf("after one has ended: %v", err)
		}
		defer c.CloseNow()
		if got := drops(stats); got["conns_per_address"] != 1 || len(got) != 1 {
			t.Errorf("counted %v, want one for conns_per_address", got)
		}
	})
}
