package websocket

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// sample returns a message like those of a live feed, a kibibyte or so long.
func sample(r *rand.Rand) []byte {
	b := fmt.Appendf(nil, `{"type":"update","channel":"prices","seq":%d,"items":[`, r.IntN(1e6))
	for i := 0; len(b) < 960; i++ {
		b = fmt.Appendf(b, `{"id":%d,"name":"item-%d","price":%.2f,"active":%v},`, 1000+i, i, r.Float64()*100, r.IntN(2) == 0)
	}
	return append(b, "]}"...)
}

// conversation returns messages of all lengths and kinds: text like what came
// before it, text of its own, and noise.
func conversation(r *rand.Rand, n int) (messages [][]byte) {
	for range n {
		var m []byte
		switch r.IntN(5) {
		case 0:
			for range r.IntN(40) {
				m = append(m, sample(r)...)
			}
		case 1:
			m = bytes.Repeat(sample(r)[:1+r.IntN(700)], r.IntN(30))
		case 2:
			m = make([]byte, r.IntN(3000))
			for i := range m {
				m[i] = byte(r.Uint32())
			}
		default:
			m = sample(r)[:r.IntN(900)]
		}
		messages = append(messages, m)
	}
	return messages
}

// TestDeflateKeepsWithinTheWindow has an inflater of the test's own follow the
// stream, which counts every distance, and then the package's.
func TestDeflateKeepsWithinTheWindow(t *testing.T) {
	for bits := uint8(8); bits <= 15; bits++ {
		for level := 1; level <= 9; level++ {
			for _, takeover := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d bits, level %d, takeover %v", bits, level, takeover), func(t *testing.T) {
					t.Parallel()
					w := deflateWindow{bits, takeover}
					messages := conversation(rand.New(rand.NewPCG(uint64(bits), uint64(level))), 7)
					checkStream(t, w, level, messages)
				})
			}
		}
	}
}

// checkStream sends messages, every fifth of them prepared for many connections.
func checkStream(t *testing.T, w deflateWindow, level int, messages [][]byte) {
	t.Helper()
	d, i := deflater{deflateWindow: w, level: level}, inflater{deflateWindow: w}
	defer d.sent.release()
	defer i.received.release()
	r := plainInflater{window: 1 << w.bits}
	for n, m := range messages {
		var payload []byte
		var ok bool
		if n%5 == 4 {
			if payload, ok = deflateOnce([]byte("head"), m, w.bits, level); ok {
				d.note(m)
			}
		} else {
			payload, ok = d.append([]byte("head"), m)
		}
		rest, found := bytes.CutPrefix(payload, []byte("head"))
		if !found || ok && len(rest) >= len(m) || !ok && len(rest) > 0 {
			t.Fatalf("message %d of %d bytes: got %.10q and %d bytes, %v", n, len(m), payload, len(rest), ok)
		}
		if !ok {
			continue
		}
		if !w.takeover {
			r.forget()
		}
		if got, err := r.message(rest); err != nil || !bytes.Equal(got, m) {
			t.Fatalf("message %d: got %d bytes, %v, want %d", n, len(got), err, len(m))
		}
		got, err := i.inflate(rest, int64(len(m)))
		if err != nil || !bytes.Equal(got.b, m) {
			t.Fatalf("message %d: the package's own inflater differs: %v", n, err)
		}
		putBuffer(got)
	}
}

// TestDeflateReachesTheWindowsEnd repeats noise from as far back as the window
// goes: what lies farther must be sent again.
func TestDeflateReachesTheWindowsEnd(t *testing.T) {
	for bits := uint8(9); bits <= 15; bits++ {
		noise := make([]byte, 1<<bits)
		for i := range noise {
			noise[i] = byte(rand.Uint32())
		}
		for _, distance := range []int{len(noise) - 300, len(noise), len(noise) + 1, len(noise) + 300} {
			between := bytes.Repeat([]byte{'-'}, max(distance-200, 0))
			checkStream(t, deflateWindow{bits, true}, 1, [][]byte{
				slices.Concat(noise[:200], between, noise[:200]),
				slices.Concat(noise[200:400], between), noise[200:400],
			})
		}
	}
}

func TestDeflateLeavesAloneWhatDoesNotShrink(t *testing.T) {
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	d := deflater{deflateWindow: deflateWindow{bits: 12, takeover: true}, level: 1}
	for _, m := range [][]byte{nil, []byte("x"), noise} {
		if out, ok := d.append([]byte("head"), m); ok || string(out) != "head" {
			t.Errorf("%d bytes: got %d, %v", len(m), len(out), ok)
		}
		if out, ok := deflateOnce([]byte("head"), m, 15, 1); ok || string(out) != "head" {
			t.Errorf("%d bytes once: got %d, %v", len(m), len(out), ok)
		}
	}
	if len(d.sent.bytes()) != 0 {
		t.Errorf("%d bytes that were not sent compressed are part of the context", len(d.sent.bytes()))
	}
}

func TestDeflateGainsFromTheContext(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{40, 127, 128, 600, 4000} {
		alone := deflater{deflateWindow: deflateWindow{bits: 12}, level: 1}
		behind := deflater{deflateWindow: deflateWindow{bits: 12, takeover: true}, level: 1}
		m := bytes.Repeat(sample(r), 5)[:n]
		behind.note(m)
		once, _ := alone.append(nil, m)
		again, ok := behind.append(nil, m)
		if !ok || len(once) > 0 && len(again) > len(once)/2 {
			t.Errorf("%d bytes: got %d when sent before, %d when not", n, len(again), len(once))
		}
		behind.sent.release()
	}
}

