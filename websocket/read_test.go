package websocket

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// join makes one byte string of frames.
func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

func TestEveryMalformedFrameIsAnsweredWithItsCode(t *testing.T) {
	length64 := func(n uint64) []byte {
		return append(binary.BigEndian.AppendUint64([]byte{0x82, 0x80 | 127}, n), 1, 2, 3, 4)
	}
	start := masked(0x01, []byte("a"))
	tests := []struct {
		name string
		wire []byte
		want StatusCode
	}{
		{"RSV1 without compression", masked(0xC1, nil), StatusProtocolError},
		{"RSV2", masked(0xA1, nil), StatusProtocolError},
		{"RSV3", masked(0x91, nil), StatusProtocolError},
		{"RSV on a ping", masked(0xC9, nil), StatusProtocolError},
		{"opcode 3", masked(0x83, nil), StatusProtocolError},
		{"opcode 7", masked(0x87, nil), StatusProtocolError},
		{"opcode 0xB", masked(0x8B, nil), StatusProtocolError},
		{"opcode 0xF", masked(0x8F, nil), StatusProtocolError},
		{"unmasked text", []byte{0x81, 0x02, 'h', 'i'}, StatusProtocolError},
		{"unmasked ping", []byte{0x89, 0x00}, StatusProtocolError},
		{"fragmented ping", masked(0x09, nil), StatusProtocolError},
		{"fragmented close", masked(0x08, nil), StatusProtocolError},
		{"ping of 126 bytes", masked(0x89, make([]byte, 126)), StatusProtocolError},
		{"close of 126 bytes", masked(0x88, closePayload(1000, strings.Repeat("x", 124))), StatusProtocolError},
		{"length 125 in 16 bits", []byte{0x82, 0x80 | 126, 0, 125, 1, 2, 3, 4}, StatusProtocolError},
		{"length 65535 in 64 bits", length64(0xFFFF), StatusProtocolError},
		{"length 0 in 64 bits", length64(0), StatusProtocolError},
		{"length with the top bit", length64(1 << 63), StatusProtocolError},
		{"length of all ones", length64(1<<64 - 1), StatusProtocolError},
		{"longest length", length64(1<<63 - 1), StatusMessageTooBig},
		{"one byte over the limit", length64(1<<20 + 1), StatusMessageTooBig},
		{"fragments overflowing together", join(start, masked(0x00, []byte("b")),
			binary.BigEndian.AppendUint64([]byte{0x80, 0x80 | 127}, 1<<63-1), []byte{1, 2, 3, 4}), StatusMessageTooBig},
		{"continuation of nothing", masked(0x80, []byte("a")), StatusProtocolError},
		{"continuation after a whole message", join(maskedText("a"), masked(0x80, []byte("b"))), StatusProtocolError},
		{"text inside a fragmented message", join(start, maskedText("b")), StatusProtocolError},
		{"binary inside a fragmented message", join(start, masked(0x02, []byte("b"))), StatusProtocolError},
		{"text that is not UTF-8", maskedText("a\xFF"), StatusInvalidPayload},
		{"text cut inside a character", maskedText("\xE2\x82"), StatusInvalidPayload},
		{"fragmented text cut inside a character", join(masked(0x01, []byte("\xE2")), masked(0x80, []byte("\x82"))), StatusInvalidPayload},
		{"bad first fragment, message unfinished", masked(0x01, []byte("\xC0\xAF")), StatusInvalidPayload},
		{"bad start of a frame, frame unfinished", masked(0x81, []byte("\xF4\x90\x80\x80"))[:8], StatusInvalidPayload},
		{"close of one byte", masked(0x88, []byte{3}), StatusProtocolError},
		{"close reason that is not UTF-8", masked(0x88, closePayload(1000, "\xFF")), StatusInvalidPayload},
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		tests = append(tests, struct {
			name string
			wire []byte
			want StatusCode
		}{fmt.Sprint("close status ", code), masked(0x88, closePayload(code, "")), StatusProtocolError})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, peer := serveRaw(t, nil)
				peer.send(tt.wire)
				peer.nc.(*memoryConn).CloseWrite()
				wantProtocolError(t, c, tt.want)
				if got, _ := peer.receiveClose(); got != tt.want {
					t.Errorf("close frame: got %d, want %d", got, tt.want)
				}
				peer.expectEnd()
				if err := c.Write(context.Background(), Message{Text, nil}); err == nil {
					t.Error("Write after the failure: got no error")
				}
			})
		})
	}
}

func TestAMaskedFrameFromAServerIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := memoryNetwork(4096)
		c := newConn(a, true, nil, nil)
		defer c.CloseNow()
		b.Write(maskedText("hi"))
		b.CloseWrite()
		wantProtocolError(t, c, StatusProtocolError)
	})
}

