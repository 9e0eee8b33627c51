package websocket

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// fromHex reads bytes as RFC 7692 writes them, "f248 cdc9".
func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// inflateAll inflates messages of one connection.
func inflateAll(t testing.TB, w deflateWindow, messages ...string) (plain []string) {
	t.Helper()
	i := inflater{deflateWindow: w}
	defer i.received.release()
	for _, m := range messages {
		out, err := i.inflate(fromHex(t, m), 1<<20)
		if err != nil {
			t.Fatalf("message %d: %v", len(plain)+1, err)
		}
		plain = append(plain, string(out.b))
		putBuffer(out)
	}
	return plain
}

func TestInflateExamplesOfTheRFC(t *testing.T) {
	for _, test := range []struct {
		section  string
		messages []string
		want     []string
	}{
		{"7.2.3.1, one block", []string{"f248 cdc9 c907 00"}, []string{"Hello"}},
		{"7.2.3.2, sharing the window", []string{"f248 cdc9 c907 00", "f200 1100 00"}, []string{"Hello", "Hello"}},
		{"7.2.3.3, a stored block", []string{"0005 00fa ff48 656c 6c6f 00"}, []string{"Hello"}},
		{"7.2.3.4, a final block", []string{"f348 cdc9 c907 0000"}, []string{"Hello"}},
		{"7.2.3.5, two blocks", []string{"f248 0500 0000 ffff cac9 c907 00"}, []string{"Hello"}},
		{"7.2.3.6, an empty message", []string{"00"}, []string{""}},
	} {
		t.Run(test.section, func(t *testing.T) {
			got := inflateAll(t, deflateWindow{bits: 15, takeover: true}, test.messages...)
			if strings.Join(got, "|") != strings.Join(test.want, "|") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestInflateFinalBlocks(t *testing.T) {
	for _, test := range []struct {
		name     string
		messages []string
		want     []string
	}{
		{"without the flush behind it", []string{"f348 cdc9 c907 00"}, []string{"Hello"}},
		{"the flush itself is final", []string{"f248 cdc9 c907 04"}, []string{"Hello"}},
		{"nothing but a final block", []string{"0300"}, []string{""}},
		{"several, then more", []string{"f348 cdc9 c907 00 f348 cdc9 c907 00 0005 00fa ff48 656c 6c6f 00"}, []string{"HelloHelloHello"}},
		{"the window outlasts it", []string{"f348 cdc9 c907 00 f200 1100 00", "f200 1100 00"}, []string{"HelloHello", "Hello"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := inflateAll(t, deflateWindow{bits: 15, takeover: true}, test.messages...)
			if strings.Join(got, "|") != strings.Join(test.want, "|") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestInflateManyFinalBlocks(t *testing.T) {
	i := inflater{deflateWindow: deflateWindow{bits: 15}}
	final := []byte{3, 0} // a final block with nothing in it
	if out, err := i.inflate(append(bytes.Repeat(final, maxFinalBlocks), 0), 0); err != nil || len(out.b) != 0 {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := i.inflate(append(bytes.Repeat(final, maxFinalBlocks+1), 0), 0); !errors.Is(err, errFinalBlocks) {
		t.Errorf("above the limit: got %v, want %v", err, errFinalBlocks)
	}
}

func TestInflateRefusesCorruptData(t *testing.T) {
	for name, payload := range map[string]string{
		"nothing at all":                        "",
		"a block of the reserved type":          "07 00",
		"cut inside a block":                    "f248 cdc9",
		"a stored length not confirmed":         "0005 0000 0048 656c 6c6f 00",
		"a stored block cut":                    "0005 00fa ff48 656c",
		"a distance with nothing to refer to":   "f200 1100 00",
		"garbage behind a final block":          "f348 cdc9 c907 00 ffff ffff",
		"garbage behind the flush":              "f248 cdc9 c907 00 0000 ffff ff",
		"codes of which there are too many":     "fcff ffff ffff ffff",
		"a final block ending inside the flush": "03",
	} {
		t.Run(name, func(t *testing.T) {
			i := inflater{deflateWindow: deflateWindow{bits: 15, takeover: true}}
			if out, err := i.inflate(fromHex(t, payload), 1<<20); !errors.Is(err, errCorrupt) {
				t.Errorf("got %v, %v, want %v", out, err, errCorrupt)
			}
		})
	}
}

// bombs inflate to n zeros.
func bombs(t *testing.T, n int) map[string][]byte {
	t.Helper()
	once, ok := deflateOnce(nil, make([]byte, n), 15, 9)
	if !ok {
		t.Fatal("zeros do not become shorter")
	}
	final := bytes.Buffer{}
	w, _ := flate.NewWriter(&final, 9)
	w.Write(make([]byte, n))
	w.Close()
	return map[string][]byte{"flushed": once, "closed": final.Bytes()}
}

func TestInflateStopsAtTheLimit(t *testing.T) {
	const n = 1 << 20
	for name, payload := range bombs(t, n) {
		t.Run(name, func(t *testing.T) {
			i := inflater{deflateWindow: deflateWindow{bits: 15}}
			for _, limit := range []int64{0, 1, 511, 512, 513, 1 << 15, 1<<15 + 1, n - 1} {
				if _, err := i.inflate(payload, limit); !errors.Is(err, errTooBig) {
					t.Errorf("limit %d: got %v, want %v", limit, err, errTooBig)
				}
			}
			for _, limit := range []int64{n, n + 1, 1 << 40} {
				out, err := i.inflate(payload, limit)
				if err != nil || !bytes.Equal(out.b, make([]byte, n)) {
					t.Errorf("limit %d: got %v", limit, err)
				}
			}
		})
	}
}

func TestInflatePaysForItsRoom(t *testing.T) {
	payload := bombs(t, 4<<20)["flushed"]
	const limit, runs = 100_000, 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		i := inflater{deflateWindow: deflateWindow{bits: 15}}
		if _, err := i.inflate(payload, limit); !errors.Is(err, errTooBig) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / runs; got > 4*limit {
		t.Errorf("got %d bytes allocated for a limit of %d", got, limit)
	}
}

// TestInflateSeesNoOtherConnection refers back to what a pooled decompressor
// inflated for somebody else.
func TestInflateSeesNoOtherConnection(t *testing.T) {
	secret := inflater{deflateWindow: deflateWindow{bits: 15, takeover: true}}
	defer secret.received.release()
	for range 20 { // sync.Pool drops some of what it is given under the race detector
		if _, err := secret.inflate(fromHex(t, "f248 cdc9 c907 00"), 100); err != nil {
			t.Fatal(err)
		}
		thief := inflater{deflateWindow: deflateWindow{bits: 15, takeover: true}}
		if out, err := thief.inflate(fromHex(t, "f200 1100 00"), 100); err == nil {
			t.Fatalf("got %q", out.b)
		}
	}
}

// TestInflateKeepsTheWindow inflates messages that refer back exactly as far as
// the window goes, and a byte farther.
func TestInflateKeepsTheWindow(t *testing.T) {
	for bits := uint8(8); bits <= 15; bits++ {
		size := 1 << bits
		filler := make([]byte, size)
		for n := range filler {
			filler[n] = byte(rand.Uint32())
		}
		var stored []byte
		for rest := filler; len(rest) > 0; {
			n := min(len(rest), 1<<14)
			stored = append(stored, 0, byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
			stored = append(stored, rest[:n]...)
			rest = rest[n:]
		}
		stored = append(stored, 0)
		i := inflater{deflateWindow: deflateWindow{bits: bits, takeover: true}}
		for range 3 {
			if _, err := i.inflate(stored, 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		out, err := i.inflate(backReference(size), 1<<20)
		if err != nil || !bytes.Equal(out.b, filler[:3]) {
			t.Errorf("%d bits: got %v, %v, want %v", bits, out, err, filler[:3])
		}
		if bits == 15 {
			continue // DEFLATE cannot say a distance of more
		}
		beyond := inflater{deflateWindow: deflateWindow{bits: bits, takeover: true}}
		if _, err := beyond.inflate(stored, 1<<20); err != nil {
			t.Fatal(err)
		}
		if _, err := beyond.inflate(backReference(size+1), 1<<20); !errors.Is(err, errCorrupt) {
			t.Errorf("%d bits, beyond the window: got %v, want %v", bits, err, errCorrupt)
		}
	}
}

// backReference is a message of three bytes that lie the given distance back: a
// block of fixed codes (RFC 1951 §3.2.6).
func backReference(distance int) []byte {
	var w bitWriter
	w.add(2, 3)  // a block of fixed codes
	w.code(1, 7) // length 3, symbol 257
	symbol, extra := 0, 0
	for symbol = 29; ; symbol-- {
		extra = max(symbol/2-1, 0)
		base := 1 + symbol
		if symbol > 3 {
			base = 1 + (2+symbol%2)<<extra
		}
		if base <= distance {
			w.code(symbol, 5)
			w.add(distance-base, extra)
			break
		}
	}
	w.code(0, 7) // the end of the block
	w.add(0, 3)  // an empty stored block
	return w.p
}

// bitWriter writes bits as RFC 1951 §3.1.1 packs them.
type bitWriter struct {
	p []byte
	n int
}

func (w *bitWriter) add(v, bits int) {
	for i := range bits {
		if w.n%8 == 0 {
			w.p = append(w.p, 0)
		}
		w.p[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
}

// code writes a Huffman code, which begins with its highest bit.
func (w *bitWriter) code(v, bits int) {
	for i := bits - 1; i >= 0; i-- {
		w.add(v>>i&1, 1)
	}
}

// FuzzInflate compares two messages of a connection with a plain reading of the
// RFC.
func FuzzInflate(f *testing.F) {
	for _, seed := range [][2]string{
		{"f248 cdc9 c907 00", "f200 1100 00"},
		{"0005 00fa ff48 656c 6c6f 00", "f248 0500 0000 ffff cac9 c907 00"},
		{"f348 cdc9 c907 0000", "f348 cdc9 c907"},
		{"f248 cdc9 c907 01", "0300"},
	} {
		f.Add(fromHex(f, seed[0]), fromHex(f, seed[1]), uint16(20))
	}
	long, _ := deflateOnce(nil, bytes.Repeat([]byte("all work and no play "), 2000), 15, 6)
	f.Add(long, []byte{0}, uint16(50_000))
	f.Fuzz(func(t *testing.T, first, second []byte, limit uint16) {
		i := inflater{deflateWindow: deflateWindow{bits: 15, takeover: true}}
		defer i.received.release()
		r := plainInflater{window: 1 << 15}
		for _, payload := range [][]byte{first, second} {
			got, err := i.inflate(payload, int64(limit))
			want, wantErr := r.message(payload)
			if errors.Is(wantErr, errEmptyCode) {
				return // flate takes the code of an earlier block instead
			}
			if errors.Is(err, errTooBig) && (wantErr != nil || len(want) > int(limit)) || errors.Is(err, errFinalBlocks) {
				return // it stops before it sees what else is wrong
			}
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%x: got %v, want %v", payload, err, wantErr)
			}
			if err != nil {
				return
			}
			if !bytes.Equal(got.b, want) || len(want) > int(limit) {
				t.Fatalf("%x: got %q, want %q, limit %d", payload, got.b, want, limit)
			}
			putBuffer(got)
		}
	})
}
