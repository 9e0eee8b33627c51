package wire

import "sync/atomic"

// Kind says what a [Message] is.
type Kind uint8

// The kinds of message. Both ends may send each of them, as far as the
// protocol has words for it. The zero Kind is a message to be skipped: a
// protocol's Parse leaves it for types it does not know.
const (
	Call       Kind = iota + 1 // a name with arguments; with an ID, the peer answers with a Result
	StreamCall                 // a name with arguments; the peer answers with Items and an End
	Result                     // the answer to a Call: values, or Err
	Item                       // one value of a stream
	End                        // the end of a stream, with Err when it failed
	Cancel                     // the caller no longer wants the answer
	Ping                       // asks for a sign of life
	Pong                       // the answer, where the protocol has one
	Close                      // goodbye: see Goodbye
	Progress                   // how far a Call has come: a value, before its Result
)

// Message is one decoded unit of a protocol.
type Message struct {
	Kind Kind
	ID   string // joins an answer to its call; empty when no answer is wanted
	Name string // of the called handler; in a Result or End that is written, the name it answers
	Args Args   // arguments of a call, values of a Result, the value of an Item
	Err  *Error // why a call or stream failed
	Bye  Goodbye

	Streams []string          // IDs of the streams that a call brings along: their values come as Items, their ends as Ends
	Headers map[string]string // of a call; nil for none

	Aside any // of a Call: what its protocol keeps beside the arguments, such as a state that the client sent along. It comes back in the call's Progress and Result, and in calls of the peer by its handler

	Offset string // of an event that the peer may ask for again, in the words of [Protocol]; empty for none
}

// Args holds encoded values, in the form the connection's [Codec] wrote them.
type Args struct {
	Values      [][]byte // one element a value
	Attachments [][]byte // binary parts the values refer to, where the codec keeps them apart
}

// Size is the number of bytes held.
func (a Args) Size() int {
	n := 0
	for _, v := range a.Values {
		n += len(v)
	}
	for _, v := range a.Attachments {
		n += len(v)
	}
	return n
}

// Clone returns a copy that shares no bytes with a.
func (a Args) Clone() Args {
	buf := make([]byte, 0, a.Size())
	return Args{Values: cloneInto(&buf, a.Values), Attachments: cloneInto(&buf, a.Attachments)}
}

func cloneInto(buf *[]byte, from [][]byte) [][]byte {
	if len(from) == 0 {
		return nil
	}
	to := make([][]byte, len(from))
	for i, v := range from {
		start := len(*buf)
		*buf = append(*buf, v...)
		to[i] = (*buf)[start:len(*buf):len(*buf)]
	}
	return to
}

// Goodbye tells the peer why a connection ends.
type Goodbye struct {
	Code      int    // the numbers of RFC 6455 §7.4, also where no WebSocket is involved
	Reason    string // at most 123 bytes, for people
	Failed    bool   // the peer did something wrong, or something broke
	Reconnect bool   // the peer may come back
}

// The error codes a hub itself gives. A protocol that has its own sentence for
// one of them uses it; an application's own codes pass through unchanged.
const (
	CodeNotFound  = "not_found"  // no handler of that name
	CodeArguments = "arguments"  // wrong number or types of arguments
	CodeStreaming = "streaming"  // a stream called as a call
	CodeNotStream = "not_stream" // a call called as a stream
	CodeInternal  = "internal"   // the handler failed; details are in the server's log
	CodeBusy      = "busy"       // a limit on concurrent work was reached
	CodeDuplicate = "duplicate"  // the ID of a call that is still running
	CodeCancelled = "cancelled"  // the caller cancelled, or the connection ended
	CodeStreams   = "streams"    // wrong number of streams brought along
	CodeFailed    = "error"      // an application's error that names no code

	// CodeUnauthorized is for middleware to give. Protocols that have a sentence for it use that.
	CodeUnauthorized = "unauthorized"
)

// Error is a failure as it travels.
type Error struct {
	Code    string
	Message string // a sentence for the caller
	Type    string // the class of the error, for protocols that show one
	Data    []byte // an encoded value, or nil
	Hub     bool   // the hub itself says so, and Code is one of the above: a protocol may use its own sentence
	Detail  string // what the server's log says; for a protocol that was told to show it to callers
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Form is a way a transport frames an [Encoded] message.
type Form int

// The forms that transports keep. Each needs building only once for all
// connections that share a message.
const (
	WebSocketForm Form = iota
	EventStreamForm
	forms
)

// Encoded is one message as a protocol wrote it: immutable, and shared by all
// connections it is sent to.
type Encoded struct {
	Data   []byte
	Binary bool
	Kind   Kind // of the message inside; zero for a protocol's own bytes, such as the answer to a handshake
	Shared bool // goes to several connections

	Uncompressed bool     // not to be compressed on its way
	Next         *Encoded // the message that goes right behind it, as one with it: a binary attachment

	framed [forms]atomic.Pointer[any]
}

// Size is the number of bytes, those of the messages right behind it included.
func (e *Encoded) Size() int {
	n := 0
	for ; e != nil; e = e.Next {
		n += len(e.Data)
	}
	return n
}

// Framed returns the message in a transport's form, calling build when no
// connection has needed that form before. Safe for concurrent use; build may
// run more than once when connections race, and one result wins.
func (e *Encoded) Framed(f Form, build func(*Encoded) any) any {
	if p := e.framed[f].Load(); p != nil {
		return *p
	}
	v := build(e)
	if !e.framed[f].CompareAndSwap(nil, &v) {
		return *e.framed[f].Load()
	}
	return v
}
