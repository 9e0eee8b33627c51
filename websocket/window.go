package websocket

// maxWindowBits is the base-2 logarithm of the largest window of DEFLATE.
const maxWindowBits = 15

// window holds the last plaintext of one direction of a connection, as far as
// later messages may refer back to it. The zero value holds nothing and takes no
// memory; one that has held something is given back by release.
type window struct{ past *buffer }

// bytes returns what the window holds, until the next call.
func (w *window) bytes() []byte {
	if w.past == nil {
		return nil
	}
	return w.past.b
}

// add appends a message, and lets go of all but the last 1<<bits bytes.
func (w *window) add(p []byte, bits uint8) {
	size := 1 << bits
	p = p[max(len(p)-size, 0):]
	if len(p) == 0 {
		return
	}
	w.grow(len(p), size)
	b := w.past.b
	if drop := len(b) + len(p) - size; drop > 0 {
		b = b[:copy(b, b[drop:])]
	}
	w.past.b = append(b, p...)
}

// grow makes room for n more bytes, as far as the window's size allows.
func (w *window) grow(n, size int) {
	if w.past == nil {
		w.past = getBuffer(n)
		return
	}
	need := min(len(w.past.b)+n, size)
	if need <= cap(w.past.b) {
		return
	}
	larger := getBuffer(need)
	larger.b = append(larger.b, w.past.b...)
	putBuffer(w.past)
	w.past = larger
}

// release gives the memory back when the connection has ended.
func (w *window) release() {
	if w.past != nil {
		putBuffer(w.past)
		w.past = nil
	}
}
