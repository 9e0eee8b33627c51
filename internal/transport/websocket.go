package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
)

// Options are what the transports of one endpoint have in common. The zero
// value of each field means its default.
type Options struct {
	Origins           []string      // allowed besides the same host; see websocket.CheckOrigin
	InsecureAnyOrigin bool          // switches the Origin check off
	MaxMessageBytes   int64         // of one message or POST body; zero means 64 KiB
	WriteTimeout      time.Duration // of one write; zero means 10 s
	CloseTimeout      time.Duration // between Close and the end; zero means 5 s

	// Goodbye words a close code and reason in the WebSocket close frame; nil
	// means as they are. Code 1005 is an empty frame.
	Goodbye func(code int, reason string) (int, string)
	// CloseReply answers the peer's close frame; nil echoes its code.
	CloseReply func(code int) int
	// BareRefusals closes a WebSocket that broke the rules with a code and no
	// reason.
	BareRefusals bool

	// LegacyDrafts has WebSockets speak drafts of the protocol as well, and Draft76
	// are choices for one of them. A pipe over that has no pings and carries text.
	LegacyDrafts bool
	Draft76      *Draft76

	// CompressFromBytes compresses the messages of a WebSocket from this length
	// on, each by itself (RFC 7692), if the peer agrees. Zero means never.
	CompressFromBytes int

	// EventHeader is the header of an event stream; nil means what browsers
	// need.
	EventHeader http.Header
	// EventCRLF ends the lines of an event stream with CR LF, which some
	// clients insist on, and opens it with one line of a comment.
	EventCRLF bool
}

// Draft76 is the engine's.
type Draft76 = websocket.Draft76

func (o *Options) maxMessage() int64 { return orDefault(o.MaxMessageBytes, 64<<10) }

func (o *Options) writeTimeout() time.Duration { return orDefault(o.WriteTimeout, 10*time.Second) }

func (o *Options) closeTimeout() time.Duration { return orDefault(o.CloseTimeout, 5*time.Second) }

func (o *Options) limits(messageBytes int64) *websocket.Limits {
	return &websocket.Limits{
		MessageBytes: messageBytes,
		QueueBytes:   math.MaxInt32, // the receiver bounds what can be taken
		WriteTimeout: o.writeTimeout(),
		CloseTimeout: o.closeTimeout(),
	}
}

func orDefault[T int64 | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}

// WebSocket is a pipe over one WebSocket. Whoever makes it calls Start, or Refuse.
type WebSocket struct {
	// fixed after construction
	conn *websocket.Conn
	o    *Options

	// owned by who calls Receive
	receiving bool        // Receive runs
	worker    wire.Worker // what its goroutine is lent to
	work      func()      // is worker.Work
	lent      bool        // by the Receive of the moment

	mu      sync.Mutex
	rcv     wire.Receiver // nil: not started
	pinging bool          // a ping is unanswered
	paused  bool
	ended   bool
	cut     bool      // CloseNow was called
	bye     *farewell // set by Close
	err     error     // how the connection ended
}

type farewell struct {
	code   int
	reason string
	said   bool
	late   *time.Timer // when a peer that does not read is cut off
}

// IsWebSocket tells whether r asks for a WebSocket, even if not quite as it
// should: Acceptor.WebSocket then says what is wrong.
func IsWebSocket(r *http.Request) bool {
	return websocket.IsUpgrade(r) || r.Header.Get("Sec-WebSocket-Key") != ""
}

// Acceptor makes pipes of upgrade requests.
type Acceptor struct{ handler *websocket.Handler }

// NewAcceptor returns the acceptor of an endpoint, whose options do not change any more.
func NewAcceptor(o *Options) *Acceptor { return &Acceptor{o.handler()} }

// WebSocket answers an upgrade request. On failure it has answered the request with
// an error.
func (a *Acceptor) WebSocket(w http.ResponseWriter, r *http.Request) (*WebSocket, error) {
	return a.Greet(w, r)
}

// Greet is WebSocket for a protocol whose server speaks first: the messages, which
// are text, leave in one write with the answer.
func (a *Acceptor) Greet(w http.ResponseWriter, r *http.Request, first ...[]byte) (*WebSocket, error) {
	messages := make([]websocket.Message, len(first))
	for i, text := range first {
		messages[i] = websocket.Message{Type: websocket.Text, Data: text}
	}
	c, err := a.handler.AcceptWith(w, r, messages...)
	if err != nil {
		return nil, err
	}
	return c.Value.(*WebSocket), nil
}

