package load

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
)

func TestABurstOfFramesLiesInOnePiece(t *testing.T) {
	s := &Script{Messages: [][]byte{[]byte("a"), []byte("bb"), []byte("ccc")}, burst: 4}
	var frames [][]byte
	for _, m := range s.Messages {
		frames = append(frames, appendFrame(nil, m, false))
	}
	s.lay(frames)
	for first := range frames {
		for n := 1; n <= s.burst; n++ {
			var want []byte
			for i := range n {
				want = append(want, frames[(first+i)%len(frames)]...)
			}
			got, next := s.next(first, n)
			if !bytes.Equal(got, want) {
				t.Errorf("%d frames from %d on: % x, want % x", n, first, got, want)
			}
			if want := (first + n) % len(frames); next != want {
				t.Errorf("after %d frames from %d on comes %d, want %d", n, first, next, want)
			}
		}
	}
}

// A script with context takeover begins again without a break, and stays within the
// window that the server granted: what a server would read is inflated here with the
// last bytes of that many.
func TestCompressedScriptsInflate(t *testing.T) {
	for _, test := range []struct {
		name, extensions string
		takeover         bool
		window           int
	}{
		{"no takeover", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", false, 0},
		{"takeover", "permessage-deflate", true, 1 << 15},
		{"takeover in 4 KiB", "permessage-deflate; client_max_window_bits=12", true, 1 << 12},
		{"takeover refused", "permessage-deflate; client_no_context_takeover", true, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := Compressed(1<<10, 1, test.takeover)
			if err := s.agree(test.extensions); err != nil {
				t.Fatal(err)
			}
			server := answers{script: s}
			frame, next := []byte(nil), 0
			for i := range 2 * len(s.Messages) {
				number := next
				frame, next = s.next(next, 1)
				_, payload := readFrame(t, bytes.Clone(frame))
				server.window = server.window[max(0, len(server.window)-test.window):]
				got, err := server.inflate(payload)
				if err != nil || !bytes.Equal(got, s.Messages[number]) {
					t.Fatalf("message %d does not inflate to what it was: %v", i, err)
				}
			}
		})
	}
}

// Calls in flight have IDs of their own, and every answer is equally long, so that
// several of them can be told apart in one message.
func TestScriptsOfAHub(t *testing.T) {
	for _, messagePack := range []bool{false, true} {
		s := SignalR(125, 16, messagePack)
		seen := make(map[string]bool)
		for i, m := range s.Messages {
			if seen[string(m)] || len(s.answers[i]) != s.answer {
				t.Errorf("call %d is one of before, or its answer has %d bytes, want %d", i, len(s.answers[i]), s.answer)
			}
			seen[string(m)] = true
		}
		three := bytes.Repeat(s.answers[0], 3)
		p := parser{joined: true}
		if n, err := p.count(serverMessage(three), s.answer); n != 3 || err != nil {
			t.Errorf("three answers in one message are %d: %v", n, err)
		}
		if n, err := p.count(serverMessage(three[1:]), s.answer); err == nil {
			t.Errorf("three answers less a byte are %d, want an error", n)
		}
	}
	if got, want := SignalR(3, 1, true).Messages[0], "\x10\x95\x01\x80\xa210\xa4echo\x91\xa3abc"; string(got) != want {
		t.Errorf("a call in MessagePack is %q, want %q", got, want)
	}
}

// serverMessage is a whole text message of a server.
func serverMessage(payload []byte) []byte {
	return ws.MustCompileFrame(ws.NewTextFrame(payload))
}

func TestDocumentsHaveTheirSize(t *testing.T) {
	for i := range 64 {
		if got := len(document(i, 1<<10)); got != 1<<10 {
			t.Errorf("document %d has %d bytes, want 1024", i, got)
		}
	}
}

func TestScriptsRefuseOtherCompressionThanTheyOffered(t *testing.T) {
	if err := Echo(1, 1).agree("permessage-deflate"); err == nil {
		t.Error("compression that was not offered is accepted")
	}
	if err := Compressed(1<<10, 1, false).agree(""); err == nil {
		t.Error("a server that declines compression is accepted")
	}
}
