package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/wire"
)

// The types of packet, the first character of each (Engine.IO 4, "Protocol").
const (
	packetOpen    = '0'
	packetClose   = '1'
	packetPing    = '2'
	packetPong    = '3'
	packetMessage = '4'
	packetUpgrade = '5'
	packetNoop    = '6'
	packetBinary  = 'b' // base64 of a binary message, where only text can travel
)

// binaryMessage is the type in front of a binary message in protocol 3, as a
// number (§3.3). In protocol 4 there is none.
const binaryMessage = 4

// appendBase64 writes a binary message as text.
func appendBase64(dst, data []byte, protocol int) []byte {
	dst = append(dst, packetBinary)
	if protocol == 3 {
		dst = append(dst, packetMessage)
	}
	return base64.StdEncoding.AppendEncode(dst, data)
}

// decodeBase64 reads a packet that begins with b.
func decodeBase64(packet []byte, protocol int) ([]byte, error) {
	text := packet[1:]
	if protocol == 3 {
		if len(text) == 0 || text[0] != packetMessage {
			return nil, errPacket
		}
		text = text[1:]
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(data, text)
	if err != nil {
		return nil, errBase64
	}
	return data[:n], nil
}

// form is how binary messages look in the frames of one pipe.
type form uint8

const (
	plain    form = iota // as they are
	numbered             // behind their type (§3.3)
	textual              // base64 in text (§3.1, b64=1)
)

// dress gives binary messages that form.
func (f form) dress(batch []*wire.Encoded, protocol int) {
	if f == plain {
		return
	}
	for i, e := range batch {
		switch {
		case !e.Binary:
		case f == textual:
			batch[i] = &wire.Encoded{Data: appendBase64(nil, e.Data, protocol), Uncompressed: e.Uncompressed}
		default:
			data := append(make([]byte, 0, 1+len(e.Data)), binaryMessage)
			batch[i] = &wire.Encoded{Data: append(data, e.Data...), Binary: true, Uncompressed: e.Uncompressed}
		}
	}
}

// openPacket is the first packet of a connection: these five keys and no other.
func openPacket(id string, upgrades []string, o *Options) []byte {
	data, _ := json.Marshal(struct { // strings and numbers cannot fail
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
		MaxPayload   int64    `json:"maxPayload"`
	}{id, upgrades, milliseconds(o.PingInterval), milliseconds(o.PingTimeout), o.MaxHTTPBufferSize})
	return append([]byte{packetOpen}, data...)
}

func milliseconds(d time.Duration) int64 { return d.Milliseconds() }

// idBytes is the length of an identifier. Other parts of the Socket.IO world
// take it for granted.
const idBytes = 20

// IDs makes identifiers. The zero value is ready, and safe for concurrent use.
type IDs struct{ count atomic.Uint32 }

// New returns an identifier of 20 characters: 12 random bytes and 3 of a
// counter, in URL-safe base64.
func (ids *IDs) New() string {
	id := ids.next()
	return string(id[:])
}

func (ids *IDs) next() (id [idBytes]byte) {
	var b [15]byte
	rand.Read(b[:12]) // never fails
	n := ids.count.Add(1)
	b[12], b[13], b[14] = byte(n>>16), byte(n>>8), byte(n)
	base64.URLEncoding.Encode(id[:], b[:])
	return id
}

func word(s string) *wire.Encoded { return &wire.Encoded{Data: []byte(s)} }

// saying is a set of packets of this layer that wait to be sent. There is no need
// to send one twice, so that they are bounded whatever the client does.
type saying uint8

const (
	sayOpen saying = 1 << iota
	sayInitial
	sayPong
	sayPing
	sayNoop
)

// vocabulary are those that are alike for all connections.
type vocabulary struct{ initial, ping, pong, noop, probed wire.Encoded }

func (v *vocabulary) learn(initial string) {
	for e, text := range map[*wire.Encoded]string{&v.initial: string(packetMessage) + initial, &v.ping: "2", &v.pong: "3", &v.noop: "6", &v.probed: "3probe"} {
		e.Data, e.Shared = []byte(text), true
	}
}

// appendTo adds the packets of w but for the open packet.
func (v *vocabulary) appendTo(batch []*wire.Encoded, w saying) []*wire.Encoded {
	for _, say := range [...]struct {
		what saying
		e    *wire.Encoded
	}{{sayInitial, &v.initial}, {sayPong, &v.pong}, {sayPing, &v.ping}, {sayNoop, &v.noop}} {
		if w&say.what != 0 {
			batch = append(batch, say.e)
		}
	}
	return batch
}