// TestDeflateOnceForAllWindows: a message no longer than the smallest window
// needs no preparation for each of them.
func TestDeflateOnceForAllWindows(t *testing.T) {
	m := sample(rand.New(rand.NewPCG(1, 1)))
	for bits := uint8(11); bits <= 15; bits++ {
		small, _ := deflateOnce(nil, m, 11, 1)
		if large, _ := deflateOnce(nil, m, bits, 1); !bytes.Equal(large, small) {
			t.Errorf("%d bits: got %d bytes, want those for 11", bits, len(large))
		}
	}
}

// TestDeflateWithoutTakeoverKeepsNothing and the next one bound the memory of a
// connection.
func TestDeflateWithoutTakeoverKeepsNothing(t *testing.T) {
	d, i := converse(t, deflateWindow{bits: 15}, 3)
	if d.sent.past != nil || i.received.past != nil {
		t.Error("something of the messages is kept")
	}
}

func TestDeflateKeepsOneWindow(t *testing.T) {
	for bits := uint8(8); bits <= 15; bits++ {
		d, i := converse(t, deflateWindow{bits, true}, 100)
		want := max(1<<bits, 1<<minBufferShift)
		if got := cap(d.sent.past.b); got != want {
			t.Errorf("%d bits: got %d bytes kept of what was sent, want %d", bits, got, want)
		}
		if got := cap(i.received.past.b); got != want {
			t.Errorf("%d bits: got %d bytes kept of what was received, want %d", bits, got, want)
		}
		if !bytes.Equal(d.sent.bytes(), i.received.bytes()) {
			t.Errorf("%d bits: the ends differ about the context", bits)
		}
		d.sent.release()
		i.received.release()
		if d.sent.past != nil || i.received.past != nil {
			t.Error("release keeps something")
		}
	}
}

// converse sends n messages from one end to the other.
func converse(t *testing.T, w deflateWindow, n int) (deflater, inflater) {
	t.Helper()
	p := deflateParams{write: w, read: w, level: 1}
	d, i := p.deflater(), p.inflater()
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		m := sample(r)
		payload, ok := d.append(nil, m)
		if !ok {
			t.Fatal("a sample does not shrink")
		}
		out, err := i.inflate(payload, 1<<20)
		if err != nil || !bytes.Equal(out.b, m) {
			t.Fatalf("got %v, %v", out, err)
		}
		putBuffer(out)
	}
	return d, i
}

// TestDeflateAllocatesNothing takes the best of many runs: under the race
// detector a sync.Pool forgets some of what it is given.
func TestDeflateAllocatesNothing(t *testing.T) {
	for _, w := range []deflateWindow{{bits: 15}, {bits: 12}, {bits: 12, takeover: true}, {bits: 15, takeover: true}} {
		d, i := deflater{deflateWindow: w, level: 1}, inflater{deflateWindow: w}
		r := rand.New(rand.NewPCG(1, 2))
		var dst []byte
		least := ^uint64(0)
		for range 300 {
			m := sample(r)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			dst, _ = d.append(dst[:0], m)
			out, err := i.inflate(dst, 1<<20)
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			putBuffer(out)
			least = min(least, after.Mallocs-before.Mallocs)
		}
		if least > 0 {
			t.Errorf("%+v: got %d allocations a message, want none", w, least)
		}
	}
}

// FuzzDeflate sends two messages one behind the other.
func FuzzDeflate(f *testing.F) {
	f.Add([]byte("Hello"), []byte("Hello"), uint16(10), uint8(12), uint8(1), true)
	f.Add(sample(rand.New(rand.NewPCG(1, 1))), []byte("item-"), uint16(3), uint8(8), uint8(5), false)
	f.Add(make([]byte, 300), []byte{0}, uint16(300), uint8(9), uint8(9), true)
	f.Fuzz(func(t *testing.T, first, second []byte, times uint16, bits, level uint8, takeover bool) {
		second = bytes.Repeat(second, int(times%512))
		w := deflateWindow{8 + bits%8, takeover}
		checkStream(t, w, 1+int(level%9), [][]byte{first, second[:min(len(second), 1<<17)], first})
	})
}

func BenchmarkDeflate(b *testing.B) {
	for _, bench := range []struct {
		name  string
		w     deflateWindow
		level int
	}{
		{"no takeover", deflateWindow{bits: 15}, 1},
		{"no takeover, level 6", deflateWindow{bits: 15}, 6},
		{"takeover, 12 bits", deflateWindow{12, true}, 1},
		{"takeover, 15 bits", deflateWindow{15, true}, 1},
	} {
		r := rand.New(rand.NewPCG(1, 2))
		messages := make([][]byte, 64)
		for n := range messages {
			messages[n] = sample(r)
		}
		b.Run(bench.name, func(b *testing.B) {
			d, i := deflater{deflateWindow: bench.w, level: bench.level}, inflater{deflateWindow: bench.w}
			var dst []byte
			in, sent := 0, 0
			for n := 0; b.Loop(); n++ {
				m := messages[n%len(messages)]
				dst, _ = d.append(dst[:0], m)
				out, err := i.inflate(dst, 1<<20)
				if err != nil {
					b.Fatal(err)
				}
				putBuffer(out)
				in, sent = in+len(m), sent+len(dst)
			}
			b.ReportAllocs()
			b.SetBytes(int64(in / b.N))
			b.ReportMetric(100*float64(sent)/float64(in), "%sent")
		})
	}
}
