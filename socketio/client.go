package socketio

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	neturl "net/url"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// ClientOptions configures a client. Nil means all defaults.
type ClientOptions struct {
	parley.ClientOptions // for every protocol

	// Auth is what OnConnect sees by [Auth]: a value that is an object in JSON.
	// Nil for nothing.
	Auth any
	// Header goes with the handshake, such as Authorization. Nil for nothing.
	Header http.Header
	// TLSConfig is for https addresses. Nil means the defaults of crypto/tls,
	// which verify the server's certificate.
	TLSConfig *tls.Config
	// NetDial opens the network connection. Nil means a net.Dialer.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// MaxMessageBytes bounds a message of the server. Zero means 1 MiB.
	MaxMessageBytes int64
	// WriteTimeout bounds one write. Zero means 10 seconds.
	WriteTimeout time.Duration
	// ConnectTimeout bounds an attempt, until the server has let the client
	// in. Zero means 15 seconds.
	ConnectTimeout time.Duration
}

// NewClient makes a client of the server at url, such as
// "https://example.com"; without a path, "/socket.io/" is taken. It joins the
// namespace "/", over WebSocket from the start, with [parley.Client.Connect].
// An error of the server's middleware or OnConnect is an *[parley.Error].
func NewClient(url string, o *ClientOptions) *parley.Client {
	if o == nil {
		o = &ClientOptions{}
	}
	d := &dialer{url: url, o: *o}
	return parley.NewClient(d.dial, &d.o.ClientOptions)
}

// dialer opens the connections of one client. It is fixed after construction.
type dialer struct {
	url string
	o   ClientOptions
}

// address adds what an Engine.IO request needs (§3.1).
func address(url string) (string, error) {
	u, err := neturl.Parse(url)
	if err != nil {
		return "", err
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/socket.io/"
	}
	query := u.Query()
	query.Set("EIO", "4")
	query.Set("transport", "websocket")
	u.RawQuery = query.Encode()
	return u.String(), nil
}

func (d *dialer) dial(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
	session, err := d.connect(ctx, cl)
	if err != nil {
		return nil, fmt.Errorf("socketio: connect: %w", err)
	}
	return session, nil
}

func (d *dialer) connect(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
	url, err := address(d.url)
	if err != nil {
		return nil, err
	}
	request, err := protocol{nsp: "/"}.connect(d.o.Auth)
	if err != nil {
		return nil, err
	}
	timeout := cmp.Or(d.o.ConnectTimeout, 15*time.Second)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	pipe, err := transport.DialWebSocket(ctx, url,
		&transport.Dialing{Header: d.o.Header, TLSConfig: d.o.TLSConfig, NetDial: d.o.NetDial},
		&transport.Options{MaxMessageBytes: d.o.MaxMessageBytes, WriteTimeout: d.o.WriteTimeout})
	if err != nil {
		return nil, err
	}
	c := &caller{pipe: pipe, request: request, answer: make(chan error, 1)}
	c.session = cl.NewSession(pipe, &parley.SessionOptions{HandshakeTimeout: timeout})
	pipe.Start(c)
	select {
	case err = <-c.answer:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		pipe.CloseNow()
		return nil, err
	}
	return c.session, nil
}

// caller is a client's end of one connection: Engine.IO and Socket.IO in one,
// as it has one transport and one namespace.
type caller struct {
	// fixed after construction
	pipe    *transport.WebSocket
	session *parley.Session
	request []byte     // the CONNECT packet
	answer  chan error // gets nil when let in, else why not

	assembler      assembler
	opened, joined bool          // owned by the reading goroutine
	silence        time.Duration // likewise: the server is gone when nothing came for so long (§3.4)

	mu    sync.Mutex
	words []*wire.Encoded // pongs and the CONNECT packet
}

// say queues a packet that is not the session's.
func (c *caller) say(data []byte) {
	c.mu.Lock()
	c.words = append(c.words, &wire.Encoded{Data: data})
	c.mu.Unlock()
	c.pipe.Wake()
}

