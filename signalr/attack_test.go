package signalr

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// The weaknesses of Microsoft's server that became known, tried on ours in both
// protocols. Advisories say no more than that a client can exhaust it, so each
// test tries what its decoder could mean.

// attacks runs body in both protocols, with a client that has shaken hands.
// Afterwards another client must still be served, and nobody be left.
func attacks(t *testing.T, body func(s *server, p *peer, d dialect)) {
	for _, d := range []dialect{protocol{}, packed{}} {
		t.Run(d.Name(), func(t *testing.T) {
			serve(t, nil, func(s *server) {
				s.handle()
				body(s, s.speaking(d), d)
				s.shaken().stop()
			})
		})
	}
}

// speaking is a client that has shaken hands for a protocol.
func (s *server) speaking(d dialect) *peer {
	s.t.Helper()
	p := s.open("/chat", strings.Replace(handshake, "json", d.Name(), 1))
	if m, err := p.conn.Read(s.t.Context()); err != nil || string(m.Data) != "{}\x1e" {
		s.t.Fatalf("handshake: got %q, %v", m.Data, err)
	}
	return p
}

// deliver sends bytes that may break off; it tells whether the server took
// them.
func (p *peer) deliver(data []byte) bool {
	return p.conn.Write(p.t.Context(), websocket.Message{Type: websocket.Binary, Data: data}) == nil
}

// wantEnd reads the error that closes the connection, and nothing before.
func (p *peer) wantEnd(d dialect) {
	p.t.Helper()
	m, err := p.conn.Read(p.t.Context())
	var got message
	if err == nil {
		s := d.splitter(1 << 10)
		err = eachRecord(s, m.Data, func(record []byte) bool { err = d.parse(record, &got); return false })
	}
	if err != nil || got.typ != closing || !got.Bye.Failed {
		p.t.Fatalf("got %q, %v, want a Close with an error", m.Data, err)
	}
	p.wantClose(1000)
}

// calls is a call of "add" with 1 and 2, and its answer.
func calls(d dialect) (call, answer []byte) {
	if d.Binary() {
		return []byte("\x0c\x95\x01\x80\xa10\xa3add\x92\x01\x02"), []byte("\x07\x95\x03\x80\xa10\x03\x03")
	}
	return []byte(raw(`{"type":1,"invocationId":"0","target":"add","arguments":[1,2]}␞`)), []byte(raw(`{"type":3,"invocationId":"0","result":3}␞`))
}

func (p *peer) wantAnswer(d dialect) {
	p.t.Helper()
	_, want := calls(d)
	if m, err := p.conn.Read(p.t.Context()); err != nil || !bytes.Equal(m.Data, want) {
		p.t.Fatalf("got %q, %v, want %q", m.Data, err, want)
	}
}

// whole puts a body into the frame of a message.
func whole(d dialect, body string) []byte {
	if !d.Binary() {
		return []byte(body + "\x1e")
	}
	frame := shut(append(make([]byte, prefix), body...), 0)
	return frame
}

// CVE-2019-0982: handshakes and messages with bytes flipped, cut and doubled.
func TestCVE_2019_0982_BrokenHandshakesAndMessages(t *testing.T) {
	random := rand.New(rand.NewPCG(2019, 982))
	attacks(t, func(s *server, _ *peer, d dialect) {
		call, _ := calls(d)
		hello := []byte(strings.Replace(raw(handshake), "json", d.Name(), 1))
		for range 300 {
			p := s.open("/chat")
			sent := slices.Concat(hello, call, call)
			switch at := random.IntN(len(sent)); random.IntN(3) {
			case 0:
				sent[at] ^= byte(1 << random.IntN(8))
			case 1:
				sent = slices.Delete(sent, at, min(at+1+random.IntN(8), len(sent)))
			case 2:
				sent = slices.Insert(sent, at, sent[:random.IntN(at+1)]...)
			}
			p.deliver(sent)
			p.conn.CloseNow()
		}
	})
}

