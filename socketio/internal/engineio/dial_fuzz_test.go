package engineio

import (
	"testing"
	"time"

	"github.com/parley-go/parley/wire"
)

// still is a pipe that does nothing.
type still struct{ closed bool }

func (*still) Transport() string   { return "polling" }
func (*still) Wake()               {}
func (*still) Ping() bool          { return false }
func (*still) Pause()              {}
func (*still) Resume()             {}
func (s *still) Close(int, string) { s.closed = true }
func (s *still) CloseNow()         { s.closed = true }

// longest is a receiver that remembers the longest message.
type longest struct{ n, count int }

func (l *longest) Receive(data []byte, _ bool) {
	l.n = max(l.n, len(data))
	l.count++
}
func (*longest) Take(batch []*wire.Encoded) []*wire.Encoded { return batch }
func (*longest) Heard()                                     {}
func (*longest) Closed(error)                               {}

// FuzzDialed reads what a server says: the answer that opens a connection, and
// what a poll brings then.
func FuzzDialed(f *testing.F) {
	const open = `0{"sid":"x","upgrades":["websocket"],"pingInterval":3000,"pingTimeout":2000,"maxPayload":100}`
	f.Add([]byte(open), []byte("4hello\x1e2\x1e6\x1ebAQID"))
	f.Add([]byte(open), []byte("1"))
	f.Add([]byte(open), []byte("4a\x1e\x1e4b"))
	f.Add([]byte(`0{"sid":"","pingInterval":1e400}`), []byte("b!"))
	f.Add([]byte(`0{"sid":"x","pingInterval":9223372036854775807,"pingTimeout":9223372036854775807}`), []byte("3"))
	f.Fuzz(func(t *testing.T, first, payload []byte) {
		const limit = 100
		up, pipe := &longest{}, &still{}
		d := &Dialed{o: &DialOptions{MaxMessageBytes: limit, New: func(*Dialed) wire.Receiver { return up }}, cancel: func() {}}
		if d.open(first) != nil {
			return
		}
		defer d.clock.Stop()
		if d.silence <= 0 || d.silence > 2*time.Hour || d.sid == "" || len(d.sid) > maxSID {
			t.Fatalf("%q: session %q, silence %v", first, d.sid, d.silence)
		}
		d.current = &dialLink{socket: d, pipe: pipe}
		d.receivePayload(payload)
		if up.n > limit+1 || up.count > maxPackets {
			t.Errorf("%d messages came up, the longest of %d bytes", up.count, up.n)
		}
		if (d.reason != nil) && !pipe.closed {
			t.Errorf("the connection failed with %v and goes on", d.reason)
		}
	})
}
