package engineio

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"
	"unicode/utf8"

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

// separator stands between the packets of a polling payload.
const separator = 0x1E

// maxPackets bounds the packets of one payload. A payload of the default size
// full of the shortest sensible events stays below it.
const maxPackets = 1 << 16

// eachPacket calls fn for the packets of a payload until fn says stop.
func eachPacket(payload []byte, fn func(packet []byte) bool) error {
	if !utf8.Valid(payload) || bytes.Count(payload, []byte{separator}) >= maxPackets {
		return errPayload
	}
	for more := true; more; {
		var packet []byte
		packet, payload, more = bytes.Cut(payload, []byte{separator})
		if !fn(packet) {
			return nil
		}
	}
	return nil
}

// appendPacket adds one packet to a payload.
func appendPacket(dst []byte, e *wire.Encoded) []byte {
	if len(dst) > 0 {
		dst = append(dst, separator)
	}
	if !e.Binary {
		return append(dst, e.Data...)
	}
	dst = append(dst, packetBinary)
	return base64.StdEncoding.AppendEncode(dst, e.Data)
}

// decodeBinary reads a packet that begins with b.
func decodeBinary(packet []byte) ([]byte, error) {
	data := make([]byte, base64.StdEncoding.DecodedLen(len(packet)-1))
	n, err := base64.StdEncoding.Strict().Decode(data, packet[1:])
	if err != nil {
		return nil, errors.Join(errPayload, err)
	}
	return data[:n], nil
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

func word(s string) *wire.Encoded { return &wire.Encoded{Data: []byte(s)} }

// IDs makes identifiers. The zero value is ready, and safe for concurrent use.
type IDs struct{ count atomic.Uint32 }

// New returns an identifier of 20 characters, which other parts of the
// Socket.IO world take for granted: 12 random bytes and 3 of a counter, in
// URL-safe base64.
func (ids *IDs) New() string {
	var b [15]byte
	rand.Read(b[:12]) // never fails
	n := ids.count.Add(1)
	b[12], b[13], b[14] = byte(n>>16), byte(n>>8), byte(n)
	return base64.URLEncoding.EncodeToString(b[:])
}
