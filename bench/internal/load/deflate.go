package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/flate"
)

// deflate is what was agreed on compression, RFC 7692 §7.1.
type deflate struct {
	takeover bool   // asked for; a server may decline
	agreed   string // the server's answer, the same for all connections
}

// FreshOffer and TakeoverOffer are what a client offers that must not, or may, keep
// the context of earlier messages. The second is what browsers offer.
const (
	FreshOffer    = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	TakeoverOffer = "permessage-deflate; client_max_window_bits"
)

// tail is what RFC 7692 §7.2.1 removes from the end of a message.
const tail = "\x00\x00\xff\xff"

// Compressed is the script for messages of JSON of about size bytes, compressed by
// themselves or with the context of those before.
func Compressed(size, burst int, takeover bool) *Script {
	s := &Script{answer: -1, burst: burst, deflate: &deflate{takeover: takeover}, offer: FreshOffer}
	if takeover {
		s.offer = TakeoverOffer
	}
	for i := range 64 {
		s.Messages = append(s.Messages, document(i, size))
	}
	return s
}

// document is a message as applications send them: a list that changes a little
// from one message to the next.
func document(number, size int) []byte {
	names := strings.Fields("amber basin cedar delta ember fjord grove heron islet jetty knoll larch meadow north otter pine")
	p := fmt.Appendf(nil, `{"type":"update","channel":"prices","sequence":%d,"items":[`, 100000+number)
	for i := 0; len(p) < size-80; i++ {
		revision := 0
		if (i+number)%4 == 0 {
			revision = number
		}
		p = fmt.Appendf(p, `{"id":%d,"name":"%s","price":%d.%02d,"currency":"EUR","active":true},`,
			1000+i, names[i%len(names)], 20+7*i+revision%5, (13*revision+i)%100)
	}
	p = append(p[:len(p)-1], `],"note":"`...)
	for len(p) < size-2 {
		p = append(p, ' ')
	}
	return append(p, `"}`...)
}

// agree takes the server's answer on extensions; the first one makes the frames.
func (s *Script) agree(extensions string) error {
	switch {
	case s.deflate == nil && extensions == "":
		return nil
	case s.deflate == nil || !strings.HasPrefix(extensions, "permessage-deflate"):
		return fmt.Errorf("load: the server answered the offer of %q with %q", s.offer, extensions)
	case s.deflate.agreed == extensions:
		return nil
	case s.deflate.agreed != "":
		return errors.New("load: the server does not always agree on the same compression")
	}
	s.deflate.agreed = extensions
	frames, err := s.compress(clientWindow(extensions), s.deflate.takeover && !strings.Contains(extensions, "client_no_context_takeover"))
	if err != nil {
		return err
	}
	s.lay(frames)
	return nil
}

// clientWindow returns the bits of the window that the server grants the client.
func clientWindow(extensions string) int {
	for _, parameter := range strings.Split(extensions, ";") {
		if name, value, _ := strings.Cut(strings.TrimSpace(parameter), "="); name == "client_max_window_bits" {
			if bits, err := strconv.Atoi(strings.Trim(value, `" `)); err == nil {
				return bits
			}
		}
	}
	return 15
}

// compress makes the frames. With takeover each message refers to those before it;
// only the first refers to none, so that the script can begin again.
func (s *Script) compress(bits int, takeover bool) (frames [][]byte, err error) {
	var out bytes.Buffer
	w, err := flate.NewWriterWindow(&out, 1<<bits)
	if err != nil {
		return nil, err
	}
	for _, m := range s.Messages {
		out.Reset()
		if !takeover {
			w.Reset(&out)
		}
		if _, err := w.Write(m); err != nil {
			return nil, err
		}
		if err := w.Flush(); err != nil {
			return nil, err
		}
		frames = append(frames, appendFrame(nil, bytes.TrimSuffix(out.Bytes(), []byte(tail)), true))
	}
	return frames, nil
}

// inflate restores a compressed answer with the help of those before it.
func (a *answers) inflate(payload []byte) ([]byte, error) {
	const last = "\x01\x00\x00\xff\xff" // an empty block that ends the stream
	in := io.MultiReader(bytes.NewReader(payload), strings.NewReader(tail+last))
	out, err := io.ReadAll(flate.NewReaderDict(in, a.window))
	if err != nil {
		return nil, fmt.Errorf("load: an echo does not inflate: %w", err)
	}
	a.window = append(a.window, out...)
	a.window = a.window[max(0, len(a.window)-1<<15):]
	return out, nil
}