// CVE-2020-0602: messages of types that nobody knows, with anything inside.
func TestCVE_2020_0602_UnknownTypes(t *testing.T) {
	attacks(t, func(s *server, p *peer, d dialect) {
		unknown := `{"type":99,"target":7,"arguments":"x","invocationId":[],"more":{"deep":[[[1]]]}}`
		if d.Binary() {
			unknown = "\x93\x63\x81\xc0\x01\xc1"
		}
		flood := bytes.Repeat(whole(d, unknown), 2000)
		for range 20 {
			p.deliver(flood)
		}
		call, _ := calls(d)
		p.deliver(call)
		p.wantAnswer(d)
	})
}

// CVE-2024-21386: values nested so deep that reading them takes a stack.
func TestCVE_2024_21386_DeepValues(t *testing.T) {
	attacks(t, func(s *server, _ *peer, d dialect) {
		const depth = 15_000
		open, end := strings.Repeat("[", depth), strings.Repeat("]", depth)
		bodies := []string{
			`{"type":1,"target":"echo","arguments":[` + open + end + `]}`,
			`{"type":1,"target":"echo","arguments":[` + open,
			`{"type":6,"unknown":` + open + end + `}`,
			`{"type":1,"headers":` + strings.Repeat(`{"":`, depth/4) + `1` + strings.Repeat("}", depth/4) + `}`,
			open + end,
		}
		if d.Binary() {
			deep := strings.Repeat("\x91", depth)
			bodies = []string{
				"\x95\x01\x80\xc0\xa4echo\x91" + deep + "\xc0",
				"\x95\x01\x80\xc0\xa4echo\x91" + deep,
				"\x95\x01\x80\xc0\xa4echo" + strings.Repeat("\x81\xc0", depth) + "\xc0",
				"\x95\x01\x81\xa1h" + deep + "\xc0",
				"\x94\x02\x80\xa10" + deep + "\xc0",
				deep + "\xc0",
			}
		}
		for _, body := range bodies {
			p := s.speaking(d)
			p.deliver(whole(d, body))
			p.wantEnd(d)
		}
	})
}

