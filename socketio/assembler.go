package socketio

import (
	"bytes"
	"cmp"
	"math"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/internal/wheel"
)

// assembler makes packets of the messages of one connection. It belongs to
// whoever calls Receive. What it keeps is bounded: one packet, and of its
// attachments so many, each no longer than the transport lets a message be.
type assembler struct {
	most    int32    // attachments of one packet; zero means maxAttachments
	spoken  bool     // something has come
	packed  bool     // the client speaks MessagePack: its first message was binary
	pending *pending // nil when no attachments are due
	nsp     string   // of the last packet: the next one has often the same
}

// narrow is the limit of an option as an assembler has it.
func narrow(most int) int32 { return int32(min(most, math.MaxInt32)) }

// pending is a packet whose attachments are on their way.
type pending struct {
	packet
	due   int
	timer wheel.Timer // of the next of them, for whoever calls Receive
}

// text takes a message of text, with Engine.IO's type in front. Whole tells
// that p is a packet, else its attachments are due. The bytes of p are those
// of data when there are no attachments, and stay otherwise.
func (a *assembler) text(data []byte, p *packet) (whole bool, err error) {
	switch {
	case a.packed:
		return false, malformed("text from a client that speaks MessagePack")
	case a.pending != nil:
		return false, malformed("text while attachments are due")
	}
	a.spoken = true
	p.nsp = a.nsp
	due, err := p.head(data, cmp.Or(int(a.most), maxAttachments))
	if err != nil {
		return false, err
	}
	a.nsp = p.nsp
	if due == 0 {
		return true, nil
	}
	a.pending = &pending{packet: *p, due: due}
	a.pending.payload = bytes.Clone(p.payload)
	return false, nil
}

// binary takes a binary message: an attachment, or a packet in MessagePack.
func (a *assembler) binary(data []byte, p *packet) (whole bool, err error) {
	if !a.spoken {
		a.spoken, a.packed = true, true
	}
	if a.packed {
		p.nsp = a.nsp
		err := p.open(data)
		a.nsp = p.nsp
		return err == nil, err
	}
	next := a.pending
	if next == nil {
		return false, malformed("binary message without a header")
	}
	next.attachments = append(next.attachments, bytes.Clone(data))
	if len(next.attachments) < next.due {
		return false, nil
	}
	a.pending = nil
	*p = next.packet
	err = checkPlaceholders(p.payload, len(p.attachments))
	return err == nil, err
}

// checkPlaceholders makes sure that every placeholder in data stands for one
// of n attachments.
func checkPlaceholders(data []byte, n int) error {
	w := rawjson.Walk(data, maxDepth)
	if !placeholdersIn(&w, n, maxDepth) || w.Err() != nil {
		return malformed("illegal attachments")
	}
	return nil
}

// placeholdersIn walks over one value, nested at most levels deep.
func placeholdersIn(w *rawjson.Walker, n, levels int) bool {
	kind := w.Kind()
	if kind != '{' && kind != '[' {
		w.Value()
		return true
	}
	if levels == 0 {
		return false
	}
	if kind == '[' {
		for w.Open('['); w.More(']'); {
			if !placeholdersIn(w, n, levels-1) {
				return false
			}
		}
		return true
	}
	var mark, num []byte
	for w.Open('{'); w.More('}'); {
		switch string(w.Name()) {
		case placeholderMark:
			if mark = scalar(w, n, levels-1); mark == nil {
				return false
			}
		case placeholderNum:
			if num = scalar(w, n, levels-1); num == nil {
				return false
			}
		default:
			if !placeholdersIn(w, n, levels-1) {
				return false
			}
		}
	}
	if string(mark) != "true" {
		return true
	}
	_, ok := placeholderIndex(string(num), n)
	return ok
}

// scalar reads a value that may matter to a placeholder: as it lies when it is
// no object and no array, else it has been walked over and is empty. Nil when
// something in it is wrong.
func scalar(w *rawjson.Walker, n, levels int) []byte {
	if kind := w.Kind(); kind != '{' && kind != '[' {
		return w.Value()
	}
	if !placeholdersIn(w, n, levels) {
		return nil
	}
	return []byte{}
}
