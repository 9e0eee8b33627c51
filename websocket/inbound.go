package websocket

import (
	"fmt"
	"sync"
	"time"
	"unicode/utf8"
)

// firstBlockBytes is how much room the header of a large frame is believed for.
// The rest is allocated as the bytes arrive.
const firstBlockBytes = 64 << 10

// inbound takes apart what the peer sends. It does no I/O: whoever reads from the
// socket feeds it, with pieces cut anywhere. Between messages it holds no memory.
type inbound struct {
	part *partial // what the pieces so far left unfinished; nil: nothing

	controls int32 // control frames since second began
	second   int64

	frames, messages int64 // since the last time they were counted
}

// partial is a header, a frame or a message of which some is still to come.
type partial struct {
	head    [maxHeaderBytes]byte
	headLen int // bytes of a header that was cut short

	frame   header
	inFrame bool  // frame's header is read, its payload is not
	got     int64 // bytes of the payload that have come

	control [maxControlBytes]byte // payload of a control frame

	op         opcode // of the message under way; opContinuation: none is
	compressed bool
	begun      bool  // some of it has been handed out by piece
	size       int64 // payload announced by its frames so far
	fragments  int32
	empties    int32
	checked    int     // bytes found to be UTF-8
	msg        *buffer // the message as far as it has come

	old frame76 // of a connection of draft 76, which uses msg and nothing else
}

var partials = sync.Pool{New: func() any { return new(partial) }}

// event is a control frame or a whole message.
type event struct {
	op         opcode // opContinuation: there is no event
	compressed bool
	checked    bool    // the text is known to be UTF-8
	partial    bool    // more of the message is to come
	data       []byte  // unmasked
	buf        *buffer // data's, for the receiver to give back; nil: data lies in what was fed
}

// next takes the first event off p, and returns what is left of p. Without an
// event p is used up. An error is a *ProtocolError.
func (c *Conn) next(p []byte) (e event, rest []byte, err error) {
	if c.version == hixie76 {
		return c.next76(p)
	}
	in := &c.in
	if in.part != nil && in.part.idle() {
		in.drop()
	}
	if in.part != nil {
		return c.assemble(p)
	}
	if len(p) == 0 {
		return event{}, nil, nil
	}
	h, n, err := c.header(p)
	if err != nil {
		return event{}, nil, err
	}
	if n == 0 || int64(len(p)-n) < h.length || !h.fin || h.op == opContinuation {
		in.part = partials.Get().(*partial)
		return c.assemble(p)
	}
	end := n + int(h.length)
	payload := p[n:end:end]
	if h.masked {
		mask(payload, h.key, 0)
	}
	in.frames++
	if h.op.isControl() {
		return event{op: h.op, data: payload}, p[end:], c.countControl()
	}
	if err := c.checkLength(h.length, 0, h.rsv1); err != nil {
		return event{}, nil, err
	}
	in.messages++
	return event{op: h.op, compressed: h.rsv1, data: payload}, p[end:], nil
}

// usual looks for what nearly every message is: whole, in one frame, not compressed,
// with at most 16 bits of length. It knows nothing of a message under way, and changes
// nothing. end is zero if p does not begin with such a message.
func (c *Conn) usual(p []byte) (op opcode, begin, end int) {
	if len(p) < 2 || c.version == hixie76 {
		return 0, 0, 0
	}
	masked, key := byte(0x80), 4
	if c.client {
		masked, key = 0, 0
	}
	op, length := opcode(p[0]&0x7F), int(p[1]^masked)
	if p[0] < 0x80 || op != opText && op != opBinary || length > 126 {
		return 0, 0, 0
	}
	begin = 2 + key
	if length == 126 {
		if len(p) < 4 {
			return 0, 0, 0
		}
		if length, begin = int(p[2])<<8|int(p[3]), 4+key; length < 126 {
			return 0, 0, 0
		}
	}
	if end = begin + length; end > len(p) || int64(length) > c.bounds.frame {
		return 0, 0, 0
	}
	return op, begin, end
}

// unmask removes the mask, if there is one, from what usual has found.
func (c *Conn) unmask(p []byte, begin, end int) {
	if !c.client {
		mask(p[begin:end], maskKey(p[begin-4:begin]), 0)
	}
}

func (c *Conn) header(p []byte) (header, int, error) {
	return parseHeader(p, !c.client, c.deflate != nil)
}

