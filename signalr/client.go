package signalr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/parley-go/parley"
)

// ClientOptions configures a client. Nil means all defaults.
type ClientOptions struct {
	// ClientOptions are those of all Go clients. The zero value means their
	// defaults, but for Reconnect, whose zero value means the Delays 0, 2, 10
	// and 30 seconds; the limits' KeepAlive and IdleTimeout do not apply.
	parley.ClientOptions
	// Protocol is the hub protocol: "json" or "messagepack". Empty means json.
	Protocol string
	// JSONNames says how the properties of Go structs are named in JSON. Zero
	// means in camelCase.
	JSONNames JSONNames
	// Transports are those that may be used: of those the server offers too, in
	// its order, the first that works is taken. Event streams do not carry
	// messagepack. Zero means all.
	Transports Transports
	// SkipNegotiation opens a WebSocket at once, which has to be the only one of
	// Transports then, unless that is zero. False means to negotiate first.
	SkipNegotiation bool
	// Header is sent with every request. Nil means none.
	Header http.Header
	// AccessToken returns the token to send as a Bearer with every request. It
	// is asked for each negotiation, and once more when another request was
	// answered with 401, which is then sent again. The token of a redirect takes
	// its place. It may be called concurrently. Nil means no token.
	AccessToken func(ctx context.Context) (string, error)
	// HTTPClient sends the requests. Nil means http.DefaultClient. Its Timeout
	// is for negotiations only; its cookies, and the TLS configuration, dialer
	// and proxy of an [http.Transport], serve the WebSocket too.
	HTTPClient *http.Client
	// RequestTimeout bounds each request that does not wait for messages, and is
	// when a poll without an answer is sent again. Zero means 100 seconds.
	RequestTimeout time.Duration
	// MaxMessageBytes bounds one message of the server. What comes at once, in a
	// WebSocket message, an event or the answer to a poll, may have eight times
	// as much. Zero means 1 MiB.
	MaxMessageBytes int
	// HandshakeTimeout bounds the time a transport may take to open, and then
	// the time to the end of the handshake. Zero means 15 seconds.
	HandshakeTimeout time.Duration
	// KeepAlive is the time between two pings, of which long polling needs none.
	// Zero means 15 seconds.
	KeepAlive time.Duration
	// StatefulReconnect asks the server for a connection that goes on over a new
	// WebSocket when the one it has is lost: nothing is lost or doubled, and
	// OnDisconnect is not told. There is one attempt, at once; when it fails, the
	// connection is lost, and Reconnect says what next. It needs a negotiation.
	// False means that a connection ends with its transport.
	StatefulReconnect bool
	// StatefulReconnectBuffer bounds the bytes of messages that the server has
	// not acknowledged; more wait. Zero means 100,000.
	StatefulReconnectBuffer int
	// ServerTimeout ends a connection, unless it is long polling, when nothing
	// came from the server for so long. Zero means 30 seconds.
	ServerTimeout time.Duration
}

func (o *ClientOptions) fill() {
	if o.HTTPClient == nil {
		o.HTTPClient = http.DefaultClient
	}
	o.RequestTimeout = orDefault(o.RequestTimeout, 100*time.Second)
	o.MaxMessageBytes = orDefault(o.MaxMessageBytes, 1<<20)
	o.HandshakeTimeout = orDefault(o.HandshakeTimeout, 15*time.Second)
	o.KeepAlive = orDefault(o.KeepAlive, 15*time.Second)
	o.StatefulReconnectBuffer = orDefault(o.StatefulReconnectBuffer, 100_000)
	o.ServerTimeout = orDefault(o.ServerTimeout, 30*time.Second)
	b := &o.Reconnect
	if !b.Off && b.Min == 0 && b.Max == 0 && b.Attempts == 0 && len(b.Delays) == 0 {
		b.Delays = []time.Duration{0, 2 * time.Second, 10 * time.Second, 30 * time.Second}
	}
}

// NewClient makes a client of a SignalR server, Parley's or another. address
// is the endpoint as in withUrl, with scheme http, https, ws or wss; its query
// goes with every request. An address or an option that is none fails Connect.
//
// A goodbye of the server that does not ask the client back ends it, whatever
// Reconnect says.
func NewClient(address string, o *ClientOptions) *parley.Client {
	if o == nil {
		o = &ClientOptions{}
	}
	d := &dialer{address: address, o: *o}
	d.o.fill()
	d.waiting = *d.o.HTTPClient
	d.waiting.Timeout = 0
	d.speaks, d.wrong = d.o.check()
	return parley.NewClient(d.dial, &d.o.ClientOptions)
}

// check returns the hub protocol to speak, or what is wrong with the options.
func (o *ClientOptions) check() (dialect, error) {
	if o.SkipNegotiation && o.Transports != 0 && o.Transports != WebSockets {
		return nil, errors.New("negotiation can be skipped only when WebSockets is the only transport")
	}
	switch o.Protocol {
	case "", "json":
		return protocol{manner{client: true}, o.JSONNames}, nil
	case "messagepack":
		return packed{manner{client: true}}, nil
	}
	return nil, fmt.Errorf("there is no protocol %q", o.Protocol)
}

// dialer opens the connections of one client. It is fixed after construction.
type dialer struct {
	address string
	o       ClientOptions
	speaks  dialect
	waiting http.Client // for requests that may take as long as they want
	wrong   error       // what is wrong with the options
}

// dial is the client's [parley.DialFunc].
func (d *dialer) dial(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
	v, err := d.visit(ctx)
	if err != nil {
		return nil, fmt.Errorf("signalr: %w", err)
	}
	l := newClientLink(v)
	l.start(cl)
	select {
	case <-l.shaken:
	case <-ctx.Done():
		v.pipe.CloseNow()
		return nil, context.Cause(ctx)
	}
	if l.refusal != nil { // and the session has ended
		return nil, fmt.Errorf("signalr: handshake: %w", l.refusal)
	}
	return l.session, nil
}

// visit opens the first transport that works.
func (d *dialer) visit(ctx context.Context) (*visit, error) {
	if d.wrong != nil {
		return nil, d.wrong
	}
	at, err := endpointOf(d.address)
	if err != nil {
		return nil, err
	}
	v := &visit{dialer: d, at: at, factory: d.o.AccessToken}
	if !d.o.SkipNegotiation {
		return v, v.negotiated(ctx)
	}
	if err := v.ask(ctx); err != nil {
		return nil, err
	}
	return v, v.start(ctx, WebSockets, v.at)
}
