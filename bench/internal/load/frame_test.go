package load

import (
	"bytes"
	"slices"
	"testing"

	"github.com/gobwas/ws"
)

// Another implementation of the protocol reads what the client is about to send.
func TestFramesAreThoseOfAClient(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 1<<16 - 1, 1 << 16, 1 << 20} {
		payload := bytes.Repeat([]byte("parley"), size/6+1)[:size]
		h, got := readFrame(t, appendFrame(nil, payload, false))
		if !h.Masked || !h.Fin || h.OpCode != ws.OpBinary || h.Rsv != 0 {
			t.Errorf("%d bytes: header is %+v, want one of a masked binary message", size, h)
		}
		if !bytes.Equal(got, payload) {
			t.Errorf("%d bytes: the payload differs", size)
		}
	}
	if h, _ := readFrame(t, appendFrame(nil, []byte("x"), true)); !h.Rsv1() {
		t.Errorf("a compressed message: header is %+v, want RSV1", h)
	}
}

// readFrame reads one frame, which is all of p, and unmasks its payload.
func readFrame(t *testing.T, p []byte) (ws.Header, []byte) {
	t.Helper()
	r := bytes.NewReader(p)
	h, err := ws.ReadHeader(r)
	if err != nil || int(h.Length) != r.Len() {
		t.Fatalf("a frame of %d bytes has header %+v, %d bytes follow: %v", len(p), h, r.Len(), err)
	}
	payload := p[len(p)-r.Len():]
	ws.Cipher(payload, h.Mask, 0)
	return h, payload
}

// serverFrames are three messages of 300 bytes as a server sends them, the second in
// two fragments, and the last one with a length in eight bytes.
func serverFrames() []byte {
	payload := bytes.Repeat([]byte{'x'}, 300)
	frames := ws.MustCompileFrame(ws.NewBinaryFrame(payload))
	frames = append(frames, ws.MustCompileFrame(ws.NewFrame(ws.OpBinary, false, payload[:100]))...)
	frames = append(frames, ws.MustCompileFrame(ws.NewFrame(ws.OpContinuation, true, payload[100:]))...)
	frames = append(frames, 0x82, 127, 0, 0, 0, 0, 0, 0, 300>>8, 300&0xff)
	return append(frames, payload...)
}

func TestAnswersAreCountedHoweverTheyAreCut(t *testing.T) {
	frames := serverFrames()
	for piece := 1; piece <= len(frames); piece++ {
		var p parser
		got := 0
		for part := range slices.Chunk(frames, piece) {
			n, err := p.count(part, 300)
			if err != nil {
				t.Fatalf("in pieces of %d bytes: %v", piece, err)
			}
			got += n
		}
		if got != 3 {
			t.Fatalf("in pieces of %d bytes: %d messages, want 3", piece, got)
		}
	}
}

func TestWrongAnswersAreErrors(t *testing.T) {
	masked := appendFrame(nil, []byte("four"), false)
	for name, frames := range map[string][]byte{
		"another length":                    ws.MustCompileFrame(ws.NewBinaryFrame([]byte("five!"))),
		"a close frame":                     ws.MustCompileFrame(ws.NewCloseFrame(nil)),
		"a masked frame":                    masked,
		"a continuation of nothing":         ws.MustCompileFrame(ws.NewFrame(ws.OpContinuation, true, []byte("four"))),
		"a message in the midst of another": append(ws.MustCompileFrame(ws.NewFrame(ws.OpBinary, false, []byte("f"))), ws.MustCompileFrame(ws.NewBinaryFrame([]byte("our")))...),
	} {
		var p parser
		if n, err := p.count(frames, 4); err == nil {
			t.Errorf("%s: counted as %d messages, want an error", name, n)
		}
	}
}
