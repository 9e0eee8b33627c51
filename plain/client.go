package plain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// ClientOptions configures a client. Nil means all defaults.
type ClientOptions struct {
	parley.ClientOptions // for every protocol

	// Header goes with the handshake, such as Authorization. Nil for nothing.
	Header http.Header
	// TLSConfig is for wss addresses. Nil means the defaults of crypto/tls.
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

// NewClient makes a client of the hub at url, which begins with ws, wss, http
// or https. It connects over WebSocket with [parley.Client.Connect].
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

func (d *dialer) dial(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
	timeout := d.o.ConnectTimeout
	if timeout == 0 {
		timeout = 15 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	pipe, err := transport.DialWebSocket(ctx, d.url,
		&transport.Dialing{Header: d.o.Header, TLSConfig: d.o.TLSConfig, NetDial: d.o.NetDial},
		&transport.Options{MaxMessageBytes: d.o.MaxMessageBytes, WriteTimeout: d.o.WriteTimeout})
	if err != nil {
		return nil, fmt.Errorf("plain: connect: %w", err)
	}
	c := &caller{answer: make(chan error, 1)}
	c.session = cl.NewSession(pipe, &parley.SessionOptions{HandshakeTimeout: timeout})
	pipe.Start(c)
	select {
	case err = <-c.answer:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		pipe.CloseNow()
		return nil, fmt.Errorf("plain: connect: %w", err)
	}
	return c.session, nil
}

// caller is a client's link: the server's first message tells whether the
// client is let in.
type caller struct {
	link
	answer chan error // gets nil when let in, else why not
	opened bool       // owned by the reading goroutine
}

// Receive implements [wire.Receiver].
func (c *caller) Receive(data []byte, binary bool) {
	if c.opened {
		c.link.Receive(data, binary)
		return
	}
	c.opened = true
	if err := welcome(data); err != nil {
		c.answer <- err
		return
	}
	c.session.Open(&parley.Opening{Protocol: protocol{}, PingPipe: true})
	c.answer <- nil
}

// Closed implements [wire.Receiver].
func (c *caller) Closed(err error) {
	if !c.opened {
		if err == nil {
			err = errors.New("the server closed the connection")
		}
		c.answer <- err
	}
	c.link.Closed(err)
}

// welcome reads the server's first message.
func welcome(data []byte) error {
	f, err := readFields(data)
	if err != nil || f.typ == "open" {
		return err
	}
	var m wire.Message
	if err := f.readClose(&m); err != nil || f.typ != "close" {
		return errors.New("the server does not speak the plain protocol")
	}
	return &wire.CloseError{Code: m.Bye.Code, Reason: m.Bye.Reason}
}
