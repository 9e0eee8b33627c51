// Package forwarded finds out whom a request comes from that has passed proxies: they
// tell in a header, which everybody else can write as well.
//
//	proxies, err := forwarded.Parse("10.0.0.0/8", "::1")
//	…
//	http.ListenAndServe(addr, proxies.Handler(mux))
//
// Behind the Handler the RemoteAddr of a request is the client's: for the request of a hub's
// Conn, for the OnOpen of a websocket.Handler, and for websocket.Limits, which counts
// connections by address. It is for any net/http server and knows of neither.
//
// Nobody is believed unless listed. List the proxies that are yours, all that may stand
// in a row, and nothing that a client can reach the server from directly.
package forwarded

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are those whose word counts. The zero value believes nobody. It is safe for
// concurrent use, and must not be changed meanwhile.
type Proxies struct {
	// Prefixes hold the addresses of the proxies.
	Prefixes []netip.Prefix

	// Unix believes whoever connects by a Unix socket, who has no address: the socket's
	// permissions decide who can. False means that it is not believed.
	Unix bool

	// RFC7239 reads the Forwarded header (RFC 7239) and ignores X-Forwarded-For; false
	// means the other way round. It must be the one that the proxies write: the one they
	// do not write they pass on as the client has sent it.
	RFC7239 bool
}

// Parse returns the proxies of a list of prefixes and addresses, such as "10.0.0.0/8",
// "2001:db8::/32", "127.0.0.1". The word "unix" stands for Unix sockets. An error names
// what is neither.
func Parse(list ...string) (Proxies, error) {
	var p Proxies
	for _, s := range list {
		prefix, err := parsePrefix(s)
		switch {
		case s == "unix":
			p.Unix = true
		case err != nil:
			return Proxies{}, fmt.Errorf("forwarded: %q is neither a prefix nor an address", s)
		default:
			p.Prefixes = append(p.Prefixes, prefix)
		}
	}
	return p, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		prefix, err := netip.ParsePrefix(s)
		if mapped := prefix.Addr(); mapped.Is4In6() && prefix.Bits() >= 96 { // peers are compared by their IPv4 address
			prefix = netip.PrefixFrom(mapped.Unmap(), prefix.Bits()-96)
		}
		return prefix.Masked(), err
	}
	addr, err := netip.ParseAddr(s)
	return netip.PrefixFrom(addr.Unmap().WithZone(""), addr.Unmap().BitLen()), err
}

// Handler returns a handler that calls next with the client's address as the request's
// RemoteAddr, an address and a port, which is 0 if the proxies do not tell it.
func (p Proxies) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if client := p.Client(r); client.IsValid() && client.String() != r.RemoteAddr {
			behind := *r // a Handler must not change the request it is given
			behind.RemoteAddr = client.String()
			r = &behind
		}
		next.ServeHTTP(w, r)
	})
}

// Client returns the address that r comes from: of those the header lists, from the right, the
// first that is not a proxy's. It is the peer's own when that is not believed. It is the last
// known proxy's when the header has none, or something that is no address stands there. The port is
// 0 where it is not known, and the whole is not valid when the peer has no address, as on a
// Unix socket, and nobody tells.
func (p Proxies) Client(r *http.Request) netip.AddrPort {
	client, believed := p.peer(r)
	header, element := "X-Forwarded-For", element
	if p.RFC7239 {
		header, element = "Forwarded", forElement
	}
	lines := r.Header[header]
	for i := len(lines) - 1; i >= 0 && believed; i-- {
		for rest, more := lines[i], true; more && believed; {
			var last string
			if rest, last, more = cutLast(rest, p.RFC7239); last == "" {
				continue // RFC 9110 §5.6.1: empty elements do not count
			}
			addr, ok := element(last)
			if !ok {
				return client
			}
			client, believed = addr, p.trusts(addr.Addr())
		}
	}
	return client
}

// peer returns who is at the other end of the connection, and whether he is believed.
func (p Proxies) peer(r *http.Request) (addr netip.AddrPort, believed bool) {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}, p.Unix && (r.RemoteAddr == "" || r.RemoteAddr[0] == '@') // as net names Unix sockets without a name
	}
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	return addr, p.trusts(addr.Addr())
}

func (p Proxies) trusts(addr netip.Addr) bool {
	addr = addr.WithZone("")
	for _, prefix := range p.Prefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// cutLast cuts the last element off a list. Commas in quotes do not count. Reading
// from the right, nothing that the client has written can change what proxies have added
// behind it.
func cutLast(list string, quotes bool) (rest, last string, more bool) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case quotes && list[i] == '"' && !escaped(list[:i]):
			quoted = !quoted
		case list[i] == ',' && !quoted:
			return list[:i], trim(list[i+1:]), true
		}
	}
	return "", trim(list), false
}

// escaped reports whether what follows s is escaped: by an odd number of backslashes.
func escaped(s string) bool {
	return (len(s)-len(strings.TrimRight(s, `\`)))%2 == 1
}

func trim(s string) string { return strings.Trim(s, " \t") }

// element reads an element of X-Forwarded-For: an address, with or without a port and the
// brackets of an IPv6 address.
func element(s string) (netip.AddrPort, bool) {
	if addr, err := netip.ParseAddrPort(s); err == nil {
		return netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port()), true
	}
	if len(s) > 1 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	addr, err := netip.ParseAddr(s)
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), 0), err == nil
}
