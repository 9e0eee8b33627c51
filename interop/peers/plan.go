package peers

import (
	"encoding/hex"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"

	"github.com/parley-go/parley/websocket"
)

// How the two sides close. Both reasons need UTF-8 to be more than ASCII.
const (
	OurCode    = websocket.StatusCode(4001)
	OurReason  = "до свидания"
	PeerCode   = websocket.StatusCode(4002)
	PeerReason = "Auf Wiedersehen ♥"
)

// Way is how our end uses its connection.
type Way string

// The ways there are.
const (
	ByConn    Way = "conn"    // Accept or Dial, then Read and Write, or Reader and Writer
	ByHandler Way = "handler" // Handler, Send
)

// modes are the ways to compress. What can be compressed is, however short.
var modes = []struct {
	name        string
	compression *websocket.Compression
}{
	{"plain", nil},
	{"deflate", &websocket.Compression{Threshold: -1}},
	{"takeover", &websocket.Compression{Threshold: -1, ContextTakeover: true}},
	{"takeover-15", &websocket.Compression{Threshold: -1, ContextTakeover: true, WindowBits: 15, PeerWindowBits: 15}},
}

// Plan is one conversation.
type Plan struct {
	ID         string // unlike that of any other plan in use
	Way        Way
	Messages   int
	Longest    int    // of them, in bytes
	Seed       uint64 // equal seeds make equal messages
	PeerCloses bool   // else we do
	HTTP2      bool   // the peer connects by RFC 8441

	// Compression is what we ask for; nil: none.
	Compression *websocket.Compression
}

// edges are lengths at which frames change their form, and the longest message.
var edges = []int{0, 1, 125, 126, 65535, 65536, maxBytes}

const maxBytes = 1 << 20

// messages are what we send, and what the peer then echoes. Each is valid until
// the next.
func (p Plan) messages() iter.Seq[websocket.Message] {
	return func(yield func(websocket.Message) bool) {
		random := rand.New(rand.NewPCG(p.Seed, 0))
		var buf []byte
		for i := range p.Messages {
			size := randomSize(random, p.Longest)
			if i < 2*len(edges) {
				size = min(edges[i/2], p.Longest)
			}
			buf = matter().appendTo(buf[:0], random, i%2 == 0, size)
			m := websocket.Message{Type: websocket.Binary, Data: buf}
			if i%2 == 0 {
				m.Type = websocket.Text
			}
			if !yield(m) {
				return
			}
		}
	}
}

// randomSize is up to longest, on a logarithmic scale and then the lesser of two,
// so that 10,000 messages of up to 1 MiB make about 110 MB.
func randomSize(random *rand.Rand, longest int) int {
	exponent := min(random.Float64(), random.Float64()) * math.Log2(float64(longest))
	return int(math.Exp2(exponent))
}

// pings tells whether the message with this number, from 0, goes with a ping.
func (p Plan) pings(i int) bool { return i%max(p.Messages/10, 1) == 0 }

// query is what the peer has to know.
func (p Plan) query() string {
	after := 0
	if p.PeerCloses {
		after = p.Messages
	}
	return url.Values{
		"id":     {p.ID},
		"after":  {strconv.Itoa(after)},
		"code":   {strconv.Itoa(int(PeerCode))},
		"reason": {PeerReason},
	}.Encode()
}

// digest is that of all messages.
func (p Plan) digest() string {
	var d Digest
	for m := range p.messages() {
		d.Add(m.Type == websocket.Text, m.Data)
	}
	return d.String()
}

// Bytes is the length of all messages together.
func (p Plan) Bytes() (n int64) {
	for m := range p.messages() {
		n += int64(len(m.Data))
	}
	return n
}

// Digest stands for messages in their order: each is hashed behind the hash of
// those before it. Implementations without a running SHA-256 can do that, too.
// The zero value stands for no message.
type Digest struct{ sum [32]byte }

// Add adds a message: SHA-256 of what was there, a "t" or a "b", and the bytes.
func (d *Digest) Add(text bool, data []byte) {
	kind := byte('b')
	if text {
		kind = 't'
	}
	d.sum = hash(slices.Concat(d.sum[:], []byte{kind}, data))
}

// String returns the digest in hexadecimal.
func (d *Digest) String() string { return hex.EncodeToString(d.sum[:]) }

// Plans are the conversations to have with a peer in one role: long ones that we
// end, and short ones that the peer ends.
func Plans(messages int) (all []Plan) {
	for _, way := range []Way{ByConn, ByHandler} {
		for _, mode := range modes {
			name := fmt.Sprintf("%s-%s", way, mode.name)
			p := Plan{
				ID: name, Way: way, Messages: messages, Longest: maxBytes, Seed: uint64(len(all)), Compression: mode.compression,
			}
			short := p
			short.ID, short.Messages, short.Longest, short.PeerCloses = name+"-peer-closes", 30, 4096, true
			all = append(all, p, short)
		}
	}
	return all
}
