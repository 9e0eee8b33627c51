package signalr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// ClientOptions configures a client. Nil means all defaults.
type ClientOptions struct {
	// ClientOptions are those of all Go clients. The zero value means their
	// defaults; the limits' KeepAlive and IdleTimeout do not apply.
	parley.ClientOptions
	// Header is sent with every request, for instance Authorization. Nil means
	// none.
	Header http.Header
	// HTTPClient negotiates. Nil means http.DefaultClient. Its cookies, and the
	// TLS configuration and dialer of an [http.Transport], serve the WebSocket
	// too.
	HTTPClient *http.Client
	// SkipNegotiation opens the WebSocket at once. False means to negotiate
	// first.
	SkipNegotiation bool
	// MaxMessageBytes bounds one message of the server. Zero means 1 MiB.
	MaxMessageBytes int
	// HandshakeTimeout bounds the time from the connection to the end of the
	// handshake. Zero means 15 seconds.
	HandshakeTimeout time.Duration
	// KeepAlive is the time between two pings. Zero means 15 seconds.
	KeepAlive time.Duration
	// ServerTimeout ends a connection when the server was not heard of for so
	// long; it is looked at once per KeepAlive. Zero means 30 seconds.
	ServerTimeout time.Duration
}

// NewClient makes a client of a SignalR server, Parley's or another. address
// is the endpoint as in withUrl, with scheme http, https, ws or wss; its query
// goes with every request. An address that is none fails Connect.
func NewClient(address string, o *ClientOptions) *parley.Client {
	if o == nil {
		o = &ClientOptions{}
	}
	d := &dialer{address: address, o: *o, http: o.HTTPClient}
	if d.http == nil {
		d.http = http.DefaultClient
	}
	d.o.MaxMessageBytes = orDefault(o.MaxMessageBytes, 1<<20)
	d.o.KeepAlive = orDefault(o.KeepAlive, 15*time.Second)
	d.o.ServerTimeout = orDefault(o.ServerTimeout, 30*time.Second)
	return parley.NewClient(d.dial, &d.o.ClientOptions)
}

// dialer opens the connections of one client. It is fixed after construction.
type dialer struct {
	address string
	o       ClientOptions
	http    *http.Client
}

// dial is the client's [parley.DialFunc].
func (d *dialer) dial(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
	at, err := d.target(ctx)
	if err != nil {
		return nil, fmt.Errorf("signalr: %w", err)
	}
	pipe, err := transport.DialWebSocket(ctx, at.String(), d.dialing(at), &transport.Options{
		MaxMessageBytes: 8 * int64(d.o.MaxMessageBytes),
	})
	if err != nil {
		return nil, fmt.Errorf("signalr: %w", err)
	}
	l := &clientLink{o: &d.o, records: records{limit: d.o.MaxMessageBytes}, shaken: make(chan struct{})}
	l.session = cl.NewSession(pipe, &parley.SessionOptions{HandshakeTimeout: d.o.HandshakeTimeout})
	pipe.Start(l)
	select {
	case <-l.shaken:
	case <-ctx.Done():
		pipe.CloseNow()
		return nil, context.Cause(ctx)
	}
	if l.refusal != nil {
		pipe.CloseNow()
		return nil, fmt.Errorf("signalr: handshake: %w", l.refusal)
	}
	return l.session, nil
}

// target negotiates and returns the URL to connect to.
func (d *dialer) target(ctx context.Context) (*url.URL, error) {
	at, err := url.Parse(d.address)
	if err != nil {
		return nil, err
	}
	at.Scheme = strings.Replace(at.Scheme, "ws", "http", 1)
	if at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return nil, fmt.Errorf("%q is no address of a server", d.address)
	}
	if d.o.SkipNegotiation {
		return at, nil
	}
	token, err := d.negotiate(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("negotiation: %w", err)
	}
	q := at.Query()
	q.Set("id", token)
	at.RawQuery = q.Encode()
	return at, nil
}

// negotiate asks for the token of a new connection (transport protocols, "POST
// endpoint-base/negotiate request").
func (d *dialer) negotiate(ctx context.Context, at *url.URL) (token string, err error) {
	to := at.JoinPath("negotiate")
	q := to.Query()
	q.Set("negotiateVersion", "1")
	to.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), nil)
	if err != nil {
		return "", err
	}
	if d.o.Header != nil {
		req.Header = d.o.Header.Clone()
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	const limit = 64 << 10 // of an answer, which has some hundred bytes
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New("the server answered " + resp.Status)
	}
	return readNegotiation(body)
}

