package signalr

import (
	"errors"
	"fmt"
	"slices"

	"github.com/parley-go/parley/internal/msgpack"
	"github.com/parley-go/parley/wire"
	"github.com/tinylib/msgp/msgp"
)

// packed is the MessagePack hub protocol as one end writes it (SignalR hub
// protocol, "MessagePack encoding"). A message is an array behind its length.
type packed struct{ manner }

// Name implements [wire.Protocol].
func (packed) Name() string { return "messagepack" }

// Codec implements [wire.Protocol].
func (packed) Codec() wire.Codec { return msgpack.Codec{} }

// Binary implements [wire.Protocol].
func (packed) Binary() bool { return true }

func (packed) splitter(limit int) splitter { return &frames{limit: limit} }

// The kinds of result in a Completion.
const (
	errorResult = 1
	voidResult  = 2
	valueResult = 3
)

// Append implements [wire.Protocol].
func (p packed) Append(dst []byte, m *wire.Message) ([]byte, error) {
	switch m.Kind {
	case wire.Call:
		return packCall(dst, invocation, m), nil
	case wire.StreamCall:
		return packCall(dst, streamInvocation, m), nil
	case wire.Item:
		if len(m.Args.Values) != 1 {
			return dst, fmt.Errorf("signalr: a stream item has one value, not %d", len(m.Args.Values))
		}
		dst, start := open(dst, m)
		dst = msgp.AppendString(pack(dst, 4, streamItem, nil), m.ID)
		return shut(append(dst, m.Args.Values[0]...), start), nil
	case wire.Result, wire.End:
		return p.packCompletion(dst, m), nil
	case wire.Cancel:
		if !p.client { // no client knows it
			return dst, nil
		}
		dst, start := open(dst, m)
		return shut(msgp.AppendString(pack(dst, 3, cancelInvocation, nil), m.ID), start), nil
	case wire.Ping:
		return append(dst, 2, 0x91, ping), nil
	case wire.Close:
		return packClose(dst, p.farewell(m.Bye), m.Bye.Reconnect), nil
	}
	return dst, nil // no words for a Pong
}

// prefix is room for the longest length.
const prefix = 5

// open begins a message that may be as long as m; start is where its length
// will be.
func open(dst []byte, m *wire.Message) (out []byte, start int) {
	const more = 48 // types, lengths and headers that are not there
	start = len(dst)
	dst = slices.Grow(dst, more+len(m.ID)+len(m.Name)+m.Args.Size())
	return append(dst, make([]byte, prefix)...), start
}

// shut ends a message: it writes the length, which takes the room it needs.
func shut(dst []byte, start int) []byte {
	body := start + prefix
	at, n := start, len(dst)-body
	for ; n >= 0x80; n >>= 7 {
		dst[at] = byte(n) | 0x80
		at++
	}
	dst[at] = byte(n)
	at++
	return append(dst[:at], dst[body:]...)
}

// pack writes what most messages begin with.
func pack(dst []byte, elements uint32, typ int, headers map[string]string) []byte {
	dst = msgp.AppendArrayHeader(dst, elements)
	dst = append(dst, byte(typ))
	return msgp.AppendMapStrStr(dst, headers)
}

func packCall(dst []byte, typ int, m *wire.Message) []byte {
	dst, start := open(dst, m)
	dst = pack(dst, 6, typ, m.Headers)
	if m.ID == "" {
		dst = msgp.AppendNil(dst)
	} else {
		dst = msgp.AppendString(dst, m.ID)
	}
	dst = packList(msgp.AppendString(dst, m.Name), m.Args.Values)
	dst = msgp.AppendArrayHeader(dst, uint32(len(m.Streams)))
	for _, id := range m.Streams {
		dst = msgp.AppendString(dst, id)
	}
	return shut(dst, start)
}

func packList(dst []byte, values [][]byte) []byte {
	dst = msgp.AppendArrayHeader(dst, uint32(len(values)))
	for _, v := range values {
		dst = append(dst, v...)
	}
	return dst
}

