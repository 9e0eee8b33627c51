package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
)

// connect opens the connection the handshake takes place on.
func connect(ctx context.Context, req *http.Request, o *DialOptions, http2 bool) (net.Conn, error) {
	fail := func(err error) error {
		return &HandshakeError{Reason: "no connection to " + req.URL.Host, Err: err}
	}
	proxy, err := proxyFor(req, o)
	if err != nil {
		return nil, fail(err)
	}
	target := net.JoinHostPort(req.URL.Hostname(), portOf(req.URL))
	var nc net.Conn
	if proxy == nil {
		nc, err = dialTCP(ctx, target, o)
	} else {
		nc, err = dialThrough(ctx, proxy, target, o)
	}
	var refused *HandshakeError
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, fail(err)
	case req.URL.Scheme == "http":
		return nc, nil
	}
	secure, err := secureClient(ctx, nc, clientTLS(o, req.URL.Hostname(), http2))
	if err != nil {
		return nil, fail(err)
	}
	return secure, nil
}

func dialTCP(ctx context.Context, addr string, o *DialOptions) (net.Conn, error) {
	if o.NetDial != nil {
		return o.NetDial(ctx, "tcp", addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// secureClient puts TLS on nc, or closes it.
func secureClient(ctx context.Context, nc net.Conn, config *tls.Config) (*tls.Conn, error) {
	secure := tls.Client(nc, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		socketUnder(nc).Close()
		return nil, err
	}
	return secure, nil
}

// clientTLS is the configuration for a server, whose certificate is verified
// unless the application has switched that off.
func clientTLS(o *DialOptions, host string, http2 bool) *tls.Config {
	config := &tls.Config{}
	if o.TLSConfig != nil {
		config = o.TLSConfig.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"} // the handshake of RFC 6455 is HTTP/1.1, whatever else the server speaks
	if http2 {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	return config
}

// portOf returns the port of u, or the default of its scheme.
func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
}

// during runs f, whose reads and writes on nc fail when ctx ends. The error is
// that of ctx then.
func during(ctx context.Context, nc net.Conn, f func() error) error {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		nc.SetDeadline(longAgo)
		close(interrupted)
	})
	err := f()
	if !stop() {
		<-interrupted
		return ctx.Err()
	}
	return err
}

// socketUnder returns what lies under the TLS of nc, which may be TLS to a server
// within TLS to a proxy. It is what is closed when the handshake fails, because TLS
// would first wait for a peer that does not read.
func socketUnder(nc net.Conn) net.Conn {
	for {
		secure, ok := nc.(*tls.Conn)
		if !ok {
			return nc
		}
		nc = secure.NetConn()
	}
}