// assemble goes on with what is unfinished.
func (c *Conn) assemble(p []byte) (event, []byte, error) {
	part := c.in.part
	for {
		if !part.inFrame {
			n, err := c.readHeader(p)
			if err != nil || !part.inFrame {
				return event{}, nil, err
			}
			p = p[n:]
		}
		if part.frame.op.isControl() {
			n := copy(part.control[part.got:part.frame.length], p)
			part.got += int64(n)
			if part.got < part.frame.length {
				return event{}, nil, nil
			}
			return part.takeControl(), p[n:], c.countControl()
		}
		missing := part.frame.length - part.got
		if missing > 0 && len(p) == 0 {
			return event{}, nil, nil
		}
		room := part.room(missing)
		n := copy(room, p)
		e, err := c.advance(n)
		if err != nil || e.op != opContinuation {
			return e, p[n:], err
		}
		p = p[n:]
	}
}

// readHeader reads a header from p, and from what of it came before, and returns
// how many bytes of p it took.
func (c *Conn) readHeader(p []byte) (int, error) {
	part := c.in.part
	whole := p
	if part.headLen > 0 {
		whole = part.head[:part.headLen+copy(part.head[part.headLen:], p)]
	}
	h, n, err := c.header(whole)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		part.headLen = copy(part.head[:], whole)
		return 0, nil
	}
	n -= part.headLen
	part.headLen = 0
	c.in.frames++
	if !h.op.isControl() {
		if err := c.admit(h); err != nil {
			return 0, err
		}
	}
	part.frame, part.inFrame, part.got = h, true, 0
	return n, nil
}

// admit decides on its header whether a data frame may come in.
func (c *Conn) admit(h header) error {
	part := c.in.part
	switch {
	case h.op == opContinuation && part.op == opContinuation: // RFC 6455 §5.4
		return protocolError("a continuation frame has nothing to continue")
	case h.op != opContinuation && part.op != opContinuation: // RFC 6455 §5.4
		return protocolError("a new message begins inside a fragmented one")
	}
	if h.op != opContinuation {
		part.op, part.compressed = h.op, h.rsv1
	}
	if err := c.checkLength(h.length, part.size, part.compressed); err != nil {
		return err
	}
	part.size += h.length
	part.fragments++
	if h.length == 0 && !h.fin {
		part.empties++
	}
	switch {
	case part.fragments > c.bounds.fragments:
		return &ProtocolError{StatusPolicyViolation, "the message has too many fragments", dropFragments}
	case part.empties > c.bounds.empties:
		return &ProtocolError{StatusPolicyViolation, "the message has too many empty fragments", dropEmptyFragments}
	}
	return nil
}

// checkLength judges a frame of length bytes in a message that has size already. What
// cannot be compressed becomes a little longer by it; how long a message is really
// shows when it is inflated.
func (c *Conn) checkLength(length, size int64, compressed bool) error {
	message := c.bounds.message
	if compressed {
		message += message>>6 + 64 // DEFLATE adds 5 bytes to a stored block (RFC 1951 §3.2.4)
	}
	switch {
	case length > c.bounds.frame && c.bounds.frame < c.bounds.message:
		return &ProtocolError{StatusMessageTooBig, fmt.Sprintf("the frame is longer than %d bytes", c.bounds.frame), dropFrameBytes}
	case length > message-size: // size never exceeds it: no overflow
		return tooBig(c.bounds.message)
	}
	return nil
}

func tooBig(limit int64) error {
	return &ProtocolError{StatusMessageTooBig, fmt.Sprintf("the message is longer than %d bytes", limit), dropMessageBytes}
}

// countControl holds the rate of control frames down.
func (c *Conn) countControl() error {
	in := &c.in
	if in.controls++; in.controls <= c.bounds.controls {
		return nil
	}
	if now := time.Now().Unix(); now != in.second {
		in.second, in.controls = now, 1
		return nil
	}
	return &ProtocolError{StatusPolicyViolation, "too many control frames", dropControlFrames}
}

// advance notes that n more bytes of the payload lie in the message's buffer. The
// event is there when they complete the message.
func (c *Conn) advance(n int) (event, error) {
	part := c.in.part
	old := len(part.msg.b)
	part.msg.b = part.msg.b[:old+n]
	if part.frame.masked {
		mask(part.msg.b[old:], part.frame.key, part.got)
	}
	part.got += int64(n)
	part.inFrame = part.got < part.frame.length
	whole := !part.inFrame && part.frame.fin
	if err := part.check(whole); err != nil || !whole {
		return event{}, err
	}
	c.in.messages++
	e := event{op: part.op, compressed: part.compressed, checked: true, data: part.msg.b, buf: part.msg}
	part.msg = nil
	c.in.drop()
	return e, nil
}

