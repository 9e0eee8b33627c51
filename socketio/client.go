package socketio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	neturl "net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/socketio/internal/engineio"
	"github.com/parley-go/parley/wire"
)

// ClientOptions configures a client, or the connection that those of a
// [Manager] share. Nil means all defaults, which are mostly those of
// socket.io-client.
type ClientOptions struct {
	// ClientOptions are those of all Go clients. The zero value means their
	// defaults; the limits' KeepAlive and IdleTimeout do not apply. In OnConnect,
	// [Recovered] tells whether something may have been missed.
	parley.ClientOptions
	// Namespace is what [NewClient] joins. Empty means "/".
	Namespace string
	// Auth is what OnConnect sees by [Auth]: a value that is an object in JSON.
	// Nil for nothing.
	Auth any
	// AuthFunc returns the Auth of each attempt to join. Its error is that of the
	// attempt. Nil means that Auth is always the same.
	AuthFunc func(ctx context.Context) (any, error)

	// MessagePack speaks as socket.io-msgpack-parser, which the server has to
	// have, as Parley has. False means JSON.
	MessagePack bool
	// Transports are "polling" and "websocket", or one of them. The first opens the
	// connection, and from polling it changes to a WebSocket if that is among
	// them. Empty means polling, then websocket.
	Transports []string
	// TryAllTransports opens the connection with the next of Transports when one
	// does not open it. False means that the attempt fails with the first.
	TryAllTransports bool
	// NoUpgrade stays with polling. False means to change to a WebSocket.
	NoUpgrade bool
	// Query goes with every request, beside that of the address. Nil for nothing.
	Query neturl.Values
	// Header goes with every request, such as Authorization. Nil for nothing.
	Header http.Header
	// HTTPClient sends the requests. Its cookies, and the TLS configuration, dialer
	// and proxy of an [http.Transport], serve the WebSocket too; its Timeout does
	// not count. Nil means one with the defaults of package http, which verifies
	// the server's certificate, keeps no cookies, and lets go of its connections.
	HTTPClient *http.Client

	// MaxMessageBytes bounds a message of the server. What comes at once, in the
	// answer to a poll, may have eight times as much. Zero means 1 MiB.
	MaxMessageBytes int64
	// MaxAttachments bounds the binary attachments of one event or ack of the
	// server. Zero means 10, as in other clients.
	MaxAttachments int
	// MaxMissedBytes bounds what was missed during a loss and comes before the
	// server has let the client in again. Zero means 16 MiB.
	MaxMissedBytes int
	// WriteTimeout bounds one write to a WebSocket, and one POST. Zero means 10
	// seconds.
	WriteTimeout time.Duration
	// ConnectTimeout bounds an attempt, until the server has let the client
	// in, and apart from it the change to a WebSocket. Zero means 15 seconds.
	ConnectTimeout time.Duration
}

func (o *ClientOptions) fill() {
	if len(o.Transports) == 0 {
		o.Transports = []string{"polling", "websocket"}
	}
	o.MaxMessageBytes = cmp.Or(o.MaxMessageBytes, 1<<20)
	o.MaxMissedBytes = cmp.Or(o.MaxMissedBytes, 16<<20)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 10*time.Second)
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, 15*time.Second)
}

// NewClient makes a client of the server at url, such as
// "https://example.com"; without a path, "/socket.io/" is taken. It joins one
// namespace with [parley.Client.Connect], whose error is an *[parley.Error]
// when the server refuses: its middleware or OnConnect, or because it does not
// know the namespace. A refusal ends a client that comes back after a loss, and
// so does the server's goodbye.
//
// A server that recovers connections is asked to, without more ado: see
// [Recovered].
func NewClient(url string, o *ClientOptions) *parley.Client {
	if o == nil {
		o = &ClientOptions{}
	}
	return NewManager(url, o).Client(o.Namespace, o)
}

// Manager is one connection for clients of several namespaces. It is there while
// one of them is connected, or tries to be. All methods are safe for concurrent use.
type Manager struct {
	// fixed after construction
	o       ClientOptions
	engine  engineio.DialOptions
	own     *http.Transport // nil when the application has given its client
	wrong   error           // what is wrong with the address or the options
	dialing chan struct{}   // has an element during an attempt

	mu    sync.Mutex
	visit *visit // the connection of the moment; nil for none
}

