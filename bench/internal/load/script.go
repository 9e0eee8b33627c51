package load

import (
	"bytes"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
)

// A Script is what each connection says, over and over: frames that are ready to
// be sent, and the length of the answer to each.
type Script struct {
	Messages [][]byte // what the frames carry
	answers  [][]byte // what comes back for each; nil: the message itself
	raw      int      // bytes of a message for a bare TCP echo, else 0
	burst    int      // frames that may be sent at once
	answer   int      // bytes of each answer, negative if they vary
	bytes    []byte
	starts   []int // of each frame in bytes, and their end

	deflate *deflate // nil: nothing is compressed
	offer   string   // extensions, for the handshake
	hub     *hub     // what a hub protocol adds; nil: there is none
}

// Echo is the script for messages of size bytes that are all alike, up to burst of
// them in flight.
func Echo(size, burst int) *Script {
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = 'a' + byte(i%23)
	}
	s := &Script{Messages: [][]byte{payload}, answer: size, burst: burst}
	s.lay([][]byte{appendFrame(nil, payload, false)})
	return s
}

// Raw is the same for a server that echoes bytes: as long on the wire as a masked
// frame with a message of size bytes.
func Raw(size, burst int) *Script {
	s := Echo(size, burst)
	s.raw = s.starts[1]
	s.Messages = [][]byte{s.bytes[:s.raw]}
	return s
}

// lay lays frames out so that a burst of any of them lies in one piece.
func (s *Script) lay(frames [][]byte) {
	for i := range len(frames) + s.burst - 1 {
		s.starts = append(s.starts, len(s.bytes))
		s.bytes = append(s.bytes, frames[i%len(frames)]...)
	}
	s.starts = append(s.starts, len(s.bytes))
}

// next returns n frames from number i on, and the number that follows.
func (s *Script) next(i, n int) (frames []byte, following int) {
	return s.bytes[s.starts[i]:s.starts[i+n]], (i + n) % len(s.Messages)
}

// acceptKey answers the key of every request here, RFC 6455 §1.3.
const acceptKey = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

// accept judges the answer to a handshake.
func (s *Script) accept(response []byte) error {
	status, header, _ := strings.Cut(string(response), "\r\n")
	if !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		return fmt.Errorf("load: handshake: %s", status)
	}
	fields := make(map[string]string)
	for _, line := range strings.Split(header, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		fields[textproto.CanonicalMIMEHeaderKey(name)] = strings.TrimSpace(value)
	}
	if fields["Sec-Websocket-Accept"] != acceptKey {
		return errors.New("load: handshake: Sec-WebSocket-Accept is wrong")
	}
	return s.agree(fields["Sec-Websocket-Extensions"])
}

// checked is how many messages of the script a check compares.
func (s *Script) checked() int { return min(len(s.Messages), 8) }

// want is the answer to message i.
func (s *Script) want(i int) []byte {
	if s.answers == nil {
		return s.Messages[i]
	}
	return s.answers[i]
}

// answers are the messages that a server sent back, compared with the script.
type answers struct {
	script *Script
	parser parser
	bytes  []byte
	got    int // messages that have ended in bytes
	err    error
	window []byte // what was inflated before
}

func (a *answers) add(p []byte) {
	a.bytes = append(a.bytes, p...)
	if a.script.raw > 0 {
		a.got = len(a.bytes) / a.script.raw
		return
	}
	n, err := a.parser.count(p, a.script.answer)
	a.got += n
	a.err = errors.Join(a.err, err)
}

func (a *answers) complete() bool { return a.got > 0 || a.err != nil }

// compare takes the one answer that has come and compares it with message i.
func (a *answers) compare(i int) error {
	if a.err != nil {
		return a.err
	}
	message := a.bytes
	if a.script.raw == 0 {
		var compressed bool
		message, compressed = unframe(a.bytes)
		if compressed {
			var err error
			if message, err = a.inflate(message); err != nil {
				return err
			}
		}
		if compressed != (a.script.deflate != nil) {
			return fmt.Errorf("load: an echo is compressed: %t", compressed)
		}
	}
	if want := a.script.want(i); !bytes.Equal(message, want) {
		return fmt.Errorf("load: answer %d is %.80q, want %.80q", i, message, want)
	}
	a.bytes, a.got = nil, 0
	return nil
}

// unframe joins the payloads of frames that are known to be whole.
func unframe(frames []byte) (payload []byte, compressed bool) {
	compressed = frames[0]&rsv1Bit != 0
	for len(frames) > 0 {
		var f parser
		n, _ := f.header(frames)
		payload = append(payload, frames[n:n+f.left]...)
		frames = frames[n+f.left:]
	}
	return payload, compressed
}
