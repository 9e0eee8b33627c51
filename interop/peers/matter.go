package peers

import (
	"crypto/sha256"
	"math/rand/v2"
	"sync"
	"unicode/utf8"
)

// hash is SHA-256.
func hash(p []byte) [32]byte { return sha256.Sum256(p) }

// substance is what messages are cut from: some of it shrinks when compressed,
// some does not.
type substance struct {
	texts    [][]byte // UTF-8
	binaries [][]byte
}

// matter is the same in every process.
var matter = sync.OnceValue(func() substance {
	random := rand.New(rand.NewPCG(1, 2))
	return substance{
		texts:    [][]byte{words(random), characters(random)},
		binaries: [][]byte{words(random), noise(random)},
	}
})

// matterBytes lets the longest message begin anywhere in the first third.
const matterBytes = maxBytes + maxBytes/2

// words repeat themselves as people do.
func words(random *rand.Rand) (p []byte) {
	few := []string{"Grüße", "and", "the", `{"id":`, "},", "παρλέ", "said", "日本", "null", "\n", "0.125", "👋"}
	for len(p) < matterBytes {
		p = append(append(p, few[random.IntN(len(few))]...), ' ')
	}
	return p
}

// characters are those that UTF-8 writes with one to four bytes, at random.
func characters(random *rand.Rand) (p []byte) {
	for len(p) < matterBytes {
		c := rune(random.IntN(utf8.MaxRune + 1))
		if random.IntN(2) == 0 {
			c &= 0xfff
		}
		if utf8.ValidRune(c) {
			p = utf8.AppendRune(p, c)
		}
	}
	return p
}

// noise cannot be compressed.
func noise(random *rand.Rand) []byte {
	p := make([]byte, matterBytes)
	for i := range p {
		p[i] = byte(random.Uint32())
	}
	return p
}

// appendTo appends size bytes from a random place.
func (s substance) appendTo(dst []byte, random *rand.Rand, text bool, size int) []byte {
	from, which := random.IntN(maxBytes/2-utf8.UTFMax), random.IntN(2)
	if !text {
		return append(dst, s.binaries[which][from:from+size]...)
	}
	source := s.texts[which][from:]
	for !utf8.RuneStart(source[0]) {
		source = source[1:]
	}
	whole := size
	for !utf8.RuneStart(source[whole]) {
		whole--
	}
	end := len(dst) + size
	dst = append(dst, source[:whole]...)
	for len(dst) < end {
		dst = append(dst, '.')
	}
	return dst
}