// handler is the engine's view of all the WebSockets of an endpoint.
func (o *Options) handler() *websocket.Handler {
	a := &websocket.AcceptOptions{
		Origins:           o.Origins,
		InsecureAnyOrigin: o.InsecureAnyOrigin,
		Limits:            o.limits(o.maxMessage()),
		BareRefusals:      o.BareRefusals,
		LegacyDrafts:      o.LegacyDrafts,
		Draft76:           o.Draft76,
	}
	if o.CompressFromBytes > 0 {
		a.Compression = &websocket.Compression{Threshold: o.CompressFromBytes}
	}
	if o.CloseReply != nil {
		a.CloseReply = func(code websocket.StatusCode) websocket.StatusCode {
			return websocket.StatusCode(o.CloseReply(int(code)))
		}
	}
	return &websocket.Handler{
		Options: a,
		OnOpen: func(c *websocket.Conn, _ *http.Request) {
			c.Value = &WebSocket{conn: c, o: o}
			c.Pause() // until Start
		},
		OnMessage: func(c *websocket.Conn, m websocket.Message) {
			c.Value.(*WebSocket).receive(m.Data, m.Type == websocket.Binary)
		},
		OnWritable: func(c *websocket.Conn) { c.Value.(*WebSocket).flush() },
		OnPong:     func(c *websocket.Conn, _ []byte) { c.Value.(*WebSocket).pong() },
		OnError:    func(c *websocket.Conn, err error) { c.Value.(*WebSocket).failed(err) },
		OnClose: func(c *websocket.Conn, code websocket.StatusCode, reason string) {
			c.Value.(*WebSocket).closed(code, reason)
		},
	}
}

// Dialing says how a client reaches its server: see websocket.DialOptions.
type Dialing struct {
	Header       http.Header
	TLSConfig    *tls.Config
	NetDial      func(ctx context.Context, network, addr string) (net.Conn, error)
	Proxy        func(*http.Request) (*url.URL, error)
	Jar          http.CookieJar
	MaxRedirects int
}

