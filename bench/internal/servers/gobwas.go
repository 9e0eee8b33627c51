//go:build linux

package servers

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/klauspost/compress/flate"
)

// gobwasServer is gobwas/ws with a goroutine for each connection. The package is a
// toolkit: what to buffer is up to the program. This one reads payloads straight
// into the answer, unmasks them in place, and flushes the answer when the reader
// has run dry, so that messages that came together are answered together. Buffers
// are pooled; an idle connection keeps net/http's reader.
type gobwasServer struct {
	options Options
	members members[net.Conn]
}

func gobwasHandler(o Options) (http.Handler, error) {
	return &gobwasServer{options: o}, nil
}

func (s *gobwasServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var up ws.HTTPUpgrader
	if s.options.Deflate != "" {
		extension := wsflate.Extension{Parameters: wsflate.DefaultParameters} // the package keeps no context
		up.Negotiate = func(o httphead.Option) (httphead.Option, error) { return extension.Negotiate(o) }
	}
	nc, rw, _, err := up.Upgrade(r, w)
	if err != nil {
		return
	}
	c := &gobwasConn{nc: nc, r: rw.Reader, deflate: s.options.Deflate != "", flush: nc.Write}
	switch {
	case s.options.Broadcast && r.URL.Path == PublishPath:
		c.flush = s.publish
	case s.options.Broadcast:
		c.flush = func(frames []byte) (n int, err error) {
			err = s.members.join(nc, func() error { n, err = nc.Write(frames); return err })
			return n, err
		}
	}
	go s.serve(c) // ends with the connection
}

func (s *gobwasServer) serve(c *gobwasConn) {
	defer c.nc.Close()
	defer s.members.remove(c.nc)
	for c.batch() == nil {
	}
}

// publish sends frames that are ready, of one message or several, to all members.
func (s *gobwasServer) publish(frames []byte) (int, error) {
	s.members.each(func(c net.Conn) { c.Write(frames) })
	return len(frames), nil
}

// gobwasConn is one connection, owned by its goroutine.
type gobwasConn struct {
	nc      net.Conn
	r       *bufio.Reader
	deflate bool
	flush   func(frames []byte) (int, error)
	head    [ws.MaxHeaderSize]byte
}

// longestAnswer is when an answer is flushed though more messages wait.
const longestAnswer = 64 << 10

// batch waits for a frame, answers all that came with it, and flushes the answer.
func (c *gobwasConn) batch() error {
	if _, err := c.r.Peek(1); err != nil { // holds no buffer while it waits
		return err
	}
	out := frames.Get().(*frameBuffer)
	defer frames.Put(out)
	out.p = out.p[:0]
	for {
		if err := c.frame(out); err != nil {
			return err
		}
		if c.r.Buffered() == 0 || len(out.p) >= longestAnswer {
			_, err := c.flush(out.p)
			return err
		}
	}
}

// frame reads a frame and appends its answer.
func (c *gobwasConn) frame(out *frameBuffer) error {
	h, err := ws.ReadHeaderBuffer(c.r, c.head[:])
	if err != nil {
		return err
	}
	if c.deflate && h.Rsv1() {
		return c.compressed(h, out)
	}
	mask, n := h.Mask, int(h.Length)
	if h, err = answer(h); err != nil {
		return err
	}
	if err := ws.WriteHeaderBuffer(out, h, c.head[:]); err != nil {
		return err
	}
	payload := out.room(n)
	if _, err := io.ReadFull(c.r, payload); err != nil {
		return err
	}
	ws.Cipher(payload, mask, 0)
	return nil
}

// answer turns the header of a frame into that of its answer: an echo, or a pong.
func answer(h ws.Header) (ws.Header, error) {
	h.Masked, h.Mask = false, [4]byte{}
	switch h.OpCode {
	case ws.OpClose, ws.OpPong:
		return h, io.EOF // the rig's client sends neither
	case ws.OpPing:
		h.OpCode = ws.OpPong
	}
	return h, nil
}

// frameBuffer collects frames.
type frameBuffer struct{ p []byte }

var frames = sync.Pool{New: func() any { return new(frameBuffer) }}

func (b *frameBuffer) Write(p []byte) (int, error) {
	b.p = append(b.p, p...)
	return len(p), nil
}

// room appends n bytes of any value and returns them.
func (b *frameBuffer) room(n int) []byte {
	b.p = slices.Grow(b.p, n)
	b.p = b.p[:len(b.p)+n]
	return b.p[len(b.p)-n:]
}

// gobwasDeflate inflates and deflates messages for one connection after the other;
// the package's own helper would make a compressor for each message.
type gobwasDeflate struct {
	in, plain, out bytes.Buffer
	source         struct{ io.Reader } // in without ReadByte, whose end wsflate 1.5.0 takes for a zero
	r              *wsflate.Reader
	w              *wsflate.Writer
}

var deflates = sync.Pool{New: func() any {
	return &gobwasDeflate{
		r: wsflate.NewReader(nil, func(r io.Reader) wsflate.Decompressor { return &gobwasInflater{flate.NewReader(r)} }),
		w: wsflate.NewWriter(nil, func(w io.Writer) wsflate.Compressor {
			fw, _ := flate.NewWriter(w, flate.BestSpeed) // the level exists
			return fw
		}),
	}
}}

// gobwasInflater gives the inflater the Reset that the package looks for.
type gobwasInflater struct{ io.ReadCloser }

// Reset lets the inflater begin a new message.
func (f *gobwasInflater) Reset(r io.Reader) {
	f.ReadCloser.(flate.Resetter).Reset(r, nil)
}

// compressed answers a message that came compressed, in one frame.
func (c *gobwasConn) compressed(h ws.Header, out *frameBuffer) error {
	d := deflates.Get().(*gobwasDeflate)
	defer deflates.Put(d)
	d.in.Reset()
	if _, err := io.CopyN(&d.in, c.r, h.Length); err != nil {
		return err
	}
	ws.Cipher(d.in.Bytes(), h.Mask, 0)
	if err := d.recode(); err != nil {
		return err
	}
	h, err := answer(h)
	if err != nil {
		return err
	}
	h.Length = int64(d.out.Len())
	if err := ws.WriteHeaderBuffer(out, h, c.head[:]); err != nil {
		return err
	}
	out.Write(d.out.Bytes())
	return nil
}

// recode inflates in and deflates it again to out.
func (d *gobwasDeflate) recode() error {
	d.plain.Reset()
	d.out.Reset()
	d.source.Reader = &d.in
	d.r.Reset(&d.source)
	if _, err := d.plain.ReadFrom(d.r); err != nil {
		return err
	}
	d.w.Reset(&d.out)
	if _, err := d.w.Write(d.plain.Bytes()); err != nil {
		return err
	}
	return d.w.Flush()
}
