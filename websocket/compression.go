package websocket

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Compression asks for permessage-deflate (RFC 7692): messages travel compressed
// if the peer agrees. The zero value compresses every message by itself and
// keeps no memory between messages. Numbers outside their range count as the
// nearest inside it.
//
// Compressing a secret together with text that an attacker chose lets the
// attacker guess the secret from the length of what is sent (as in the CRIME and
// BREACH attacks); with ContextTakeover, texts of several messages come together.
type Compression struct {
	// ContextTakeover lets a message refer back to those before it, in both
	// directions, if the peer agrees. Similar messages become several times
	// smaller, for a window of memory per direction and connection once it is
	// used: 4 KiB altogether by default.
	ContextTakeover bool

	// WindowBits is the base-2 logarithm of the window of what this end sends,
	// in bytes: 8–15. Zero means 15 without ContextTakeover, and with it 11 for a
	// server and 12 for a client. The peer may ask for less.
	WindowBits int

	// PeerWindowBits is the same for what this end receives. Most peers use
	// zlib, which cannot compress with 8. A peer that does not let its window be
	// limited keeps no context instead.
	PeerWindowBits int

	// Threshold is the length in bytes from which a message is compressed; a
	// shorter one gains too little. Zero means 512, less than zero means that
	// every message is compressed.
	Threshold int

	// Level trades time for size, from 1, the fastest, to 9. Zero means 1. A
	// message that is too long for a window of less than 15 bits is compressed
	// at about level 5 whatever is set.
	Level int
}

// deflateParams are what both ends agreed upon, as this end sees it, and how it
// compresses.
type deflateParams struct {
	write, read deflateWindow
	threshold   int // in bytes; messages from this length on are compressed
	level       int // 1–9
}

// deflateWindow is the agreement on one direction.
type deflateWindow struct {
	bits     uint8 // no distance exceeds 1<<bits
	takeover bool  // messages may refer back to those before them
}

// params returns what this end would like best.
func (o *Compression) params() deflateParams {
	p := deflateParams{
		write:     deflateWindow{o.windowBits(o.WindowBits), o.ContextTakeover},
		read:      deflateWindow{o.windowBits(o.PeerWindowBits), o.ContextTakeover},
		threshold: max(o.Threshold, 0),
		level:     min(max(o.Level, 1), 9),
	}
	if o.Threshold == 0 {
		p.threshold = 512
	}
	return p
}

func (o *Compression) windowBits(n int) uint8 {
	switch {
	case n != 0:
		return uint8(min(max(n, 8), maxWindowBits))
	case o.ContextTakeover:
		return 11
	}
	return maxWindowBits
}

// accept is the server's half of the negotiation: offers are the values of the
// client's Sec-WebSocket-Extensions headers, and answer is what to put into the
// server's, empty if nothing was agreed upon. Of several offers the first that is
// acceptable counts (RFC 7692 §5); others are declined without a word. Only a
// header that does not follow the grammar is an error: it fails the handshake
// (RFC 6455 §9.1). o may be nil.
func (o *Compression) accept(offers []string) (p deflateParams, answer string, err error) {
	if o == nil {
		return p, "", nil
	}
	for e, err := range extensions(offers) {
		if err != nil {
			return deflateParams{}, "", err
		}
		if answer == "" && e.name == deflateName && !e.unacceptable {
			p, answer = o.answer(e)
		}
	}
	return p, answer, nil
}

// answer accepts an offer (RFC 7692 §7.1). It does not mention a window of the
// server's that the client did not ask for: a smaller one needs no consent, and
// some clients fail over it.
func (o *Compression) answer(offer extension) (deflateParams, string) {
	p := o.params()
	answer := deflateName
	if p.write.takeover = p.write.takeover && !offer.serverNoTakeover; !p.write.takeover {
		answer += "; server_no_context_takeover"
	}
	if offer.serverBits != 0 {
		p.write.bits = min(p.write.bits, offer.serverBits)
		answer += fmt.Sprintf("; server_max_window_bits=%d", p.write.bits)
	}
	limited := offer.clientBits != 0
	if p.read.takeover = p.read.takeover && !offer.clientNoTakeover && (limited || p.read.bits == maxWindowBits); !p.read.takeover {
		answer += "; client_no_context_takeover"
	}
	if !limited {
		p.read.bits = maxWindowBits
		return p, answer
	}
	if offer.clientBits != anyBits {
		p.read.bits = min(p.read.bits, offer.clientBits)
	}
	if p.read.bits < maxWindowBits {
		answer += fmt.Sprintf("; client_max_window_bits=%d", p.read.bits)
	}
	return p, answer
}

