//go:build linux

package servers

import (
	"bytes"
	"net/http"
	"sync/atomic"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// gobwasLoops is gobwas/ws without a goroutine for each connection: net/http shakes
// hands, the socket goes to a loop, which parses frames where it read them, unmasks
// in place, and writes all answers to one read at once. A message that is the only
// one of its read is answered from the very bytes in which it came.
type gobwasLoops struct {
	loops   []*loop
	next    atomic.Uint32
	members members[int] // descriptors
	options Options
}

// Tags of a socket: what to do with its messages.
const (
	echoes = iota
	publishes
	subscribes
)

func gobwasEpollHandler(o Options) (http.Handler, error) {
	s := &gobwasLoops{options: o}
	loops, err := newLoops(func() reaction { return (&gobwasReaction{server: s}).react })
	s.loops = loops
	return s, err
}

func (s *gobwasLoops) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	nc, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	tag := echoes
	switch {
	case s.options.Broadcast && r.URL.Path == PublishPath:
		tag = publishes
	case s.options.Broadcast:
		tag = subscribes
	}
	s.loops[s.next.Add(1)%uint32(len(s.loops))].adopt(nc, tag)
}

// gobwasReaction answers frames for one loop.
type gobwasReaction struct {
	server *gobwasLoops
	reader bytes.Reader
	out    frameBuffer
	head   [ws.MaxHeaderSize]byte
}

// inPlace is how long a message must be to be answered without a copy.
const inPlace = 4 << 10 // bytes

func (g *gobwasReaction) react(s *socket, in []byte) (out []byte, used, need int, ok bool) {
	g.out.p = g.out.p[:0]
	for used < len(in) {
		p := in[used:]
		g.reader.Reset(p)
		h, err := ws.ReadHeaderBuffer(&g.reader, g.head[:])
		if err != nil {
			break // the header is not there yet
		}
		size := len(p) - g.reader.Len()
		need = size + int(h.Length)
		if need > len(p) {
			break
		}
		payload := p[size:need]
		ws.Cipher(payload, h.Mask, 0)
		if h, err = answer(h); err != nil {
			return nil, 0, 0, false
		}
		used += need
		if s.tag == echoes && used == need && used == len(in) && len(payload) >= inPlace {
			return g.inPlace(h, p[:need], size), used, 0, true
		}
		ws.WriteHeaderBuffer(&g.out, h, g.head[:])
		g.out.Write(payload)
	}
	switch s.tag {
	case publishes:
		g.publish()
		return nil, used, need, true
	case subscribes:
		g.server.members.join(s.fd, func() error { return nil }) // the loop answers
	}
	return g.out.p, used, need, true
}

// inPlace writes the header of the answer, which is shorter as it has no mask, right
// before the payload.
func (g *gobwasReaction) inPlace(h ws.Header, frame []byte, size int) []byte {
	g.out.p = g.out.p[:0]
	ws.WriteHeaderBuffer(&g.out, h, g.head[:])
	begin := size - len(g.out.p)
	copy(frame[begin:], g.out.p)
	return frame[begin:]
}

// publish writes the frames of one read to all members. The rig's client takes them
// at once; a member that does not would lose its connection.
func (g *gobwasReaction) publish() {
	g.server.members.each(func(fd int) {
		if n, _ := rawWrite(fd, g.out.p); n < len(g.out.p) {
			unix.Shutdown(fd, unix.SHUT_RDWR)
		}
	})
}
