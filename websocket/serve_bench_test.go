package websocket

import (
	"bytes"
	"testing"
)

// BenchmarkServe is what the engine itself spends on a message, system calls apart: 16
// messages come in one read, and each is answered with itself.
func BenchmarkServe(b *testing.B) {
	chunk := bytes.Repeat(masked(0x82, make([]byte, 125)), 16)
	input := bytes.Clone(chunk)
	c := &Conn{bounds: defaults.bounds(), handler: &Handler{OnMessage: func(c *Conn, m Message) { c.Send(m) }}}
	c.handler.slow.Store(-2 * copyTime)
	var r runner
	b.ReportAllocs()
	for i := 0; i < b.N; i += 16 {
		copy(input, chunk)
		c.cork()
		r.serve(c, input)
		c.out.corked = false
		c.takeQueue().free()
	}
}