func TestThePeerCanReadTheCloseFrameBeforeTheSocketCloses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, nil)
		peer.send([]byte{0x81, 0x00})
		start := time.Now()
		wantProtocolError(t, c, StatusProtocolError) // the peer does not hang up
		if got := time.Since(start); got != lingerTime {
			t.Errorf("lingered for %v, want %v", got, lingerTime)
		}
		if got, _ := peer.receiveClose(); got != StatusProtocolError {
			t.Errorf("close frame: got %d, want 1002", got)
		}
	})
}

func TestMessagesOfEveryLengthArrive(t *testing.T) {
	lengths := []int{0, 1, 125, 126, 127, 4081, 4082, 4083, 4090, 4096, 4097, 8192, 65535, 65536, 65537, 300_000, 1 << 20}
	for _, network := range []struct {
		name string
		room int
	}{{"large steps", 1 << 21}, {"small steps", 1000}} {
		t.Run(network.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				server, client := pair(t, network.room, nil)
				echo := make(chan struct{})
				go func() {
					defer close(echo)
					for m, err := range server.Messages(context.Background()) {
						if err != nil || server.Write(context.Background(), m) != nil {
							return
						}
					}
				}()
				for _, n := range lengths {
					want := strings.Repeat("0123456789abcdef\u20AC", n/19+1)[:n]
					for _, typ := range []MessageType{Text, Binary} {
						if typ == Text {
							want = strings.ToValidUTF8(want, "?")
						}
						m := Message{typ, []byte(want)}
						sent := make(chan error, 1)
						go func() { sent <- client.Write(context.Background(), m) }()
						wantMessage(t, client, typ, want)
						if err := <-sent; err != nil {
							t.Fatalf("Write of %d bytes: %v", n, err)
						}
						if string(m.Data) != want {
							t.Fatalf("Write of %d bytes changed the caller's data", n)
						}
					}
				}
				client.CloseNow()
				<-echo
			})
		})
	}
}

func TestFragmentsBecomeOneMessageWithPingsBetween(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, nil)
		peer.send(
			masked(0x01, []byte("Hel")),
			masked(0x89, []byte("are you there?")),
			masked(0x00, nil),
			masked(0x8A, []byte("a pong nobody asked for")),
			masked(0x00, []byte("l\xE2\x82")),
			masked(0x80, []byte("\xAC")),
			maskedText("next"),
		)
		wantMessage(t, c, Text, "Hell\u20AC")
		wantMessage(t, c, Text, "next")
		if got := peer.receive(); got.first != 0x8A || string(got.payload) != "are you there?" {
			t.Errorf("got %#x %q, want the pong", got.first, got.payload)
		}
	})
}

func TestAMessageArrivingByteByByte(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, nil)
		long := strings.Repeat("\u20AC", 2000)
		go func() {
			for _, b := range join(maskedText("h\u00E9llo"), masked(0x89, []byte("ping")), maskedText(long)) {
				peer.send([]byte{b})
				synctest.Wait()
			}
		}()
		wantMessage(t, c, Text, "h\u00E9llo")
		wantMessage(t, c, Text, long)
	})
}

func TestTheSizeLimitCountsAllFragments(t *testing.T) {
	tests := []struct {
		name   string
		frames [][]byte
		ok     bool
	}{
		{"one frame at the limit", [][]byte{masked(0x82, make([]byte, 10))}, true},
		{"one frame above", [][]byte{masked(0x82, make([]byte, 11))}, false},
		{"fragments at the limit", [][]byte{masked(0x02, make([]byte, 6)), masked(0x80, make([]byte, 4))}, true},
		{"fragments above", [][]byte{masked(0x02, make([]byte, 6)), masked(0x80, make([]byte, 5))}, false},
		{"two messages at the limit", [][]byte{masked(0x82, make([]byte, 10)), masked(0x82, make([]byte, 10))}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, peer := serveRaw(t, &Limits{MessageBytes: 10})
				peer.send(tt.frames...)
				peer.send(masked(0x88, closePayload(1000, "")))
				if tt.ok {
					wantCloseError(t, c, StatusNormalClosure, "")
					return
				}
				peer.nc.(*memoryConn).CloseWrite()
				wantProtocolError(t, c, StatusMessageTooBig)
			})
		})
	}
}

func TestFloodsOfTinyFragmentsAreRefused(t *testing.T) { // CVE-2026-48779
	tests := []struct {
		name    string
		payload string
		allowed int
	}{
		{"empty fragments", "", int(defaults.bounds().empties)},
		{"one-byte fragments", "x", int(defaults.bounds().fragments)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, peer := serveRaw(t, nil)
				flood := func(n int) {
					peer.send(masked(0x02, []byte(tt.payload)))
					for range n - 1 {
						peer.send(masked(0x00, []byte(tt.payload)))
					}
				}
				go func() {
					flood(tt.allowed - 1)
					peer.send(masked(0x80, []byte("!")))
					flood(tt.allowed)
					peer.send(masked(0x00, []byte(tt.payload)))
					peer.nc.(*memoryConn).CloseWrite()
				}()
				wantMessage(t, c, Binary, strings.Repeat(tt.payload, tt.allowed-1)+"!")
				wantProtocolError(t, c, StatusPolicyViolation)
			})
		})
	}
}