// DialWebSocket opens a WebSocket to a server. The error is a *StatusError when
// the server has answered something else.
func DialWebSocket(ctx context.Context, address string, d *Dialing, o *Options) (*WebSocket, error) {
	c, err := o.handler().Dial(ctx, address, &websocket.DialOptions{
		Header:       d.Header,
		TLSConfig:    d.TLSConfig,
		NetDial:      d.NetDial,
		Proxy:        d.Proxy,
		Jar:          d.Jar,
		MaxRedirects: d.MaxRedirects,
		Limits:       o.limits(orDefault(o.MaxMessageBytes, 1<<20)),
	})
	var refused *websocket.HandshakeError
	if errors.As(err, &refused) && refused.Response != nil {
		err = &StatusError{Code: refused.Response.StatusCode, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return c.Value.(*WebSocket), nil
}

// Refuse says goodbye to a peer instead of Start. The pipe is nobody's then.
func (p *WebSocket) Refuse(code int, reason string) {
	p.conn.Close(websocket.StatusCode(code), reason)
	p.conn.Hold()
}

// Start hands what comes in to rcv from now on. It returns at once, except over
// HTTP/2, where the handler of the request lends the pipe its stream.
func (p *WebSocket) Start(rcv wire.Receiver) {
	p.mu.Lock()
	p.rcv = rcv
	ended := p.ended
	if !ended && !p.paused {
		p.conn.Resume()
	}
	p.mu.Unlock()
	if ended {
		p.tell()
		return
	}
	p.Wake()
	p.conn.Hold()
}

func (p *WebSocket) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// closed is the engine's last call.
func (p *WebSocket) closed(code websocket.StatusCode, reason string) {
	p.mu.Lock()
	p.ended = true
	started := p.rcv != nil
	if p.err == nil {
		p.err = ordinary(int(code), reason)
	}
	if p.bye != nil {
		p.bye.late.Stop()
	}
	p.mu.Unlock()
	if started {
		p.tell()
	}
}

// tell tells the receiver that the pipe has ended.
func (p *WebSocket) tell() { p.rcv.Closed(p.why()) }

// receive hands up a message, and the goroutine with it if that is asked for.
func (p *WebSocket) receive(data []byte, binary bool) {
	p.receiving = true
	p.rcv.Receive(data, binary)
	p.receiving = false
	if p.lent {
		p.lent = false
		p.worker.Received()
		p.conn.Defer(p.work)
	}
}

// Lend implements [wire.Lender]. When the work takes long, the engine goes on with
// another goroutine, which hands up the next message.
func (p *WebSocket) Lend(w wire.Worker) bool {
	if p.lent || !p.receiving { // what came before the pipe has no goroutine to lend
		return false
	}
	if p.worker != w {
		p.worker, p.work = w, w.Work
	}
	p.lent = true
	return true
}

// why is the reason the pipe ended, as the receiver wants to hear it.
func (p *WebSocket) why() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var violation *websocket.ProtocolError
	switch {
	case p.bye != nil || p.cut:
		return nil
	case errors.As(p.err, &violation):
		return errors.Join(wire.ErrProtocol, p.err)
	}
	return p.err
}

// ordinary is nil for the goodbyes of a peer that simply leaves: done, page
// closed, or no code at all.
func ordinary(code int, reason string) error {
	if code == 1000 || code == 1001 || code == 1005 {
		return nil
	}
	return &wire.CloseError{Code: code, Reason: reason}
}

// Transport implements [wire.Pipe].
func (p *WebSocket) Transport() string { return "websocket" }

// RemoteAddr is the address of the peer.
func (p *WebSocket) RemoteAddr() net.Addr { return p.conn.RemoteAddr() }

// Wake implements [wire.Pipe].
func (p *WebSocket) Wake() { p.conn.Want() }

// Writable implements [wire.Gauge].
func (p *WebSocket) Writable() bool { return p.conn.Writable() }

var batches = sync.Pool{New: func() any { return new([]*wire.Encoded) }}

const keptBatch = 256 // messages; the room of a larger batch is given back

// flush sends what can be taken, and then the goodbye if that is due.
func (p *WebSocket) flush() {
	p.mu.Lock()
	rcv, bye := p.rcv, p.bye
	p.mu.Unlock()
	if rcv == nil || bye != nil && bye.said {
		return
	}
	batch := batches.Get().(*[]*wire.Encoded)
	*batch = rcv.Take((*batch)[:0])
	for _, e := range *batch {
		if err := p.send(e); err != nil {
			if errors.Is(err, errors.ErrUnsupported) { // by draft 76, and nothing may be missing
				p.conn.Close(websocket.StatusUnsupportedData, "")
			}
			break // the engine tells why
		}
	}
	clear(*batch)
	if cap(*batch) <= keptBatch {
		batches.Put(batch)
	}
	if bye != nil {
		bye.said = true
		p.conn.Close(websocket.StatusCode(bye.code), bye.reason)
	}
}

const copyBelowBytes = 8 << 10 // of a message for one connection; a longer one is not copied

func (p *WebSocket) send(e *wire.Encoded) error {
	if e.Shared || e.Uncompressed && p.o.CompressFromBytes > 0 || len(e.Data) >= copyBelowBytes {
		return p.conn.SendPrepared(e.Framed(wire.WebSocketForm, frame).(*websocket.Prepared))
	}
	return p.conn.Send(websocket.Message{Type: messageType(e), Data: e.Data})
}

func messageType(e *wire.Encoded) websocket.MessageType {
	if e.Binary {
		return websocket.Binary
	}
	return websocket.Text
}

func frame(e *wire.Encoded) any {
	if e.Uncompressed {
		return websocket.PrepareUncompressed(websocket.Message{Type: messageType(e), Data: e.Data})
	}
	return websocket.Prepare(websocket.Message{Type: messageType(e), Data: e.Data})
}

// Ping implements [wire.Pipe].
func (p *WebSocket) Ping() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.pinging && p.rcv != nil && !p.ended {
		p.pinging = p.conn.SendPing(nil) == nil
	}
	return p.Pings()
}

// Pings tells whether the transport has pings: draft 76 has none.
func (p *WebSocket) Pings() bool { return p.conn.Version() != "hixie-76" }

func (p *WebSocket) pong() {
	p.mu.Lock()
	p.pinging = false
	p.mu.Unlock()
	p.rcv.Heard()
}

// Pause implements [wire.Pipe].
func (p *WebSocket) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = true
	p.conn.Pause()
}

// Resume implements [wire.Pipe].
func (p *WebSocket) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = false
	if p.rcv != nil {
		p.conn.Resume()
	}
}

// Close implements [wire.Pipe]. A peer that does not read is given twice the close
// timeout, then cut off.
func (p *WebSocket) Close(code int, reason string) {
	if p.o.Goodbye != nil {
		code, reason = p.o.Goodbye(code, reason)
	}
	p.mu.Lock()
	if p.bye != nil || p.ended {
		p.mu.Unlock()
		return
	}
	p.bye = &farewell{code: code, reason: reason, late: time.AfterFunc(2*p.o.closeTimeout(), p.CloseNow)}
	p.mu.Unlock()
	p.Resume()
	p.Wake()
}

// CloseNow implements [wire.Pipe].
func (p *WebSocket) CloseNow() {
	p.mu.Lock()
	p.cut = true
	p.mu.Unlock()
	p.conn.CloseNow()
}
