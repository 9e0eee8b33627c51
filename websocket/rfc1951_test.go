package websocket

import (
	"errors"
	"fmt"
)

// plainInflater reads the messages of one direction by the shortest reading of
// RFC 1951, bit by bit, and keeps the whole stream. It refuses any distance
// beyond its window, which flate's decompressor cannot.
type plainInflater struct {
	window int // in bytes
	plain  []byte

	in  []byte
	bit int
}

var (
	errTruncated = errors.New("the input ends early")
	errEmptyCode = errors.New("a code that has no symbols is used")
)

// message inflates a message that may refer back to those before it.
func (r *plainInflater) message(payload []byte) ([]byte, error) {
	r.in, r.bit = append(append([]byte(nil), payload...), 0, 0, 0xFF, 0xFF), 0
	begin := len(r.plain)
	for r.bit < 8*len(r.in) {
		final, err := r.block()
		if err != nil {
			return nil, err
		}
		if !final {
			continue
		}
		// A final block may end the message, with the flush behind it or without.
		if r.align(); r.bit == 8*len(payload) || r.bit == 8*len(r.in) {
			break
		}
	}
	return r.plain[begin:], nil
}

// forget starts the stream anew, as without context takeover.
func (r *plainInflater) forget() { r.plain = nil }

func (r *plainInflater) block() (final bool, err error) {
	head, err := r.bits(3)
	if err != nil {
		return false, err
	}
	switch head >> 1 {
	case 0:
		err = r.stored()
	case 1:
		err = r.compressed(fixedLiterals(), newPlainCode(make8(32, 5)))
	case 2:
		err = r.dynamic()
	default:
		err = errors.New("a block of the reserved type")
	}
	return head&1 == 1, err
}

func (r *plainInflater) align() { r.bit = (r.bit + 7) / 8 * 8 }

func (r *plainInflater) bits(n int) (v int, err error) {
	for i := range n {
		if r.bit == 8*len(r.in) {
			return 0, errTruncated
		}
		v |= int(r.in[r.bit/8]>>(r.bit%8)&1) << i
		r.bit++
	}
	return v, nil
}

func (r *plainInflater) stored() error {
	r.align()
	n, err := r.bits(16)
	if err != nil {
		return err
	}
	inverse, err := r.bits(16)
	if err != nil {
		return err
	}
	if n^inverse != 0xFFFF {
		return errors.New("a stored block whose length is not confirmed")
	}
	if r.bit/8+n > len(r.in) {
		return errTruncated
	}
	r.plain = append(r.plain, r.in[r.bit/8:r.bit/8+n]...)
	r.bit += 8 * n
	return nil
}

// plainCode maps a code, its length in bits above it, to a symbol.
type plainCode map[int]int

// newPlainCode builds the code of RFC 1951 §3.2.2. It is nil if the lengths are
// those of no complete code; a single code of one bit, or none, is allowed.
func newPlainCode(lengths []int) plainCode {
	code, next, left, used, longest := plainCode{}, 0, 1, 0, 0
	for n := 1; n <= 15; n++ {
		next, left = next<<1, left<<1
		for symbol, length := range lengths {
			if length == n {
				code[n<<16|next] = symbol
				next, left, used, longest = next+1, left-1, used+1, n
			}
		}
		if left < 0 {
			return nil
		}
	}
	if left > 0 && used > 0 && !(used == 1 && longest == 1) {
		return nil
	}
	return code
}

func make8(n, length int) []int {
	lengths := make([]int, n)
	for i := range lengths {
		lengths[i] = length
	}
	return lengths
}

func fixedLiterals() plainCode {
	lengths := append(make8(144, 8), make8(112, 9)...)
	return newPlainCode(append(append(lengths, make8(24, 7)...), make8(8, 8)...))
}

func (r *plainInflater) symbol(code plainCode) (int, error) {
	if len(code) == 0 {
		return 0, errEmptyCode
	}
	for n, v := 1, 0; n <= 15; n++ {
		b, err := r.bits(1)
		if err != nil {
			return 0, err
		}
		v = v<<1 | b
		if symbol, ok := code[n<<16|v]; ok {
			return symbol, nil
		}
	}
	return 0, errors.New("a code that does not exist")
}

func (r *plainInflater) dynamic() error {
	head, err := r.bits(14)
	if err != nil {
		return err
	}
	literals, distances, codes := head&31+257, head>>5&31+1, head>>10+4
	if literals > 286 || distances > 30 {
		return errors.New("too many codes")
	}
	meta := make([]int, 19)
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:codes] {
		if meta[i], err = r.bits(3); err != nil {
			return err
		}
	}
	lengths, err := r.lengths(newPlainCode(meta), literals+distances)
	if err != nil {
		return err
	}
	return r.compressed(newPlainCode(lengths[:literals]), newPlainCode(lengths[literals:]))
}

// lengths reads n code lengths (RFC 1951 §3.2.7).
func (r *plainInflater) lengths(meta plainCode, n int) (lengths []int, err error) {
	for len(lengths) < n {
		symbol, err := r.symbol(meta)
		if err != nil {
			return nil, err
		}
		times, length, extra := 1, symbol, 0
		switch symbol {
		case 16:
			if len(lengths) == 0 {
				return nil, errors.New("nothing to repeat")
			}
			times, length, extra = 3, lengths[len(lengths)-1], 2
		case 17:
			times, length, extra = 3, 0, 3
		case 18:
			times, length, extra = 11, 0, 7
		}
		more, err := r.bits(extra)
		if err != nil {
			return nil, err
		}
		lengths = append(lengths, make8(times+more, length)...)
	}
	if len(lengths) > n {
		return nil, errors.New("too many code lengths")
	}
	return lengths, nil
}

func (r *plainInflater) compressed(literals, distances plainCode) error {
	if literals == nil || distances == nil {
		return errors.New("no complete code")
	}
	for {
		symbol, err := r.symbol(literals)
		switch {
		case err != nil:
			return err
		case symbol < 256:
			r.plain = append(r.plain, byte(symbol))
			continue
		case symbol == 256:
			return nil
		case symbol > 285:
			return errors.New("a length that does not exist")
		}
		length, err := r.length(symbol - 257)
		if err != nil {
			return err
		}
		if err := r.match(length, distances); err != nil {
			return err
		}
	}
}

func (r *plainInflater) length(i int) (int, error) {
	switch {
	case i < 8:
		return 3 + i, nil
	case i == 28:
		return 258, nil
	}
	extra := i/4 - 1
	more, err := r.bits(extra)
	return 3 + (4+i%4)<<extra + more, err
}

func (r *plainInflater) match(length int, distances plainCode) error {
	symbol, err := r.symbol(distances)
	if err != nil {
		return err
	}
	distance := 1 + symbol
	if symbol > 29 {
		return errors.New("a distance that does not exist")
	}
	if symbol > 3 {
		extra := symbol/2 - 1
		more, err := r.bits(extra)
		if err != nil {
			return err
		}
		distance = 1 + (2+symbol%2)<<extra + more
	}
	if distance > min(r.window, len(r.plain)) {
		return fmt.Errorf("distance %d with a window of %d behind %d bytes", distance, r.window, len(r.plain))
	}
	for range length {
		r.plain = append(r.plain, r.plain[len(r.plain)-distance])
	}
	return nil
}