func readNegotiation(body []byte) (token string, err error) {
	var n struct {
		negotiation
		Error string `json:"error"`
		URL   string `json:"url"`
	}
	if err := json.Unmarshal(body, &n); err != nil {
		return "", err
	}
	switch {
	case n.Error != "":
		return "", errors.New(n.Error)
	case n.URL != "":
		return "", errors.New("the server sends its clients elsewhere, which is not supported")
	case !slices.ContainsFunc(n.AvailableTransports, func(a available) bool { return a.Transport == "WebSockets" }):
		return "", errors.New("the server has no WebSockets")
	case n.NegotiateVersion == 0:
		return n.ConnectionID, nil
	}
	return n.ConnectionToken, nil
}

// dialing takes over what the HTTP client knows of reaching the server.
func (d *dialer) dialing(at *url.URL) *transport.Dialing {
	how := &transport.Dialing{Header: d.o.Header.Clone()}
	if how.Header == nil {
		how.Header = make(http.Header)
	}
	if t, ok := d.http.Transport.(*http.Transport); ok && t != nil {
		how.TLSConfig, how.NetDial = t.TLSClientConfig, t.DialContext
	}
	if d.http.Jar != nil { // a load balancer's cookie leads back to the server that negotiated
		r := http.Request{Header: how.Header}
		for _, c := range d.http.Jar.Cookies(at) {
			r.AddCookie(c)
		}
	}
	return how
}

// clientLink joins a WebSocket to the session of a client.
type clientLink struct {
	// fixed before the first message
	o       *ClientOptions
	session *parley.Session

	// owned by the reading loop; refusal by others once shaken is closed
	records records
	open    bool  // the handshake is done
	over    bool  // nothing more is wanted
	settled bool  // shaken is closed
	refusal error // why there is no connection

	asked  bool          // owned by the flusher: the handshake was requested
	shaken chan struct{} // closed when the handshake is done, or will never be
}

// settle tells the dialer how the handshake ended. Only the first call counts.
func (l *clientLink) settle(refusal error) {
	if l.settled {
		return
	}
	l.settled, l.refusal = true, refusal
	close(l.shaken)
}

const handshakeRequest = `{"protocol":"json","version":1}` + "\x1e"

// Receive implements [wire.Receiver].
func (l *clientLink) Receive(data []byte, _ bool) {
	if l.over {
		return
	}
	if err := l.records.add(data, l.record); err != nil {
		l.broken(err)
	}
}

func (l *clientLink) record(record []byte) bool {
	if !l.open {
		l.shake(record)
		return !l.over
	}
	var m wire.Message
	if err := (protocol{manner{client: true}}).Parse(record, &m); err != nil {
		l.broken(err)
		return false
	}
	l.over = m.Kind == wire.Close
	l.session.Receive(&m)
	return !l.over
}

// shake takes the handshake response: an object that says what is wrong, or
// nothing.
func (l *clientLink) shake(record []byte) {
	var f fields
	if err := f.read(record); err != nil {
		l.broken(err)
		return
	}
	if f.typ != nil {
		l.broken(errors.New("expected a handshake response from the server"))
		return
	}
	said, err := text("error", f.err)
	if err == nil && said != "" {
		err = errors.New(said)
	}
	if err != nil {
		l.broken(err)
		return
	}
	l.open = true
	l.session.Open(parley.Opening{
		Protocol:    protocol{manner{client: true}},
		KeepAlive:   l.o.KeepAlive,
		IdleTimeout: l.o.ServerTimeout,
		FoldNames:   true,
	})
	l.settle(nil)
}

// broken ends a connection whose server broke the protocol.
func (l *clientLink) broken(err error) {
	l.over = true
	l.settle(err)
	l.session.Fail(wire.Goodbye{Code: 1002, Reason: err.Error(), Failed: true}, failed(err))
}

// Take implements [wire.Receiver]. The handshake request goes before anything
// else.
func (l *clientLink) Take(batch []*wire.Encoded) []*wire.Encoded {
	if !l.asked {
		l.asked = true
		batch = append(batch, &wire.Encoded{Data: []byte(handshakeRequest)})
	}
	return l.session.Take(batch)
}

// Heard implements [wire.Receiver].
func (l *clientLink) Heard() { l.session.Heard() }

// Closed implements [wire.Receiver].
func (l *clientLink) Closed(err error) {
	l.settle(errors.Join(parley.ErrHandshake, err))
	l.session.Closed(err)
}
