package websocket

import (
	"context"
	"fmt"
	"iter"
	"unicode/utf8"
)

const (
	// readBufferBytes is the read buffer of a connection. A message that fits in
	// it whole is handed out where it lies.
	readBufferBytes = 4 << 10

	// firstBlockBytes is how much room the header of a large frame is believed
	// for. The rest is allocated as the bytes arrive.
	firstBlockBytes = 64 << 10

	// A message of many tiny fragments costs far more to read than its bytes
	// (CVE-2026-48779), and one of empty fragments costs no bytes at all.
	maxFragments      = 16 << 10
	maxEmptyFragments = 256
)

// inbound is the reading half of a connection. All of its state lives here and
// not on a stack: a cancelled Read stops anywhere, and the next goes on.
type inbound struct {
	buf  []byte
	r, w int // buf[r:w] has arrived and is not yet consumed

	frame   header
	inFrame bool  // frame's header is read, its payload is not
	got     int64 // bytes of the payload that have been unmasked and checked

	op        opcode // of the message under way; opContinuation: none is
	size      int64  // payload announced by its frames so far
	fragments int
	empties   int
	checked   int     // bytes found to be UTF-8
	msg       *buffer // the message as far as assembled; nil: none, or it lies in buf
	lent      *buffer // under the message the caller holds
}

// Read returns the next message. Its Data is valid until the next call of Read.
//
// Read also answers pings, completes [Conn.Ping], and takes part in closing, so
// somebody should always be reading. One goroutine at a time may read.
//
// When ctx ends Read returns an error that wraps ctx.Err; nothing is lost, and
// the next Read goes on where it stopped. Every other error is final: the
// connection is closed, and all later calls return the same error.
//
//   - [*CloseError]: the peer closed the connection. Its close frame has been answered.
//   - [*ProtocolError]: the peer broke the protocol or went over a limit. It has
//     been told so in a close frame with the error's Code.
//   - An error wrapping [net.ErrClosed]: this end closed the connection.
//   - Any other: the network failed; io.ErrUnexpectedEOF if the peer went away
//     without a close frame.
func (c *Conn) Read(ctx context.Context) (Message, error) {
	if err := c.take(ctx, c.readTurn); err != nil {
		return Message{}, err
	}
	defer func() { <-c.readTurn }()
	return c.readMessage(ctx)
}

// Messages returns an iterator over [Conn.Read]. A message's Data is valid until
// the next turn of the loop. The last turn brings the error that ends it.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := c.Read(ctx)
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// readMessage reads frames until a message is whole. The caller has the read turn.
func (c *Conn) readMessage(ctx context.Context) (Message, error) {
	if err := c.ended(); err != nil {
		return Message{}, err
	}
	c.watch(ctx, &c.inCancel, setReadDeadline)
	if ctx.Err() != nil {
		return Message{}, ctxError(ctx)
	}
	c.in.reclaim()
	for {
		m, whole, err := c.readFrame(ctx)
		if err != nil {
			return Message{}, c.readFailed(ctx, err)
		}
		if whole {
			return m, nil
		}
	}
}

// readFrame reads one frame, or what is still missing of it. whole reports that
// it completed a message.
func (c *Conn) readFrame(ctx context.Context) (m Message, whole bool, err error) {
	in := &c.in
	if !in.inFrame {
		if err := c.readHeader(); err != nil {
			return Message{}, false, err
		}
	}
	if in.frame.op.isControl() {
		return Message{}, false, c.readControl(ctx)
	}
	if in.inPlace() {
		return c.readInPlace()
	}
	return c.readAssembled()
}

func (c *Conn) readHeader() error {
	in := &c.in
	for {
		h, n, err := parseHeader(in.buf[in.r:in.w], !c.client)
		if err != nil {
			return err
		}
		if n == 0 {
			if err := c.fill(); err != nil {
				return err
			}
			continue
		}
		in.r += n
		if !h.op.isControl() {
			if err := in.admit(h, c.bounds.message); err != nil {
				return err
			}
		}
		in.frame, in.inFrame, in.got = h, true, 0
		return nil
	}
}

// admit decides on its header whether a data frame may come in.
func (in *inbound) admit(h header, maxMessage int64) error {
	switch {
	case h.op == opContinuation && in.op == opContinuation: // RFC 6455 §5.4
		return protocolError("a continuation frame has nothing to continue")
	case h.op != opContinuation && in.op != opContinuation: // RFC 6455 §5.4
		return protocolError("a new message begins inside a fragmented one")
	case h.length > maxMessage-in.size: // size never exceeds maxMessage: no overflow
		return &ProtocolError{StatusMessageTooBig, fmt.Sprintf("the message is longer than %d bytes", maxMessage)}
	}
	if h.op != opContinuation {
		in.op = h.op
	}
	in.size += h.length
	in.fragments++
	if h.length == 0 && !h.fin {
		in.empties++
	}
	if in.fragments > maxFragments || in.empties > maxEmptyFragments {
		return &ProtocolError{StatusPolicyViolation, "the message has too many fragments"}
	}
	return nil
}

// inPlace reports whether the message is one frame that fits in the read buffer.
func (in *inbound) inPlace() bool {
	return in.frame.fin && in.fragments == 1 && in.frame.length <= int64(len(in.buf))
}

