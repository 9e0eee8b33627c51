package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
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
}

func (o *Options) maxMessage() int64 { return orDefault(o.MaxMessageBytes, 64<<10) }

func (o *Options) writeTimeout() time.Duration { return orDefault(o.WriteTimeout, 10*time.Second) }

func (o *Options) closeTimeout() time.Duration { return orDefault(o.CloseTimeout, 5*time.Second) }

func (o *Options) limits(messageBytes int64) *websocket.Limits {
	return &websocket.Limits{MessageBytes: messageBytes, WriteTimeout: o.writeTimeout(), CloseTimeout: o.closeTimeout()}
}

func orDefault[T int64 | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}

// WebSocket is a pipe over one WebSocket. Whoever makes it calls Run.
type WebSocket struct {
	// fixed after construction
	conn *websocket.Conn
	o    Options
	rcv  wire.Receiver // set by Run before the first Receive

	ctx    context.Context // ends with the pipe
	cancel context.CancelFunc
	tasks  sync.WaitGroup // the flusher of the moment, pings on their way

	gate // holds reading back

	mu       sync.Mutex
	started  bool // Run has set rcv
	woken    bool // there may be something to take
	flushing bool // a flusher runs
	pinging  bool
	ended    bool
	cut      bool      // CloseNow was called
	bye      *farewell // set by Close
	broken   error     // why a batch could not be written
}

type farewell struct {
	code   int
	reason string
}

// IsWebSocket tells whether r asks for a WebSocket, even if not quite as it
// should: AcceptWebSocket then says what is wrong.
func IsWebSocket(r *http.Request) bool {
	return websocket.IsUpgrade(r) || r.Header.Get("Sec-WebSocket-Key") != ""
}

// AcceptWebSocket answers an upgrade request. On failure it has answered the
// request with an error.
func AcceptWebSocket(w http.ResponseWriter, r *http.Request, o *Options) (*WebSocket, error) {
	a := &websocket.AcceptOptions{
		Origins:           o.Origins,
		InsecureAnyOrigin: o.InsecureAnyOrigin,
		Limits:            o.limits(o.maxMessage()),
		BareRefusals:      o.BareRefusals,
	}
	if o.CloseReply != nil {
		a.CloseReply = func(code websocket.StatusCode) websocket.StatusCode {
			return websocket.StatusCode(o.CloseReply(int(code)))
		}
	}
	c, err := websocket.Accept(w, r, a)
	if err != nil {
		return nil, err
	}
	return newWebSocket(c, o), nil
}

// Dialing says how a client reaches its server.
type Dialing struct {
	Header    http.Header
	TLSConfig *tls.Config
	NetDial   func(ctx context.Context, network, addr string) (net.Conn, error)
}

// DialWebSocket opens a WebSocket to a server.
func DialWebSocket(ctx context.Context, url string, d *Dialing, o *Options) (*WebSocket, error) {
	c, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Header:    d.Header,
		TLSConfig: d.TLSConfig,
		NetDial:   d.NetDial,
		Limits:    o.limits(orDefault(o.MaxMessageBytes, 1<<20)),
	})
	if err != nil {
		return nil, err
	}
	return newWebSocket(c, o), nil
}

