package signalr

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// clientLink joins a pipe to the session of a client: it shakes hands, and then
// cuts what comes into messages.
type clientLink struct {
	// fixed before the first message
	*visit
	session *parley.Session
	back    *comeback // nil: the connection ends with its transport

	// owned by the reading loop; refusal by others once shaken is closed
	shaking *records // cuts the handshake off; nil when that is done
	records splitter
	over    bool          // nothing more is wanted
	bye     *wire.Goodbye // what the server said on leaving
	settled bool          // shaken is closed
	refusal error         // why there is no connection

	left   atomic.Bool   // the server has said goodbye, and reads nothing any more
	asked  bool          // owned by the flusher: the handshake was requested
	shaken chan struct{} // closed when the handshake is done, or will never be
}

func newClientLink(v *visit) *clientLink {
	l := &clientLink{visit: v, shaking: &records{limit: v.o.MaxMessageBytes}, shaken: make(chan struct{})}
	l.rewind()
	return l
}

// rewind forgets what was read of a message that will not be read to its end.
func (l *clientLink) rewind() { l.records = l.speaks.splitter(l.o.MaxMessageBytes) }

// start puts a session of cl on the pipe.
func (l *clientLink) start(cl *parley.Client) {
	o := &parley.SessionOptions{HandshakeTimeout: l.o.HandshakeTimeout}
	if !l.stateful {
		l.session = cl.NewSession(l.pipe, o)
		l.pipe.Start(l)
		return
	}
	l.back = newComeback(l)
	l.session = cl.NewSession(l.back.resume, o)
	l.back.resume.session = l.session
	l.back.resume.attach(l.pipe)
}

// settle tells the dialer how the handshake ended. Only the first call counts.
func (l *clientLink) settle(refusal error) {
	if l.settled {
		return
	}
	l.settled, l.refusal = true, refusal
	close(l.shaken)
}

// handshakeRequest asks for a hub protocol. It is JSON for all of them (SignalR
// hub protocol, "Handshake").
func (l *clientLink) handshakeRequest() *wire.Encoded {
	version := 1
	if l.stateful {
		version = resumableVersion
	}
	return &wire.Encoded{Data: fmt.Appendf(nil, `{"protocol":"%s","version":%d}`+"\x1e", l.speaks.Name(), version)}
}

// Receive implements [wire.Receiver].
func (l *clientLink) Receive(data []byte, _ bool) {
	if l.shaking != nil && !l.over {
		data = l.shake(data)
	}
	if l.over || l.shaking != nil {
		return
	}
	l.session.Heard() // whatever it is
	l.cut(data)
	l.settle(l.farewell())
}

// farewell is the error of a server that said goodbye right after the
// handshake: its OnConnect has refused the client.
func (l *clientLink) farewell() error {
	switch {
	case l.bye == nil:
		return nil
	case l.bye.Reason == "":
		return parley.ErrClosed
	}
	return errors.New(l.bye.Reason)
}

// cut takes the messages that data completes.
func (l *clientLink) cut(data []byte) {
	for len(data) > 0 && !l.over {
		record, rest, err := l.records.next(data)
		if err != nil {
			l.broken(err)
		}
		if record == nil {
			return
		}
		l.record(record)
		data = rest
	}
}

func (l *clientLink) record(record []byte) {
	var m message
	if err := l.speaks.parse(record, &m); err != nil {
		l.broken(err)
		return
	}
	if !l.admits(&m) {
		return
	}
	if m.Kind == wire.Close {
		l.bye, l.over = &m.Bye, true
		l.left.Store(true)
	}
	l.session.Receive(&m.Message)
}

// admits tells whether the session is to see a message.
func (l *clientLink) admits(m *message) bool {
	if l.back == nil {
		return true
	}
	seen, err := l.back.resume.admit(m)
	if err != nil {
		l.broken(err)
	}
	return seen && err == nil
}

// shake takes the handshake response and returns what is behind it.
func (l *clientLink) shake(data []byte) (rest []byte) {
	response, rest, err := l.shaking.next(data)
	if response == nil && err == nil {
		return nil
	}
	if err == nil {
		err = readHandshakeResponse(response)
	}
	if err != nil {
		l.broken(err)
		return nil
	}
	l.shaking = nil
	l.open()
	return rest
}

// readHandshakeResponse reads an object that says what is wrong, or nothing.
func readHandshakeResponse(response []byte) error {
	var f fields
	if err := f.read(response); err != nil {
		return err
	}
	if f.typ != nil {
		return errors.New("expected a handshake response from the server")
	}
	said, err := text("error", f.err)
	if err == nil && said != "" {
		err = errors.New(said)
	}
	return err
}

// open begins the session. A ping follows, which starts the client timeout of
// the server; long polling has neither.
func (l *clientLink) open() {
	o := parley.Opening{Protocol: l.speaks, KeepAlive: l.o.KeepAlive, IdleTimeout: l.o.ServerTimeout, FoldNames: true}
	switch {
	case l.back != nil:
		l.back.resume.enable(l.speaks, true) // and this pings
		o.PingPipe = true
		l.session.Open(&o)
	case l.pipe.Transport() == "polling":
		o.KeepAlive, o.IdleTimeout = -1, -1
		l.session.Open(&o)
	default:
		l.session.Open(&o)
		l.ping()
	}
}

func (l *clientLink) ping() {
	data, err := l.speaks.Append(nil, &wire.Message{Kind: wire.Ping})
	if err == nil {
		l.session.Send(&wire.Encoded{Data: data, Binary: l.speaks.Binary(), Kind: wire.Ping}) // fails only when the session has ended
	}
}

// broken ends a connection whose server broke the protocol.
func (l *clientLink) broken(err error) {
	l.over = true
	l.settle(err)
	l.session.Fail(wire.Goodbye{Code: 1002, Reason: err.Error(), Failed: true}, failed(err))
}

// Take implements [wire.Receiver]. The handshake request goes before anything
// else. Nothing goes to a server that has said goodbye.
func (l *clientLink) Take(batch []*wire.Encoded) []*wire.Encoded {
	n := len(batch)
	if !l.asked {
		l.asked = true
		batch = append(batch, l.handshakeRequest())
	}
	batch = l.session.Take(batch)
	if l.left.Load() {
		return batch[:n]
	}
	return batch
}

// Heard implements [wire.Receiver].
func (l *clientLink) Heard() { l.session.Heard() }

// Closed implements [wire.Receiver].
func (l *clientLink) Closed(err error) {
	l.settle(errors.Join(parley.ErrHandshake, err))
	if l.back == nil {
		l.session.Closed(err)
		return
	}
	l.back.end(func() { l.session.Closed(err) })
}