func TestALengthAloneAllocatesLittle(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, &Limits{MessageBytes: 1 << 40})
		peer.send(append(binary.BigEndian.AppendUint64([]byte{0x82, 0x80 | 127}, 1<<40), 1, 2, 3, 4))
		peer.send(make([]byte, 10_000))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Read: got %v, want the deadline", err)
		}
		if got := cap(c.in.part.msg.b); got > firstBlockBytes {
			t.Errorf("room for the message: got %d bytes, want at most %d", got, firstBlockBytes)
		}
		go peer.send(make([]byte, 100_000))
		synctest.Wait()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.Read(ctx)
		if got := cap(c.in.part.msg.b); got > 4*110_000 {
			t.Errorf("room for the message: got %d bytes after 110,000", got)
		}
	})
}

func TestACancelledReadFailsAloneWhereverItStopped(t *testing.T) {
	wire := join(masked(0x01, []byte("Hel")), masked(0x89, []byte("ping")), masked(0x80, []byte("lo")), maskedText(strings.Repeat("long", 3000)))
	step := 1
	for cut := 0; cut < len(wire); cut += step {
		if cut > 64 {
			step = 997
		}
		inBubble(t, func(t *testing.T) {
			c, peer := serveRaw(t, nil)
			peer.send(wire[:cut])
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var got []string
			for m, err := range c.Messages(ctx) {
				if err == nil {
					got = append(got, string(m.Data))
				} else if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("cut at %d: got %v, want the deadline", cut, err)
				}
			}
			peer.send(wire[cut:])
			for len(got) < 2 {
				m, err := c.Read(context.Background())
				if err != nil {
					t.Fatalf("cut at %d: Read after the cancelled one: %v", cut, err)
				}
				got = append(got, string(m.Data))
			}
			if got[0] != "Hello" || got[1] != strings.Repeat("long", 3000) {
				t.Errorf("cut at %d: got %.20q", cut, got)
			}
		})
	}
}

func TestOneContextOverManyReadsAndThenAnother(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, nil)
		first, cancel := context.WithCancel(t.Context())
		peer.send(maskedText("a"), maskedText("b"))
		for range 2 {
			if _, err := c.Read(first); err != nil {
				t.Fatalf("Read: %v", err)
			}
		}
		cancel() // between two reads: moves the deadline of the socket
		synctest.Wait()
		if _, err := c.Read(first); !errors.Is(err, context.Canceled) {
			t.Errorf("Read under an ended context: got %v, want Canceled", err)
		}
		peer.send(maskedText("c"))
		second, cancel2 := context.WithCancel(t.Context())
		defer cancel2()
		if m, err := c.Read(second); err != nil || string(m.Data) != "c" {
			t.Errorf("Read under the next context: got %q, %v, want c", m.Data, err)
		}
	})
}

func TestOnlyOneGoroutineReads(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, _ := serveRaw(t, nil)
		go c.Read(context.Background())
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second reader: got %v, want its deadline", err)
		}
		c.CloseNow()
	})
}

func TestALostConnectionIsNotAClosedOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, nil)
		peer.send(maskedText("half a message")[:9])
		peer.nc.Close()
		_, err := c.Read(context.Background())
		if !errors.Is(err, io.ErrUnexpectedEOF) || isPeerClose(err) {
			t.Errorf("Read: got %v, want an unexpected EOF", err)
		}
		_, again := c.Read(context.Background())
		if again != err {
			t.Errorf("the next Read: got %v, want the same error", again)
		}
	})
}

func TestBytesThatCameWithTheHandshakeAreReadFirst(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	c := newConn(a, false, nil, join(maskedText("early"), maskedText(strings.Repeat("x", 5000))))
	defer c.CloseNow()
	wantMessage(t, c, Text, "early")
	wantMessage(t, c, Text, strings.Repeat("x", 5000))
}

func TestDataOfOneConnectionNeverShowsUpInAnother(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const poison = 0xEE
		first, peer := serveRaw(t, nil)
		go peer.send(masked(0x82, bytes.Repeat([]byte{poison}, 100_000)))
		if _, err := first.Read(context.Background()); err != nil {
			t.Fatal(err)
		}
		first.reading.reclaim()
		second, peer := serveRaw(t, nil)
		go peer.send(masked(0x82, make([]byte, 90_000)))
		m, err := second.Read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(m.Data, poison) >= 0 || cap(m.Data) != len(m.Data) {
			t.Error("the second connection can see bytes of the first")
		}
	})
}