// packCompletion answers a call; see [protocol.appendCompletion].
func (p packed) packCompletion(dst []byte, m *wire.Message) []byte {
	if m.ID == "" {
		return dst
	}
	elements, kind := uint32(5), byte(valueResult)
	if m.Err != nil {
		kind = errorResult
	} else if m.Kind == wire.End {
		elements, kind = 4, voidResult
	}
	dst, start := open(dst, m)
	dst = append(msgp.AppendString(pack(dst, elements, completion, nil), m.ID), kind)
	switch values := m.Args.Values; {
	case kind == errorResult:
		dst = msgp.AppendString(dst, p.sentence(m))
	case kind == voidResult:
	case len(values) == 0:
		dst = msgp.AppendNil(dst)
	case len(values) == 1:
		dst = append(dst, values[0]...)
	default: // the protocol carries one value
		dst = packList(dst, values)
	}
	return shut(dst, start)
}

// packClose writes a Close; an empty error is none.
func packClose(dst []byte, said string, reconnect bool) []byte {
	dst, start := open(dst, &wire.Message{})
	dst = append(msgp.AppendArrayHeader(dst, 3), closing)
	if said == "" {
		dst = msgp.AppendNil(dst)
	} else {
		dst = msgp.AppendString(dst, said)
	}
	return shut(msgp.AppendBool(dst, reconnect), start)
}

func (packed) appendAck(dst []byte, id int64) []byte { return packCount(dst, ack, id) }

func (packed) appendSequence(dst []byte, id int64) []byte { return packCount(dst, sequence, id) }

func packCount(dst []byte, typ byte, id int64) []byte {
	dst, start := open(dst, &wire.Message{})
	dst = append(msgp.AppendArrayHeader(dst, 2), typ)
	return shut(msgp.AppendInt64(dst, id), start)
}

func (p packed) refusal(e *wire.Error) []byte {
	return packClose([]byte(welcome), p.refused(e), false)
}

// Parse implements [wire.Protocol].
func (p packed) Parse(data []byte, m *wire.Message) error {
	length, n, err := varint(data)
	if err != nil {
		return err
	}
	if n == 0 || length != len(data)-n {
		return errors.New("the message is not as long as it says")
	}
	whole := message{Message: *m}
	err = p.parse(data[n:], &whole)
	*m = whole.Message
	return err
}

func (p packed) parse(record []byte, m *message) error {
	c := cursor{b: record}
	c.left = c.array("message")
	m.typ = c.small("type")
	switch {
	case c.err != nil:
		return c.err
	case m.typ == invocation || m.typ == streamInvocation:
		c.call(&m.Message, m.typ)
	case m.typ >= streamItem && m.typ <= cancelInvocation:
		p.about(&c, &m.Message, m.typ)
	case m.typ == ping:
		m.Kind = wire.Ping
	case m.typ == closing:
		c.bye(&m.Message)
	case m.typ == ack || m.typ == sequence:
		m.sequence = c.integer("sequenceId")
	}
	return c.err
}

func (c *cursor) call(m *wire.Message, typ int) {
	m.Kind = wire.Call
	if typ == streamInvocation {
		m.Kind = wire.StreamCall
	}
	m.Headers = c.headers()
	m.ID = c.text("invocationId", true)
	if m.ID == "" && typ == streamInvocation {
		c.fail(missing("invocationId"))
	}
	if m.Name = c.text("target", false); m.Name == "" {
		c.fail(missing("target"))
	}
	m.Args.Values = c.values("arguments", m.Args.Values[:0])
	if c.left > 0 {
		m.Streams = c.texts("streamIds")
	}
}

// about reads a message about a call: a StreamItem, a Completion, a
// CancelInvocation.
func (p packed) about(c *cursor, m *wire.Message, typ int) {
	c.headers()
	if m.ID = c.text("invocationId", true); m.ID == "" {
		c.fail(missing("invocationId"))
	}
	switch typ {
	case streamItem:
		m.Kind, m.Args.Values = wire.Item, append(m.Args.Values[:0], c.value("item"))
	case completion:
		p.answer(c, m)
	case cancelInvocation:
		m.Kind = wire.Cancel
	}
}

func (p packed) answer(c *cursor, m *wire.Message) {
	m.Kind = wire.End
	switch kind := c.small("resultKind"); kind {
	case errorResult:
		m.Err = p.understand(c.text("error", true))
	case voidResult:
	case valueResult:
		m.Kind, m.Args.Values = wire.Result, append(m.Args.Values[:0], c.value("result"))
	default:
		c.fail(fmt.Errorf("invalid invocation result kind: %d", kind))
	}
}

