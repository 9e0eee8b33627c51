package websocket

import (
	"bytes"
	"errors"
	"fmt"
)

// This file is the framing of draft 76 (§4.2, §5.3): text between a byte 0x00 and a byte
// 0xFF, frames with a length, which are discarded, and 0xFF 0x00, the closing handshake.

var (
	errNoBinary = fmt.Errorf("websocket: draft 76 has no binary messages: %w", errors.ErrUnsupported)
	errNoPings  = fmt.Errorf("websocket: draft 76 has no pings: %w", errors.ErrUnsupported)
	errByteFF   = fmt.Errorf("websocket: a text with a byte 0xFF, which is not UTF-8, cannot be sent by draft 76: %w", errors.ErrUnsupported)
)

// endOfText ends a text. UTF-8 has no such byte.
const endOfText = 0xFF

// maxDigits76 is how many bytes a length may be written with. What they say is bounded
// anyhow, but for zeros in front of it.
const maxDigits76 = 9

// check76 tells why a message cannot be sent.
func check76(t MessageType, data []byte) error {
	switch {
	case t != Text:
		return errNoBinary
	case bytes.IndexByte(data, endOfText) >= 0: // the peer would take the rest for frames
		return errByteFF
	}
	return nil
}

// frame76 adds a frame.
func (q *queue) frame76(op opcode, payload []byte, roomy int) {
	q.frames++
	if op == opClose {
		copy(q.extend(2, roomy), []byte{0xFF, 0x00})
		return
	}
	b := q.extend(len(payload)+2, roomy)
	b[0] = 0x00
	copy(b[1:], payload)
	b[len(b)-1] = endOfText
}

// gather76 is messageWriter.add: there are no fragments.
func (w *messageWriter) gather76(p []byte) (int, error) {
	if limit := w.c.bounds.queue; len(p) > limit-w.gathered() {
		return 0, fmt.Errorf("websocket: a message of draft 76 leaves as a whole, and this one is longer than %d bytes", limit)
	}
	if w.buf == nil {
		w.buf = getBuffer(len(p))
	}
	w.buf = w.buf.extended(p)
	return len(p), nil
}

// extended appends p to b, which is the caller's and may be exchanged for a larger one.
func (b *buffer) extended(p []byte) *buffer {
	if need := len(b.b) + len(p); need > cap(b.b) {
		larger := getBuffer(max(need, 2*cap(b.b)))
		larger.b = append(larger.b, b.b...)
		putBuffer(b)
		b = larger
	}
	b.b = append(b.b, p...)
	return b
}

// frame76 is what has come of a frame that is not complete.
type frame76 struct {
	typ    byte
	digits int   // of the length
	sized  bool  // the length is complete
	size   int64 // of the text as far as it has come, or what is left of a frame with a length
}

// next76 is next.
func (c *Conn) next76(p []byte) (event, []byte, error) {
	for len(p) > 0 {
		if c.in.part == nil {
			if end := wholeText76(p); end > 0 && int64(end-1) <= c.bounds.message {
				c.in.frames++
				c.in.messages++
				return event{op: opText, data: p[1:end:end]}, p[end+1:], nil
			}
			c.in.part = partials.Get().(*partial)
			c.in.part.old = frame76{typ: p[0]}
			p = p[1:]
		}
		part := c.in.part
		read := c.text76
		if part.old.typ >= 0x80 {
			read = c.length76
		}
		e, rest, err := read(p)
		if err != nil || e.op != opContinuation {
			return e, rest, err
		}
		p = rest
	}
	return event{}, nil, nil
}

// wholeText76 returns where the text ends that p begins with, or zero. It looks no further
// for what is none.
func wholeText76(p []byte) int {
	if p[0] != 0x00 {
		return 0
	}
	return max(bytes.IndexByte(p, endOfText), 0)
}

// text76 goes on with a text. One of another type than 0x00 is discarded.
func (c *Conn) text76(p []byte) (event, []byte, error) {
	part := c.in.part
	end := bytes.IndexByte(p, endOfText)
	text := p
	if end >= 0 {
		text = p[:end]
	}
	if part.old.size += int64(len(text)); part.old.size > c.bounds.message {
		return event{}, nil, tooBig(c.bounds.message)
	}
	if part.old.typ == 0x00 {
		if part.msg == nil {
			part.msg = getBuffer(len(text))
		}
		part.msg = part.msg.extended(text)
	}
	if end < 0 {
		return event{}, nil, nil
	}
	rest := p[end+1:]
	if part.old.typ != 0x00 {
		return event{}, rest, c.discarded76()
	}
	c.in.frames++
	c.in.messages++
	e := event{op: opText, data: part.msg.b, buf: part.msg}
	part.msg = nil
	c.in.drop()
	return e, rest, nil
}

// length76 goes on with a frame that has a length: seven bits in each byte, the highest of
// which says that more follow.
func (c *Conn) length76(p []byte) (event, []byte, error) {
	old := &c.in.part.old
	for !old.sized {
		if len(p) == 0 {
			return event{}, nil, nil
		}
		digit := p[0]
		p = p[1:]
		old.size = old.size<<7 | int64(digit&0x7F)
		old.digits++
		switch {
		case old.size > c.bounds.message:
			return event{}, nil, tooBig(c.bounds.message)
		case old.digits > maxDigits76:
			return event{}, nil, protocolError("a length is written with too many bytes")
		}
		old.sized = digit < 0x80
	}
	if old.typ == 0xFF && old.size == 0 {
		c.in.frames++
		c.in.drop()
		return event{op: opClose}, p, nil
	}
	n := min(int64(len(p)), old.size)
	if old.size -= n; old.size > 0 {
		return event{}, nil, nil
	}
	return event{}, p[n:], c.discarded76()
}

// discarded76 notes that a frame was read for nothing. There may be as many of them as
// control frames.
func (c *Conn) discarded76() error {
	c.in.frames++
	c.in.drop()
	return c.countControl()
}
