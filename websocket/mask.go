package websocket

import (
	"encoding/binary"
	"math/bits"
)

// mask applies the masking key to p, which begins at offset pos of the frame's
// payload (RFC 6455 §5.3: octet i is XORed with octet i mod 4 of the key).
// Masking twice restores p.
func mask(p []byte, key [4]byte, pos int64) {
	k32 := bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*int(pos&3))
	k := uint64(k32) | uint64(k32)<<32
	for len(p) >= 64 {
		block := (*[64]byte)(p)
		for i := 0; i < 64; i += 8 {
			binary.LittleEndian.PutUint64(block[i:], binary.LittleEndian.Uint64(block[i:])^k)
		}
		p = p[64:]
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^k)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(k)
		k >>= 8
	}
}
