package websocket

// Prepared is a message framed once, to be written to many connections with
// [Conn.WriteBatch]. It is immutable and safe for concurrent use.
type Prepared struct {
	frame []byte // as a server sends it: header and payload, unmasked
	head  int    // length of the header
	op    opcode
}

// Prepare frames m. It copies m.Data. A m.Type other than Text or Binary is
// refused later, by the WriteBatch that meets it.
func Prepare(m Message) *Prepared {
	frame := make([]byte, 0, maxHeaderBytes+len(m.Data))
	frame = appendHeader(frame, header{fin: true, op: opcode(m.Type), length: int64(len(m.Data))})
	head := len(frame)
	return &Prepared{frame: append(frame, m.Data...), head: head, op: opcode(m.Type)}
}

// Len returns the length of the frame in bytes, header included: what a server
// puts on the wire for it.
func (p *Prepared) Len() int { return len(p.frame) }

// Message returns the message. Its Data is shared and must not be modified.
func (p *Prepared) Message() Message {
	return Message{Type: MessageType(p.op), Data: p.frame[p.head:len(p.frame):len(p.frame)]}
}
