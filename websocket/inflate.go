package websocket

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// What inflate fails with.
var (
	errTooBig      = errors.New("websocket: the message inflates to more than is allowed")
	errCorrupt     = errors.New("websocket: the compressed message is corrupt")
	errFinalBlocks = errors.New("websocket: the compressed message has too many final blocks")
)

// maxFinalBlocks is how many blocks with more behind them may say that they are
// the last one (RFC 7692 §7.2.3.4). After each the decompressor starts anew with
// the context, so without a limit two bytes would cost the copying of 32 KiB.
const maxFinalBlocks = 256

// inflater decompresses what one end of a connection receives (RFC 7692 §7.2.2).
// It has a decompressor only while it works and without context takeover no
// memory of its own at all. The one who reads from the connection owns it.
//
// A distance that reaches beyond the agreed window is followed where the
// plaintext is still at hand, that is within its own message, and an error
// otherwise.
type inflater struct {
	deflateWindow
	received window // the plaintext received last, with context takeover
}

func (p deflateParams) inflater() inflater { return inflater{deflateWindow: p.read} }

// inflate decompresses one whole message into a pooled buffer, which then belongs
// to the caller. It stops with errTooBig after limit bytes, and never makes room
// for more than them or than the payload and what came out of it paid for. Any
// error leaves the context unusable: the connection must be closed.
func (i *inflater) inflate(payload []byte, limit int64) (*buffer, error) {
	d, ok := decompressors.Get().(*decompressor)
	if !ok {
		d = newDecompressor()
	}
	out := getBuffer(int(min(limit, int64(4*len(payload)))))
	out, err := d.inflate(out, payload, i.received.bytes(), limit)
	d.source = source{} // or the pool would keep the payload
	decompressors.Put(d)
	if err != nil {
		putBuffer(out)
		return nil, err
	}
	if i.takeover {
		i.received.add(out.b, i.bits)
	}
	return out, nil
}

// decompressor is a flate.Reader together with its input.
type decompressor struct {
	output io.Reader
	input  *bufio.Reader
	source source
	one    [1]byte
}

var decompressors sync.Pool

func newDecompressor() *decompressor {
	d := &decompressor{}
	d.input = bufio.NewReader(&d.source)
	d.output = flate.NewReader(d.input)
	return d
}

// source reads a payload and then what its sender left out.
type source struct{ payload, tail []byte }

// tail completes the sync flush at the end of a message (RFC 7692 §7.2.2) and
// then ends the stream with an empty final block.
var tail = []byte(syncMark + "\x01" + syncMark)

func (s *source) Read(p []byte) (int, error) {
	n := copy(p, s.payload)
	s.payload = s.payload[n:]
	m := copy(p[n:], s.tail)
	s.tail = s.tail[m:]
	if n+m == 0 {
		return 0, io.EOF
	}
	return n + m, nil
}

// inflate decompresses payload behind context and appends the result to out.
func (d *decompressor) inflate(out *buffer, payload, context []byte, limit int64) (*buffer, error) {
	d.source = source{payload, tail}
	d.input.Reset(&d.source)
	var before window // for a stream that begins after a final block
	defer before.release()
	for finals := 0; ; finals++ {
		d.output.(flate.Resetter).Reset(d.input, context)
		begin := len(out.b)
		var err error
		if out, err = d.readStream(out, limit); err != nil {
			return out, err
		}
		switch left := d.left(); {
		case left == 0, // the usual end
			left == len(tail),               // the payload ended in a final block
			left == len(tail)-len(syncMark): // or in a flush that was final itself
			return out, nil
		case left < len(tail):
			return out, errCorrupt
		case finals == maxFinalBlocks:
			return out, errFinalBlocks
		}
		if finals == 0 {
			before.add(context, maxWindowBits)
		}
		before.add(out.b[begin:], maxWindowBits)
		context = before.bytes()
	}
}

// left is how many bytes of the payload and its tail are still unread.
func (d *decompressor) left() int {
	return d.input.Buffered() + len(d.source.payload) + len(d.source.tail)
}

// readStream reads up to the end of a final block.
func (d *decompressor) readStream(out *buffer, limit int64) (*buffer, error) {
	for {
		room := d.one[:] // to see whether more than limit comes
		if have := len(out.b); int64(have) < limit {
			if have == cap(out.b) {
				out = enlarge(out, limit)
			}
			room = out.b[have:min(int64(cap(out.b)), limit)]
		}
		n, err := d.output.Read(room)
		if int64(len(out.b)+n) > limit {
			return out, errTooBig
		}
		out.b = out.b[:len(out.b)+n]
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, errCorrupt
		}
	}
}

// enlarge moves out to a buffer twice as large, or of limit bytes.
func enlarge(out *buffer, limit int64) *buffer {
	larger := getBuffer(int(min(limit, int64(2*cap(out.b)))))
	larger.b = append(larger.b, out.b...)
	putBuffer(out)
	return larger
}