// offered is params for a client. Some servers know no window but their own of 12
// bits, so a client that has no opinion offers that.
func (o *Compression) offered() deflateParams {
	wish := *o
	if wish.ContextTakeover {
		wish.WindowBits = cmp.Or(wish.WindowBits, 12)
		wish.PeerWindowBits = cmp.Or(wish.PeerWindowBits, 12)
	}
	return wish.params()
}

// offer is the client's Sec-WebSocket-Extensions header. It is empty if o is nil.
//
// A limit on the server's window comes with a second offer, for servers that
// cannot keep to it: those may compress every message by itself.
func (o *Compression) offer() string {
	if o == nil {
		return ""
	}
	p := o.offered()
	offer := deflateName
	if !o.ContextTakeover {
		offer += "; server_no_context_takeover; client_no_context_takeover"
	}
	offer += "; client_max_window_bits"
	if p.write.bits < maxWindowBits {
		offer += fmt.Sprintf("=%d", p.write.bits)
	}
	if p.read.bits == maxWindowBits {
		return offer
	}
	fallback := offer
	if o.ContextTakeover {
		fallback = strings.Replace(offer, ";", "; server_no_context_takeover;", 1)
	}
	return fmt.Sprintf("%s; server_max_window_bits=%d, %s", offer, p.read.bits, fallback)
}

// confirm is the client's second half of the negotiation: answers are the values
// of the server's Sec-WebSocket-Extensions headers. ok reports that
// permessage-deflate was agreed upon. An answer that does not fit the offer is an
// error, and the client must fail the connection (RFC 6455 §9.1, RFC 7692 §7.1).
// o may be nil: nothing was offered then.
func (o *Compression) confirm(answers []string) (p deflateParams, ok bool, err error) {
	for e, err := range extensions(answers) {
		switch {
		case err != nil:
			return deflateParams{}, false, err
		case o == nil || e.name != deflateName:
			return deflateParams{}, false, fmt.Errorf("websocket: the server agreed to extension %q, which was not offered", e.name)
		case ok:
			return deflateParams{}, false, errors.New("websocket: the server agreed to permessage-deflate twice")
		}
		if p, err = o.confirmed(e); err != nil {
			return deflateParams{}, false, err
		}
		ok = true
	}
	return p, ok, nil
}

// confirmed compares the server's answer with what was offered.
func (o *Compression) confirmed(answer extension) (deflateParams, error) {
	p := o.offered()
	switch {
	case answer.unacceptable || answer.clientBits == anyBits:
		return p, errors.New("websocket: the server's answer has an invalid parameter for permessage-deflate")
	case answer.clientBits > p.write.bits: // the offer named it (RFC 7692 §7.1.2.2)
		return p, errors.New("websocket: the server allows a larger client_max_window_bits than was offered")
	case answer.serverBits > p.read.bits && !answer.serverNoTakeover: // RFC 7692 §7.1.2.1
		return p, errors.New("websocket: the server's server_max_window_bits is larger than was offered")
	case !o.ContextTakeover && !answer.serverNoTakeover: // RFC 7692 §7.1.1.1
		return p, errors.New("websocket: the server did not agree to server_no_context_takeover")
	case p.read.bits < maxWindowBits && answer.serverBits == 0 && !answer.serverNoTakeover: // fits neither offer
		return p, errors.New("websocket: the server agreed neither to server_max_window_bits nor to server_no_context_takeover")
	}
	p.write.takeover = p.write.takeover && !answer.clientNoTakeover
	p.read.takeover = !answer.serverNoTakeover
	if answer.clientBits != 0 {
		p.write.bits = answer.clientBits
	}
	p.read.bits = maxWindowBits
	if answer.serverBits != 0 {
		p.read.bits = answer.serverBits
	}
	return p, nil
}