// readInPlace waits for the whole payload in the read buffer.
func (c *Conn) readInPlace() (Message, bool, error) {
	in := &c.in
	length := int(in.frame.length)
	for {
		got, arrived := int(in.got), min(in.w-in.r, length)
		data := in.buf[in.r : in.r+arrived]
		if in.frame.masked {
			mask(data[got:], in.frame.key, in.got)
		}
		in.got = int64(arrived)
		if err := in.check(data, arrived == length); err != nil {
			return Message{}, false, err
		}
		if arrived == length {
			in.r += length
			return in.deliver(data[:length:length]), true, nil
		}
		if err := c.fill(); err != nil {
			return Message{}, false, err
		}
	}
}

// readAssembled moves the payload to a buffer of its own.
func (c *Conn) readAssembled() (m Message, whole bool, err error) {
	in := &c.in
	for in.got < in.frame.length {
		if err := c.readBlock(in.frame.length - in.got); err != nil {
			return Message{}, false, err
		}
		if err := in.check(in.msg.b, false); err != nil {
			return Message{}, false, err
		}
	}
	in.inFrame = false
	if !in.frame.fin {
		return Message{}, false, nil
	}
	var data []byte
	if in.msg != nil {
		data = in.msg.b
	}
	if err := in.check(data, true); err != nil {
		return Message{}, false, err
	}
	in.lent, in.msg = in.msg, nil
	return in.deliver(data[:len(data):len(data)]), true, nil
}

// readBlock adds some of the missing bytes of the frame to the message: those
// already in the read buffer, or else those the network has. A long rest is read
// straight into the message, a short one through the buffer, where the next
// frame may come along with it.
func (c *Conn) readBlock(missing int64) error {
	in := &c.in
	if in.r == in.w && missing < int64(len(in.buf)) {
		if err := c.fill(); err != nil {
			return err
		}
	}
	in.grow(missing)
	old := len(in.msg.b)
	room := in.msg.b[old:min(int64(cap(in.msg.b)), int64(old)+missing)]
	n := copy(room, in.buf[in.r:in.w])
	in.r += n
	if n == 0 {
		var err error
		if n, err = c.nc.Read(room); n == 0 && err != nil {
			return err
		}
	}
	if in.frame.masked {
		mask(room[:n], in.frame.key, in.got)
	}
	in.msg.b = in.msg.b[:old+n]
	in.got += int64(n)
	return nil
}

// grow makes room in the message for at least one more byte. It believes the
// header for the first block only; from then on what has arrived pays for room
// three times as large.
func (in *inbound) grow(missing int64) {
	if in.msg == nil {
		in.msg = getBuffer(int(min(missing, firstBlockBytes)))
		return
	}
	have := len(in.msg.b)
	if have < cap(in.msg.b) {
		return
	}
	// At least a quarter more, or tiny fragments would copy a long message each.
	larger := getBuffer(have + max(int(min(missing, int64(3*have))), have/4))
	larger.b = append(larger.b, in.msg.b...)
	putBuffer(in.msg)
	in.msg = larger
}

// check goes on checking that data, the message as far as it has arrived, is
// UTF-8 if it is text (RFC 6455 §8.1).
func (in *inbound) check(data []byte, whole bool) error {
	if in.op != opText {
		return nil
	}
	if whole && in.checked == 0 {
		if !utf8.Valid(data) {
			return invalidPayload("a text message is not UTF-8")
		}
		return nil
	}
	n, ok := checkUTF8(data[in.checked:])
	in.checked += n
	if !ok || whole && in.checked < len(data) {
		return invalidPayload("a text message is not UTF-8")
	}
	return nil
}

// deliver ends the message under way and returns it.
func (in *inbound) deliver(data []byte) Message {
	m := Message{Type: MessageType(in.op), Data: data}
	in.inFrame = false
	in.op, in.size, in.fragments, in.empties, in.checked = opContinuation, 0, 0, 0, 0
	return m
}

// reclaim takes back the buffer under the message handed out last.
func (in *inbound) reclaim() {
	if in.lent != nil {
		putBuffer(in.lent)
		in.lent = nil
	}
}

// detach leaves the message handed out last to its holder for good, so that
// somebody else can go on reading.
func (in *inbound) detach() {
	in.lent = nil
	fresh := make([]byte, len(in.buf))
	in.w = copy(fresh, in.buf[in.r:in.w])
	in.buf, in.r = fresh, 0
}

// fill reads from the network into the read buffer.
func (c *Conn) fill() error {
	in := &c.in
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
	if in.w == len(in.buf) {
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	}
	n, err := c.nc.Read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	return err
}

// readControl reads the payload of a control frame, which always fits in the
// buffer, and does what it asks for.
func (c *Conn) readControl(ctx context.Context) error {
	in := &c.in
	length := int(in.frame.length)
	for in.w-in.r < length {
		if err := c.fill(); err != nil {
			return err
		}
	}
	payload := in.buf[in.r : in.r+length]
	if in.frame.masked {
		mask(payload, in.frame.key, 0)
	}
	in.r += length
	in.inFrame = false
	switch in.frame.op {
	case opPing:
		c.answerPing(ctx, payload)
	case opPong:
		c.pongArrived(payload)
	case opClose:
		return c.closeArrived(ctx, payload)
	}
	return nil
}

// readFailed sorts out why reading stopped, and returns what Read tells its caller.
func (c *Conn) readFailed(ctx context.Context, err error) error {
	switch e := err.(type) {
	case *CloseError:
		return c.ended()
	case *ProtocolError:
		return c.refuse(ctx, e)
	}
	if ctx.Err() != nil && isTimeout(err) {
		return ctxError(ctx)
	}
	c.end(lostError("read", err))
	return c.ended()
}
