package websocket

import "sync"

// Prepared is a message framed once, to be written to many connections: with
// [Set.Send], [Conn.SendPrepared] or [Conn.WriteBatch]. It is immutable and safe for
// concurrent use. What it is compressed to is kept with it, once for each way of
// compressing.
type Prepared struct {
	frame []byte // as a server sends it: header and payload, unmasked
	head  int    // length of the header
	op    opcode
	plain bool // not to be compressed

	mu         sync.Mutex
	compressed map[deflateKey][]byte // frames
}

// Prepare frames m. It copies m.Data. A m.Type other than Text or Binary is
// refused later, by what is to send it.
func Prepare(m Message) *Prepared {
	h := header{fin: true, op: opcode(m.Type), length: int64(len(m.Data))}
	frame := make([]byte, 0, headerBytes(shortLength(h.length), false)+len(m.Data))
	frame = appendHeader(frame, h)
	head := len(frame)
	return &Prepared{frame: append(frame, m.Data...), head: head, op: opcode(m.Type)}
}

// PrepareUncompressed is Prepare for a message that travels as it is, also where both
// ends have agreed on compression: one that is compressed already, or holds a secret.
func PrepareUncompressed(m Message) *Prepared {
	p := Prepare(m)
	p.plain = true
	return p
}

// Len returns the length of the frame in bytes, header included: what a server
// puts on the wire for it without compression.
func (p *Prepared) Len() int { return len(p.frame) }

// Type returns the message's type.
func (p *Prepared) Type() MessageType { return MessageType(p.op) }

// Message returns the message. Its Data is shared and must not be modified.
func (p *Prepared) Message() Message { return Message{Type: p.Type(), Data: p.payload()} }

func (p *Prepared) payload() []byte { return p.frame[p.head:len(p.frame):len(p.frame)] }