// Take implements [wire.Receiver].
func (c *caller) Take(batch []*wire.Encoded) []*wire.Encoded {
	c.mu.Lock()
	batch = append(batch, c.words...)
	c.words = nil
	c.mu.Unlock()
	return c.session.Take(batch)
}

// Receive implements [wire.Receiver].
func (c *caller) Receive(data []byte, binary bool) {
	receive := c.receive
	if binary {
		receive = c.binary
	}
	err := receive(data)
	if err == nil {
		return
	}
	c.refuse(err)
	c.session.Fail(wire.Goodbye{Code: 1002, Reason: err.Error(), Failed: true, Reconnect: true}, err)
}

// refuse ends an attempt to connect; later it does nothing.
func (c *caller) refuse(err error) {
	if c.joined {
		return
	}
	c.joined = true
	c.answer <- err
}

func (c *caller) receive(data []byte) error {
	if len(data) == 0 {
		return malformed("empty packet")
	}
	c.session.Heard()
	switch data[0] {
	case '0':
		return c.open(data[1:])
	case '1':
		c.session.Receive(&wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Reconnect: true}})
	case '2':
		c.pong()
	case message:
		return c.message(data)
	}
	return nil
}

// binary takes an attachment.
func (c *caller) binary(data []byte) error {
	var p packet
	if whole, err := c.assembler.binary(data, &p); err != nil || !whole {
		return err
	}
	return c.packet(&p)
}

// pong answers a ping, once for all that came since the last write.
func (c *caller) pong() {
	c.mu.Lock()
	n := len(c.words)
	waits := n > 0 && c.words[n-1].Data[0] == '3'
	c.mu.Unlock()
	if !waits {
		c.say([]byte("3"))
	}
}

// open takes the first packet, and asks to join.
func (c *caller) open(handshake []byte) error {
	var h struct{ PingInterval, PingTimeout int64 } // milliseconds
	if err := json.Unmarshal(handshake, &h); err != nil || c.opened || h.PingInterval <= 0 || h.PingTimeout <= 0 {
		return malformed("invalid open packet")
	}
	c.opened = true
	c.silence = time.Duration(min(h.PingInterval+h.PingTimeout, int64(time.Hour/time.Millisecond))) * time.Millisecond
	c.say(c.request)
	return nil
}

func (c *caller) message(data []byte) error {
	var p packet
	if whole, err := c.assembler.text(data, &p); err != nil || !whole {
		return err
	}
	return c.packet(&p)
}

func (c *caller) packet(p *packet) error {
	if !c.opened || p.nsp != "/" {
		return nil
	}
	switch {
	case p.kind == packetConnect && !c.joined:
		c.join()
		return nil
	case p.kind == packetConnectError:
		c.refuse(refusal(p.payload))
		return nil
	case !c.joined:
		return nil
	}
	var m wire.Message
	if err := p.message(&m); err != nil || m.Kind == 0 {
		return err
	}
	c.session.Receive(&m)
	return nil
}

// join ends the handshake.
func (c *caller) join() {
	c.joined = true
	c.session.Open(&parley.Opening{Protocol: protocol{nsp: "/"}, KeepAlive: -1, IdleTimeout: c.silence})
	c.answer <- nil
}

// refusal reads the payload of a CONNECT_ERROR.
func refusal(payload []byte) error {
	var e struct {
		Message string
		Data    any
	}
	text, ok := rawjson.String(payload)
	if ok {
		e.Message = text
	}
	if !ok && json.Unmarshal(payload, &e) != nil {
		return malformed("invalid payload")
	}
	return &parley.Error{Code: "refused", Message: e.Message, Data: e.Data}
}

// Heard implements [wire.Receiver]: only Engine.IO's own pings count.
func (c *caller) Heard() {}

// Closed implements [wire.Receiver].
func (c *caller) Closed(err error) {
	c.refuse(cmp.Or(err, errors.New("the server closed the connection")))
	c.session.Closed(err)
}