func newWebSocket(c *websocket.Conn, o *Options) *WebSocket {
	p := &WebSocket{conn: c, o: *o}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Refuse says goodbye to a peer instead of Run. It returns when the socket is
// closed, within the close timeout.
func (p *WebSocket) Refuse(code int, reason string) {
	p.conn.Close(websocket.StatusCode(code), reason)
	p.cancel()
}

// Run reads until the pipe has ended. It returns after rcv.Closed has, when
// all goroutines of the pipe are gone.
func (p *WebSocket) Run(rcv wire.Receiver) {
	p.mu.Lock()
	p.rcv, p.started = rcv, true
	p.mu.Unlock()
	p.Wake()
	err := p.read()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.cancel()
	p.conn.CloseNow()
	p.tasks.Wait()
	rcv.Closed(p.why(err))
}

func (p *WebSocket) read() error {
	for p.wait(p.ctx.Done()) {
		m, err := p.conn.Read(p.ctx)
		if err != nil {
			return err
		}
		p.rcv.Receive(m.Data, m.Type == websocket.Binary)
	}
	return p.ctx.Err()
}

// why is the reason the pipe ended, as the receiver wants to hear it.
func (p *WebSocket) why(err error) error {
	p.mu.Lock()
	ours, broken := p.bye != nil || p.cut, p.broken
	p.mu.Unlock()
	if ours {
		return nil
	}
	if broken != nil {
		return broken
	}
	var peer *websocket.CloseError
	if errors.As(err, &peer) {
		return ordinary(int(peer.Code), peer.Reason)
	}
	var violation *websocket.ProtocolError
	if errors.As(err, &violation) {
		return errors.Join(wire.ErrProtocol, err)
	}
	return err
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
func (p *WebSocket) Wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.woken = true
	if p.flushing || !p.started || p.ended {
		return
	}
	p.flushing = true
	p.tasks.Go(p.flush) // ends when nothing is left to take; Run waits for it
}

// flush writes what can be taken, each batch in one system call, until nothing
// is left.
func (p *WebSocket) flush() {
	var batch []*wire.Encoded
	var frames []*websocket.Prepared
	for p.more() {
		batch = p.rcv.Take(batch[:0])
		if len(batch) == 0 {
			continue
		}
		frames = frames[:0]
		for _, e := range batch {
			frames = append(frames, e.Framed(wire.WebSocketForm, frame).(*websocket.Prepared))
		}
		clear(batch)
		err := p.conn.WriteBatch(p.ctx, frames)
		clear(frames)
		if err != nil {
			p.fail(err)
			return
		}
	}
}

// fail ends the pipe because a batch could not be written, unless the socket
// was closed already: then the reader knows better why.
func (p *WebSocket) fail(err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	p.mu.Lock()
	p.broken = err
	p.mu.Unlock()
	p.conn.CloseNow()
	p.cancel()
}

func frame(e *wire.Encoded) any {
	t := websocket.Text
	if e.Binary {
		t = websocket.Binary
	}
	return websocket.Prepare(websocket.Message{Type: t, Data: e.Data})
}

// more tells the flusher whether to look again. When all is said and Close was
// called, it says goodbye.
func (p *WebSocket) more() bool {
	p.mu.Lock()
	if p.woken {
		p.woken = false
		p.mu.Unlock()
		return true
	}
	bye := p.bye
	p.flushing = bye != nil // a flusher that has said goodbye is the last
	p.mu.Unlock()
	if bye != nil {
		p.conn.Close(websocket.StatusCode(bye.code), bye.reason)
		p.cancel() // a reader that was paused since need not know
	}
	return false
}

// Ping implements [wire.Pipe].
func (p *WebSocket) Ping() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pinging || !p.started || p.ended {
		return true
	}
	p.pinging = true
	p.tasks.Go(p.ping) // ends with the pong or the pipe; Run waits for it
	return true
}

func (p *WebSocket) ping() {
	if p.conn.Ping(p.ctx) == nil {
		p.rcv.Heard()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pinging = false
}

// Close implements [wire.Pipe]. A peer that does not read is given the close
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
	p.bye = &farewell{code, reason}
	p.woken = true // the flusher of the moment must not see the one without the other
	p.mu.Unlock()
	late := time.AfterFunc(2*p.o.closeTimeout(), p.CloseNow)
	context.AfterFunc(p.ctx, func() { late.Stop() })
	p.Resume()
	p.Wake()
}

// CloseNow implements [wire.Pipe].
func (p *WebSocket) CloseNow() {
	p.mu.Lock()
	p.cut = true
	p.mu.Unlock()
	p.cancel()
	p.conn.CloseNow()
}
