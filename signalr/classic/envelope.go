package classic

import (
	"strconv"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// mostMessages are in one envelope on a stream, as Microsoft's server has it.
// Answers to polls have no such bound.
const mostMessages = 10

// writing is what a stream writes in one go.
type writing struct {
	items     []item
	next      int64 // position of the last message before
	greets    bool
	due       bool // an envelope, even with nothing in it
	regrouped bool // the token of the groups
	alive     bool // a sign of life, when there is nothing else
	farewell  *farewell
}

// plan takes what the stream has to write. The caller holds mu.
func (l *leg) plan() writing {
	c := l.connection
	w := writing{items: l.out, next: l.next, greets: l.greets, due: l.due, alive: l.alive}
	if c.leg == l {
		w.regrouped = c.regrouped && c.phase == started
		if c.phase == closing {
			w.farewell = c.farewell
		}
	}
	w.due = w.due || w.greets || w.regrouped
	switch {
	case l.kind != LongPolling:
		w.due = w.due && len(w.items) == 0
		l.answered = w.farewell != nil
	case len(w.items) > 0 || w.due || w.farewell != nil:
		w.due = true
		l.answered = true
	}
	c.regrouped = c.regrouped && !w.regrouped
	l.out, l.spare = l.spare, nil
	l.greets, l.due, l.alive = false, false, false
	if n := len(w.items); n > 0 {
		l.next = w.items[n-1].position
		c.sent = max(c.sent, l.next)
	}
	if len(w.items) > 0 || w.due || w.alive {
		l.wrote = c.endpoint.now()
	}
	return w
}

// write appends what was planned.
func (l *leg) write(batch []*wire.Encoded, w writing) []*wire.Encoded {
	if f := w.farewell; f != nil && f.stays && l.kind == LongPolling { // there is one answer
		return append(batch, f.words(l.strict, l.script, l.kind))
	}
	n := len(batch)
	var room [mostMessages][]byte
	list := room[:0]
	for _, it := range w.items {
		if it.alone != nil {
			batch = append(l.seal(batch, list, &w), it.alone)
			list = list[:0]
			continue
		}
		if len(list) == mostMessages && l.kind != LongPolling {
			batch, list = l.seal(batch, list, &w), list[:0]
		}
		list, w.next = append(list, it.data), it.position
	}
	batch = l.seal(batch, list, &w)
	if f := w.farewell; f != nil && f.stays {
		if words := f.words(l.strict, l.script, l.kind); words != nil {
			batch = append(batch, words)
		}
	}
	if w.alive && len(batch) == n {
		batch = append(batch, &wire.Encoded{Data: []byte("{}")})
	}
	if cap(w.items) <= keptItems {
		clear(w.items)
		l.spare = w.items[:0]
	}
	return batch
}

const keptItems = 4 // the room of more is given back

// seal appends an envelope, if there is something in it, or one is due.
func (l *leg) seal(batch []*wire.Encoded, list [][]byte, w *writing) []*wire.Encoded {
	if len(list) == 0 && !w.due && !w.greets && !w.regrouped {
		return batch
	}
	c, o := l.connection, &l.endpoint.o
	size := 64
	for _, m := range list {
		size += len(m) + 1
	}
	dst := make([]byte, 0, size)
	dst = append(appendCursor(append(dst, `{"C":"`...), c.epoch, w.next), '"')
	if w.greets {
		dst = append(dst, `,"S":1`...)
	}
	if w.farewell != nil && l.kind == LongPolling {
		dst = append(dst, `,"T":1`...)
	}
	if w.regrouped {
		dst = rawjson.AppendString(append(dst, `,"G":`...), c.groups())
	}
	if l.kind == LongPolling && o.LongPollDelay > 0 {
		dst = strconv.AppendInt(append(dst, `,"L":`...), o.LongPollDelay.Milliseconds(), 10)
	}
	dst = append(dst, `,"M":[`...)
	for i, m := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, m...)
	}
	w.due, w.greets, w.regrouped = false, false, false
	return append(batch, &wire.Encoded{Data: append(dst, ']', '}')})
}

// groups is the token of the connection's groups, at all its hubs.
func (c *connection) groups() string {
	c.mu.Lock()
	presences := c.presences
	c.mu.Unlock()
	var list []string
	for _, p := range presences {
		if p.quiet {
			continue
		}
		for _, name := range p.session.Conn().Groups() {
			list = append(list, p.hub.name+"\x00"+name)
		}
	}
	token := c.endpoint.keys.groups(c.id, list)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = token
	return token
}

// words tell a client to stay away. Older clients do not know how to be told so, but
// stop at what they cannot read; in a forever frame they cannot be reached.
func (f *farewell) words(strict, script bool, kind Transports) *wire.Encoded {
	reason := f.reason
	if reason == "" {
		reason = "The server has closed the connection."
	}
	switch {
	case strict:
		return &wire.Encoded{Data: append(rawjson.AppendString([]byte(`{"E":`), reason), `,"M":[]}`...)}
	case kind == ForeverFrame:
		return nil
	case script:
		return &wire.Encoded{Data: rawjson.AppendString(nil, "Closed: "+reason)}
	}
	return &wire.Encoded{Data: []byte("Closed: " + reason)}
}