// CVE-2024-21386, too: lengths that promise what never comes. No room is made
// for it.
func TestCVE_2024_21386_LengthsThatLie(t *testing.T) {
	bodies := []string{
		"\xdd\xff\xff\xff\xff\x01",
		"\x95\x01\xdf\xff\xff\xff\xff",
		"\x95\x01\x81\xdb\xff\xff\xff\xff",
		"\x95\x01\x80\xdb\x7f\xff\xff\xff",
		"\x95\x01\x80\xc0\xdb\x7f\xff\xff\xff",
		"\x95\x01\x80\xc0\xa1a\xdd\x0f\xff\xff\xff",
		"\x96\x01\x80\xc0\xa1a\x90\xdd\x0f\xff\xff\xff",
		"\x95\x01\x80\xc0\xa1a\x91\xc6\xff\xff\xff\xff",
		"\x95\x01\x80\xc0\xa1a\x91\xdf\xff\xff\xff\xff",
		"\x95\x01\x80\xc0\xa1a\x91\xc9\xff\xff\xff\xff\xff",
		"\x94\x02\x80\xa10\xdd\xff\xff\xff\xff",
		"\x95\x03\x80\xa10\x01\xdb\xff\xff\xff\xff",
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, body := range bodies {
		for range 100 {
			var m message
			if err := (packed{}).parse([]byte(body), &m); err == nil {
				t.Fatalf("%q was read as %+v", body, m)
			}
		}
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / 1200; got > 20_000 {
		t.Errorf("a lie costs %d bytes", got)
	}
	serve(t, nil, func(s *server) {
		for _, body := range bodies {
			p := s.speaking(packed{})
			p.deliver(whole(packed{}, body))
			p.wantEnd(packed{})
		}
	})
}

// CVE-2026-26130: a length beyond the limit, and messages of any length that
// come in drops: the connection ends with the first byte that is too much, and
// holds no more than it may until then.
func TestCVE_2026_26130_LengthBeyondTheLimit(t *testing.T) {
	serve(t, nil, func(s *server) {
		for _, head := range []string{"\xfe\xff\x01", "\xff\xff\xff\xff\x07", "\xff\xff\xff\xff\x0f", "\xff\xff\xff\xff\xff\xff"} {
			p := s.speaking(packed{})
			for i := range len(head) {
				if !p.deliver([]byte(head[i : i+1])) {
					break
				}
			}
			p.wantEnd(packed{})
		}
		// The longest message there may be, in drops; then another.
		s.handle()
		p := s.speaking(packed{})
		const limit = 32 << 10
		text := strings.Repeat("x", limit-3-len("\x95\x01\x80\xc0\xa4echo\x91\xda\x00\x00"))
		message := whole(packed{}, "\x95\x01\x80\xc0\xa4echo\x91\xda"+string([]byte{byte(len(text) >> 8), byte(len(text))})+text)
		if len(message) != limit {
			t.Fatalf("the message has %d bytes, want %d", len(message), limit)
		}
		for range 3 {
			for chunk := range slices.Chunk(message, 500) {
				p.deliver(chunk)
			}
		}
		call, _ := calls(packed{})
		p.deliver(call)
		p.wantAnswer(packed{})
	})
}

// CVE-2026-26130, too: what a connection holds while a message drips in.
func TestCVE_2026_26130_WhatIsHeld(t *testing.T) {
	const limit = 32 << 10
	for _, c := range []struct {
		d    dialect
		head string
	}{{protocol{}, ""}, {packed{}, "\xfd\xff\x01"}} { // the longest length there may be
		s := c.d.splitter(limit)
		whole := 0
		none := func([]byte) bool { whole++; return true }
		if err := eachRecord(s, []byte(c.head), none); err != nil {
			t.Fatal(err)
		}
		for range 100 { // what was promised is not made room for
			if err := eachRecord(s, []byte(" "), none); err != nil {
				t.Fatal(err)
			}
		}
		if got := held(s); got > 512 {
			t.Errorf("%s: 100 bytes that came are held in %d", c.d.Name(), got)
		}
		for range limit - len(c.head) - 101 {
			if err := eachRecord(s, []byte(" "), none); err != nil {
				t.Fatal(err)
			}
		}
		if whole > 0 || !s.rest() {
			t.Errorf("%s: one byte before the limit: %d messages, rest: %t", c.d.Name(), whole, s.rest())
		}
		last := eachRecord(s, []byte(" "), none)
		if c.d.Binary() { // ends there
			if last != nil || whole != 1 || s.rest() {
				t.Errorf("at the limit: %v, %d messages, rest: %t", last, whole, s.rest())
			}
			continue
		}
		last = eachRecord(s, []byte(" "), none)
		if last == nil || !strings.Contains(last.Error(), "maximum message size of 32768B") || s.rest() {
			t.Errorf("beyond the limit: %v, rest: %t", last, s.rest())
		}
	}
}

// held is the room a splitter has taken.
func held(s splitter) int {
	switch s := s.(type) {
	case *records:
		return cap(s.part)
	case *frames:
		return cap(s.part)
	}
	panic("a splitter of another kind")
}

// One client that breaks the protocol ends nobody but itself, and OnDisconnect
// is told why.
func TestBrokenProtocolEndsOneConnection(t *testing.T) {
	attacks(t, func(s *server, good *peer, d dialect) {
		reason := make(chan error, 10)
		s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
		bad := s.speaking(d)
		bad.deliver(whole(d, "\xc1"))
		bad.wantEnd(d)
		if err := <-reason; !errors.Is(err, parley.ErrProtocol) {
			t.Errorf("OnDisconnect: got %v, want ErrProtocol", err)
		}
		call, _ := calls(d)
		good.deliver(call)
		good.wantAnswer(d)
	})
}

// A client that goes in the middle of a message has not gone in peace.
func TestAConnectionEndsInsideAMessage(t *testing.T) {
	attacks(t, func(s *server, p *peer, d dialect) {
		reason := make(chan error, 10)
		s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
		call, _ := calls(d)
		p.deliver(call[:len(call)-1])
		if err := p.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Fatal(err)
		}
		if err := <-reason; !errors.Is(err, parley.ErrProtocol) || !strings.Contains(err.Error(), "Connection terminated while reading a message.") {
			t.Errorf("got %v", err)
		}
		p = s.speaking(d)
		p.deliver(call)
		p.wantAnswer(d)
		p.conn.Close(websocket.StatusNormalClosure, "")
		if err := <-reason; err != nil {
			t.Errorf("after a whole message: got %v", err)
		}
	})
}