// NewManager makes a manager of the server at url. Of the options those about
// the connection count: from MessagePack on.
func NewManager(url string, o *ClientOptions) *Manager {
	if o == nil {
		o = &ClientOptions{}
	}
	m := &Manager{o: *o, dialing: make(chan struct{}, 1)}
	m.o.fill()
	by := m.httpClient()
	to, err := address(url, m.o.Query)
	if err == nil {
		err = m.o.check()
	}
	m.wrong = err
	m.engine = engineio.DialOptions{
		URL: to, Transports: m.o.Transports, TryAll: m.o.TryAllTransports, NoUpgrade: m.o.NoUpgrade,
		Do:              func(req *http.Request) (*http.Response, error) { return m.send(by, req) },
		Dialing:         m.webSockets(by),
		MaxMessageBytes: m.o.MaxMessageBytes, WriteTimeout: m.o.WriteTimeout, ConnectTimeout: m.o.ConnectTimeout,
		Upgraded: m.letGo,
	}
	return m
}

// Client makes a client of one namespace, such as "/admin", empty for "/". Of
// the options those before MessagePack count, but for Namespace; nil means their
// defaults. Of a namespace one client at a time can be connected.
func (m *Manager) Client(namespace string, o *ClientOptions) *parley.Client {
	if o == nil {
		o = &ClientOptions{}
	}
	name := "/" + strings.TrimPrefix(namespace, "/")
	j := &joiner{manager: m, words: newWords(name, m.o.MessagePack), name: name, o: *o}
	own := o.ClientOptions
	if hook := own.OnConnect; hook != nil {
		own.OnConnect = func(ctx context.Context) { hook(j.tell(ctx)) }
	}
	return parley.NewClient(j.dial, &own)
}

func (o *ClientOptions) check() error {
	for _, kind := range o.Transports {
		if kind != "polling" && kind != "websocket" {
			return fmt.Errorf("there is no transport %q", kind)
		}
	}
	return nil
}

// address reads where the server is. The error does not tell it, as it may hold
// a secret.
func address(url string, query neturl.Values) (*neturl.URL, error) {
	to, err := neturl.Parse(url)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	to.Scheme = strings.Replace(to.Scheme, "ws", "http", 1)
	if to.Scheme != "http" && to.Scheme != "https" || to.Host == "" {
		return nil, errors.New("the address needs a scheme, http or https, and a host")
	}
	if to.Path == "" || to.Path == "/" {
		to.Path = "/socket.io/"
	}
	all := to.Query()
	maps.Copy(all, query)
	to.RawQuery, to.Fragment = all.Encode(), ""
	return to, nil
}

// httpClient is what sends the requests, with no limit to their time.
func (m *Manager) httpClient() *http.Client {
	if m.o.HTTPClient != nil {
		by := *m.o.HTTPClient
		by.Timeout = 0
		return &by
	}
	m.own = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if usual, ok := http.DefaultTransport.(*http.Transport); ok {
		m.own = usual.Clone()
	}
	return &http.Client{Transport: m.own}
}

// letGo closes the connections that no request needs at the moment.
func (m *Manager) letGo() {
	if m.own != nil {
		m.own.CloseIdleConnections()
	}
}

// send sends a request with the header that every request has.
func (m *Manager) send(by *http.Client, req *http.Request) (*http.Response, error) {
	for name, values := range m.o.Header {
		req.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	return by.Do(req)
}

// webSockets takes over what the HTTP client knows of reaching the server.
func (m *Manager) webSockets(by *http.Client) *transport.Dialing {
	how := &transport.Dialing{Header: m.o.Header, Jar: by.Jar, MaxRedirects: 10}
	through := by.Transport
	if through == nil {
		through = http.DefaultTransport
	}
	if t, ok := through.(*http.Transport); ok {
		how.TLSConfig, how.Proxy = t.TLSClientConfig, t.Proxy
		how.NetDial = t.DialContext
	}
	return how
}

// reach returns the connection, which it opens if there is none.
func (m *Manager) reach(ctx context.Context) (*visit, error) {
	select {
	case m.dialing <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-m.dialing }()
	m.mu.Lock()
	v := m.visit
	m.mu.Unlock()
	if v != nil {
		return v, nil
	}
	o := m.engine
	o.New = func(d *engineio.Dialed) wire.Receiver {
		v = &visit{manager: m, engine: d}
		v.assembler = assembler{most: narrow(m.o.MaxAttachments), spoken: true, packed: m.o.MessagePack}
		return v
	}
	if _, err := engineio.Dial(ctx, &o); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !v.isOver() {
		m.visit = v
	}
	return v, nil
}

// forget forgets a connection that takes no one in any more.
func (m *Manager) forget(v *visit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.visit == v {
		m.visit = nil
	}
}