func (c *cursor) bye(m *wire.Message) {
	m.Kind, m.Bye.Code = wire.Close, 1000
	if !msgp.IsNil(c.b) { // also an empty error is one
		m.Bye.Code, m.Bye.Failed = 1011, true
	}
	m.Bye.Reason = c.text("error", true)
	if c.left > 0 {
		m.Bye.Reconnect = c.boolean("allowReconnect")
	}
}

// cursor reads the elements of a message. The first thing that is wrong is
// kept; what is read after it means nothing.
type cursor struct {
	b    []byte
	left int // elements not yet read
	err  error
}

func (c *cursor) fail(err error) {
	if c.err == nil {
		c.err, c.b = err, nil
	}
}

// next takes the next element as it lies; nil when something is wrong. Beside
// the message itself nothing nests around it.
func (c *cursor) next(name string, depth int) []byte {
	if c.err != nil {
		return nil
	}
	rest, err := msgpack.Skip(c.b, depth)
	if c.left == 0 {
		err = errors.New("the message has too few elements")
	}
	if err != nil {
		c.fail(fmt.Errorf("reading '%s' failed: %w", name, err))
		return nil
	}
	raw := c.b[: len(c.b)-len(rest) : len(c.b)-len(rest)]
	c.b = rest
	c.left--
	return raw
}

func (c *cursor) value(name string) []byte { return c.next(name, msgpack.MaxDepth-1) }

// array reads the head of an array.
func (c *cursor) array(name string) int {
	if c.err != nil {
		return 0
	}
	n, rest, ok := msgpack.Count(c.b)
	if !ok {
		c.fail(wrongType(name, "an array"))
		return 0
	}
	c.b = rest
	return n
}

// small reads an integer of 32 bits.
func (c *cursor) small(name string) int {
	n := c.integer(name)
	if int64(int32(n)) != n {
		c.fail(wrongType(name, "an integer"))
	}
	return int(n)
}

func (c *cursor) integer(name string) int64 {
	raw := c.next(name, 0)
	n, _, err := msgp.ReadInt64Bytes(raw)
	if err != nil {
		c.fail(wrongType(name, "an integer"))
	}
	return n
}

func (c *cursor) boolean(name string) bool {
	v, _, err := msgp.ReadBoolBytes(c.next(name, 0))
	if err != nil {
		c.fail(wrongType(name, "a boolean"))
	}
	return v
}

// filled reads a string that must not be empty.
func (c *cursor) filled(name string) string {
	s := c.text(name, false)
	if s == "" {
		c.fail(fmt.Errorf("null or empty string in '%s'", name))
	}
	return s
}

func (c *cursor) text(name string, optional bool) string {
	raw := c.next(name, 0)
	if optional && msgp.IsNil(raw) {
		return ""
	}
	s, ok := msgpack.String(raw)
	if !ok {
		c.fail(wrongType(name, "a string"))
	}
	return s
}

// values appends the elements of an array to list.
func (c *cursor) values(name string, list [][]byte) [][]byte {
	n := c.inside(name)
	left := c.left
	c.left = n
	list = slices.Grow(list, n)
	for range n {
		list = append(list, c.next(name, msgpack.MaxDepth-2))
	}
	c.left = left
	return list
}

// inside steps into an element that is an array.
func (c *cursor) inside(name string) int {
	if c.left == 0 {
		c.fail(missing(name))
	}
	c.left--
	return c.array(name)
}

func (c *cursor) texts(name string) []string {
	n := c.inside(name)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	left := c.left
	c.left = n
	for i := range list {
		list[i] = c.filled(name)
	}
	c.left = left
	return list
}

// headers reads the map that most messages begin with.
func (c *cursor) headers() (all map[string]string) {
	raw := c.next("headers", 1)
	n, rest, ok := msgpack.CountPairs(raw)
	if !ok {
		c.fail(wrongType("headers", "a map"))
	}
	if n == 0 || c.err != nil {
		return nil
	}
	inner := cursor{b: rest, left: 2 * n}
	all = make(map[string]string)
	for range n {
		name := inner.filled("headers")
		all[name] = inner.filled("headers")
	}
	if inner.err != nil {
		c.fail(inner.err)
	}
	return all
}
