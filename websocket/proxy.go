package websocket

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
)

// proxyFor returns the proxy to use for req, or nil.
func proxyFor(req *http.Request, o *DialOptions) (*url.URL, error) {
	switch {
	case o.Proxy != nil:
		return o.Proxy(req)
	case o.NetDial != nil:
		return nil, nil
	}
	return http.ProxyFromEnvironment(req)
}

// dialThrough has a proxy connect to target, a host and a port. If the proxy
// refuses in HTTP, the error is a *HandshakeError with its answer.
func dialThrough(ctx context.Context, proxy *url.URL, target string, o *DialOptions) (net.Conn, error) {
	ask := askSOCKS
	switch proxy.Scheme {
	case "socks5", "socks5h":
	case "http", "https":
		ask = func(ctx context.Context, nc net.Conn, user *url.Userinfo, target string) error {
			return askHTTP(ctx, nc, user, target, o.Limits.headerBytes())
		}
	default:
		return nil, fmt.Errorf("the proxy's scheme %q is neither http, https nor socks5", proxy.Scheme)
	}
	nc, err := dialTCP(ctx, net.JoinHostPort(proxy.Hostname(), portOf(proxy)), o)
	if err == nil && proxy.Scheme == "https" {
		config := clientTLS(o, proxy.Hostname(), false)
		config.ServerName = proxy.Hostname() // one that is configured is the server's
		nc, err = secureClient(ctx, nc, config)
	}
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if err := ask(ctx, nc, proxy.User, target); err != nil {
		socketUnder(nc).Close()
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return nc, nil
}

// askHTTP makes a tunnel by CONNECT (RFC 9110 §9.3.6).
func askHTTP(ctx context.Context, nc net.Conn, user *url.Userinfo, target string, headerBytes int) error {
	req := &http.Request{
		Method: http.MethodConnect,
		URL:    &url.URL{Opaque: target},
		Host:   target,
		Header: make(http.Header),
	}
	if user != nil {
		password, _ := user.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		req.Header.Set("Proxy-Authorization", "Basic "+credentials)
	}
	resp, early, err := exchange(ctx, nc, req, headerBytes)
	switch {
	case err != nil:
		return err
	case !switches(resp, req):
		return &HandshakeError{Response: resp, Reason: fmt.Sprintf("the proxy answered %q", resp.Status), Err: ctx.Err()}
	case len(early) > 0: // TLS and HTTP begin with the client
		return errors.New("something came through the tunnel before anything was asked")
	}
	return nil
}

// The numbers of RFC 1928 and RFC 1929.
const (
	socksVersion    = 5
	socksConnect    = 1
	socksNoAuth     = 0
	socksPassword   = 2
	socksPasswordV1 = 1
	socksIPv4       = 1
	socksName       = 3
	socksIPv6       = 4
)

// socksRefusals are the meanings of a SOCKS proxy's replies (RFC 1928 §6).
var socksRefusals = [...]string{
	1: "general failure", 2: "not allowed by its rules", 3: "network unreachable", 4: "host unreachable",
	5: "connection refused", 6: "TTL expired", 7: "command not supported", 8: "address type not supported",
}

// askSOCKS has a SOCKS proxy connect to target (RFC 1928).
func askSOCKS(ctx context.Context, nc net.Conn, user *url.Userinfo, target string) error {
	request, err := socksRequest(target)
	if err != nil {
		return err
	}
	login, err := socksLogin(user)
	if err != nil {
		return err
	}
	return during(ctx, nc, func() error {
		if err := authenticate(nc, login); err != nil {
			return err
		}
		if _, err := nc.Write(request); err != nil {
			return err
		}
		return readSOCKSReply(nc)
	})
}

// authenticate agrees on a method (RFC 1928 §3). login is nil without a user.
func authenticate(nc net.Conn, login []byte) error {
	hello := []byte{socksVersion, 1, socksNoAuth}
	if login != nil {
		hello = []byte{socksVersion, 2, socksNoAuth, socksPassword}
	}
	answer, err := askTwoBytes(nc, hello)
	switch {
	case err != nil:
		return err
	case answer[0] != socksVersion:
		return errors.New("it does not speak SOCKS 5")
	case answer[1] == socksNoAuth:
		return nil
	case answer[1] != socksPassword || login == nil:
		return errors.New("it wants another authentication")
	}
	answer, err = askTwoBytes(nc, login)
	if err != nil {
		return err
	}
	if answer != [2]byte{socksPasswordV1, 0} {
		return errors.New("it rejects the user or the password")
	}
	return nil
}

func askTwoBytes(nc net.Conn, question []byte) (answer [2]byte, err error) {
	if _, err := nc.Write(question); err != nil {
		return answer, err
	}
	_, err = io.ReadFull(nc, answer[:])
	return answer, err
}

// socksLogin is the message of RFC 1929 §2, nil without a user.
func socksLogin(user *url.Userinfo) ([]byte, error) {
	if user == nil {
		return nil, nil
	}
	name := user.Username()
	password, _ := user.Password()
	if name == "" || len(name) > 255 || len(password) > 255 {
		return nil, errors.New("SOCKS takes a user and a password of up to 255 bytes")
	}
	login := append([]byte{socksPasswordV1, byte(len(name))}, name...)
	login = append(login, byte(len(password)))
	return append(login, password...), nil
}

// socksRequest is the message of RFC 1928 §4. A name is left to the proxy to look
// up.
func socksRequest(target string) ([]byte, error) {
	host, portText, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	request := []byte{socksVersion, socksConnect, 0}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && ip.Is4():
		request = append(request, socksIPv4)
		request = append(request, ip.AsSlice()...)
	case err == nil:
		request = append(request, socksIPv6)
		request = append(request, ip.AsSlice()...)
	case len(host) > 255:
		return nil, errors.New("SOCKS takes a name of up to 255 bytes")
	default:
		request = append(request, socksName, byte(len(host)))
		request = append(request, host...)
	}
	return binary.BigEndian.AppendUint16(request, uint16(port)), nil
}

// readSOCKSReply reads exactly the message of RFC 1928 §6.
func readSOCKSReply(nc net.Conn) error {
	var b [4 + 1 + 255 + 2]byte // with the longest address, a name
	if _, err := io.ReadFull(nc, b[:5]); err != nil {
		return err
	}
	if b[0] != socksVersion {
		return errors.New("its reply is not SOCKS 5")
	}
	if code := int(b[1]); code != 0 {
		if code < len(socksRefusals) {
			return errors.New(socksRefusals[code])
		}
		return fmt.Errorf("it refuses with code %d", code)
	}
	rest := map[byte]int{socksIPv4: 4 - 1, socksIPv6: 16 - 1, socksName: int(b[4])}[b[3]] // b[4] has been read
	if rest == 0 {
		return errors.New("its reply has an invalid address")
	}
	_, err := io.ReadFull(nc, b[5:5+rest+2])
	return err
}
