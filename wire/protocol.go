package wire

import "errors"

// ErrProtocol is wrapped by the error of a [Pipe] whose peer broke the rules
// of the transport.
var ErrProtocol = errors.New("parley: protocol error")

// Protocol is how messages are written. A value is stateless, safe for
// concurrent use, and comparable: the hub encodes a broadcast once for each
// distinct Protocol among its receivers. State between messages, such as a
// record cut in two by the transport, belongs to the [Receiver].
type Protocol interface {
	// Name is the protocol's own name, such as "json" or "socketio".
	Name() string

	// Codec is how the values inside messages are written.
	Codec() Codec

	// Append appends m as one whole message of the transport. It appends
	// nothing when the protocol has no words for m. The values of m.Args were
	// written by the Codec and go in verbatim; its attachments follow as binary
	// messages, which the hub sees to.
	Append(dst []byte, m *Message) ([]byte, error)

	// Parse reads one whole message into m, which the caller has zeroed. The
	// bytes m refers to are those of data. An error means that the peer broke
	// the protocol.
	Parse(data []byte, m *Message) error

	// Binary tells whether messages travel as binary rather than text.
	Binary() bool
}

// Codec is how values are written. It is safe for concurrent use.
type Codec interface {
	// Name is the format's name, such as "json".
	Name() string

	// Marshal writes values, one after another.
	Marshal(values ...any) (Args, error)

	// Unmarshal reads the i-th value, which must exist, into the variable that
	// into points to.
	Unmarshal(a Args, i int, into any) error
}

// Pipe is one open way for messages: a WebSocket, an event stream with its
// POSTs, a series of polls, or a namespace inside one of them. All methods are
// safe for concurrent use and none of them blocks.
type Pipe interface {
	// Transport names the kind of pipe: "websocket", "sse", "polling".
	Transport() string

	// Wake says that the Receiver has something to Take. Calls coalesce.
	Wake()

	// Ping asks the peer for a sign of life in the transport's own words, and
	// tells whether the transport has any. A sign of life arrives as Heard.
	Ping() bool

	// Pause asks the pipe to hand up no further messages until Resume. A
	// message already on its way may still arrive.
	Pause()

	// Resume ends a Pause.
	Resume()

	// Close ends the pipe when everything that can be taken has been written,
	// in the transport's own words for the code of RFC 6455 §7.4 and the
	// reason. The pipe bounds how long that may take. Only the first Close
	// counts.
	Close(code int, reason string)

	// CloseNow ends the pipe without a goodbye.
	CloseNow()
}

// ErrAttachments is what an [Appender] says to a value that needs attachments.
var ErrAttachments = errors.New("wire: the value has attachments")

// Appender is a [Codec] whose values mostly need nothing beside their bytes. The
// hub writes single values with it, which saves memory.
type Appender interface {
	// AppendValue appends value as Marshal would write it. After an error, dst
	// is as it was. The error is ErrAttachments when only Marshal can write the
	// value.
	AppendValue(dst []byte, value any) ([]byte, error)
}

// Gauge is a [Pipe] that knows whether what is put into the queue now would leave
// at once. Of other pipes the hub thinks so when nothing waits.
type Gauge interface {
	// Writable is false while a message would have to wait: for a poll to come, or
	// for earlier bytes to leave. It does not block.
	Writable() bool
}

// GroupWatcher is a [Pipe] whose protocol tells the client which groups it is in.
type GroupWatcher interface {
	// Regrouped is called when the connection has joined or left a group. It does
	// not block.
	Regrouped()
}

// Lender is a [Pipe] that can spare the goroutine on which it calls Receive.
type Lender interface {
	// Lend has w.Received and then w.Work run on that goroutine once Receive has
	// returned, and tells whether it will. Work may block: the pipe goes on
	// elsewhere, also with Receive. Until Work has returned, the data of that
	// Receive stays as it is. Lend is called inside Receive only, by whoever
	// Receive is called on or what it calls.
	Lend(w Worker) bool
}

// Worker is what a [Lender] lends its goroutine to. Received does not block, and
// returns before there is another Receive.
type Worker interface {
	Received()
	Work()
}

// Receiver is what stands above a [Pipe].
type Receiver interface {
	// Receive takes one message of the transport. It does not block. data is
	// the pipe's again when Receive returns, or the Work of a [Lender] does.
	// Calls are made one at a time, but may overlap with that Work.
	Receive(data []byte, binary bool)

	// Take appends to batch what waits to be sent, in order, and returns it;
	// nothing is appended when nothing waits. Calls are made one at a time,
	// concurrently with Receive.
	Take(batch []*Encoded) []*Encoded

	// Heard tells of a sign of life that is no message, such as the answer to
	// a Ping.
	Heard()

	// Closed tells that the pipe has ended, and why: nil after a Close from
	// this side or a peer's ordinary goodbye, a *CloseError after another
	// goodbye, else the error of the transport. It is the pipe's last call.
	Closed(err error)
}

// CloseError is the goodbye of a peer or of a transport.
type CloseError struct {
	Code   int // RFC 6455 §7.4; 1005 when the peer gave none
	Reason string
}

// Error tells the code and the reason.
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return "wire: closed with code " + itoa(e.Code)
	}
	return "wire: closed with code " + itoa(e.Code) + ": " + e.Reason
}