// check goes on checking that the message, as far as it has come, is UTF-8 if it
// is text (RFC 6455 §8.1). A compressed one is checked when it is whole.
func (part *partial) check(whole bool) error {
	if part.op != opText || part.compressed {
		return nil
	}
	data := part.msg.b
	n, ok := checkUTF8(data[part.checked:])
	part.checked += n
	if !ok || whole && part.checked < len(data) {
		return errNotUTF8
	}
	return nil
}

// room returns where the next of the missing bytes of the payload go. It believes
// the header for the first block only; from then on what has come pays for room
// three times as large.
func (part *partial) room(missing int64) []byte {
	if part.msg == nil {
		part.msg = getBuffer(int(min(missing, firstBlockBytes)))
	}
	have := len(part.msg.b)
	if have == cap(part.msg.b) && missing > 0 {
		// At least a quarter more, or tiny fragments would copy a long message each.
		larger := getBuffer(have + max(int(min(missing, int64(3*have))), have/4))
		larger.b = append(larger.b, part.msg.b...)
		putBuffer(part.msg)
		part.msg = larger
	}
	return part.msg.b[have:min(int64(cap(part.msg.b)), int64(have)+missing)]
}

// piece hands out what has come of a message that is not yet whole, and judged: of
// text no half character.
func (part *partial) piece() (event, bool) {
	if part == nil || part.op == opContinuation || part.compressed || part.msg == nil {
		return event{}, false
	}
	n := len(part.msg.b)
	if part.op == opText {
		n = part.checked
	}
	if n == 0 {
		return event{}, false
	}
	e := event{op: part.op, checked: true, partial: true, data: part.msg.b[:n], buf: part.msg}
	part.msg, part.checked, part.begun = nil, 0, true
	if tail := e.buf.b[n:]; len(tail) > 0 {
		room := part.room(part.frame.length - part.got + int64(len(tail)))
		part.msg.b = append(room[:0], tail...)
	}
	return e, true
}

// wanted returns where a read may put the payload that is on its way, for bytes
// that need not be copied then, or nil. The reader says with advance how many came.
func (in *inbound) wanted() []byte {
	part := in.part
	if part == nil || !part.inFrame || part.frame.op.isControl() {
		return nil
	}
	missing := part.frame.length - part.got
	if missing < 2<<10 {
		return nil
	}
	return part.room(missing)
}

func (part *partial) takeControl() event {
	part.inFrame = false
	payload := part.control[:part.frame.length]
	if part.frame.masked {
		mask(payload, part.frame.key, 0)
	}
	return event{op: part.frame.op, data: payload}
}

// idle reports whether nothing is unfinished any more.
func (part *partial) idle() bool {
	return !part.inFrame && part.headLen == 0 && part.op == opContinuation
}

// drop lets go of what is unfinished.
func (in *inbound) drop() {
	if in.part == nil {
		return
	}
	if in.part.msg != nil {
		putBuffer(in.part.msg)
	}
	*in.part = partial{}
	partials.Put(in.part)
	in.part = nil
}

// holdsWhole reports whether p begins with a whole frame of data: then what is
// written meanwhile can wait to leave with the answer to it.
func (c *Conn) holdsWhole(p []byte) bool {
	if c.in.part != nil || len(p) == 0 || c.version == hixie76 {
		return false
	}
	h, n, err := c.header(p)
	return err == nil && n > 0 && !h.op.isControl() && int64(len(p)-n) >= h.length
}

// complete makes a message of e: inflated, and checked.
func (c *Conn) complete(e event) (Message, *buffer, error) {
	if e.compressed {
		var err error
		if e.buf, err = c.inflate(e.data, e.buf); err != nil {
			return Message{}, nil, err
		}
		e.data = e.buf.b
		e.checked = false
	}
	if e.op == opText && !e.checked && !utf8.Valid(e.data) {
		if e.buf != nil {
			putBuffer(e.buf)
		}
		return Message{}, nil, errNotUTF8
	}
	return Message{Type: MessageType(e.op), Data: e.data[:len(e.data):len(e.data)]}, e.buf, nil
}

// countIn adds what has come since the last time to the statistics.
func (c *Conn) countIn(bytes int) {
	if c.stats != nil {
		c.stats.received(c.in.messages, c.in.frames, int64(bytes))
	}
	c.in.messages, c.in.frames = 0, 0
}
