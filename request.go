package parley

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// keptRequest is the HTTP request of a connection without its body, in as
// little memory as a string of its head: most connections never ask for it.
// What only the handshake of a WebSocket needs is left out.
type keptRequest struct {
	ctx    context.Context // nil when only package net/http has put values into it: server, and what head has
	server *http.Server
	tls    *tls.ConnectionState
	head   string
	full   *http.Request // in place of head, for one that is more than its head
}

const (
	headSeparator = "\x00" // occurs in no part of a head
	sameURI       = "\x01" // stands for a RequestURI that is the URL
)

// keep takes what is needed of r. Its context lives on without r's end.
func keep(r *http.Request) *keptRequest {
	k := &keptRequest{ctx: context.WithoutCancel(r.Context()), tls: r.TLS}
	if hasWildcard(r.Pattern) || r.Form != nil || r.Trailer != nil || r.URL.Opaque != "" || r.URL.User != nil || strings.HasPrefix(r.URL.Path, "//") {
		k.full = r.WithContext(k.ctx)
		k.full.Body = http.NoBody
		return k
	}
	local := ""
	if server, addr, ok := bare(r.Context()); ok {
		k.ctx, k.server, local = nil, server, addr.String()
	}
	at, uri := r.URL.String(), r.RequestURI
	if uri == at {
		uri = sameURI
	}
	parts := make([]string, 0, 8+2*len(r.Header))
	parts = append(parts, r.Method, r.Proto, r.Host, r.RemoteAddr, uri, r.Pattern, at, local)
	for name, values := range r.Header {
		if strings.HasPrefix(name, "Sec-Websocket-") { // of no use behind the handshake
			continue
		}
		for _, v := range values {
			parts = append(parts, name, v)
		}
	}
	k.head = strings.Join(parts, headSeparator)
	return k
}

// bare tells whether ctx is as package net/http makes it for a request: with
// its two values and nothing else. Its String says so; should that change some
// day, contexts are kept as they are. It is worth a fifth of what an idle
// connection takes.
func bare(ctx context.Context) (server *http.Server, local *net.TCPAddr, ok bool) {
	server, _ = ctx.Value(http.ServerContextKey).(*http.Server)
	local, _ = ctx.Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if server == nil || local == nil {
		return nil, nil, false
	}
	is, known := ctx.(fmt.Stringer) // another one is not looked into: it may be in use
	if !known {
		return nil, nil, false
	}
	usual := context.WithValue(context.WithValue(context.Background(), http.ServerContextKey, server), http.LocalAddrContextKey, local)
	return server, local, is.String() == fmt.Sprint(usual)+".WithCancel.WithCancel"
}

// hasWildcard tells whether a pattern of http.ServeMux has given r values.
func hasWildcard(pattern string) bool {
	return strings.Contains(strings.TrimSuffix(pattern, "{$}"), "{")
}

// request is a copy of what was kept.
func (k *keptRequest) request() *http.Request {
	if k.full != nil {
		return k.full.Clone(k.ctx)
	}
	parts := strings.Split(k.head, headSeparator)
	r := &http.Request{
		Method: parts[0], Proto: parts[1], Host: parts[2], RemoteAddr: parts[3], RequestURI: parts[4], Pattern: parts[5],
		Header: make(http.Header), Body: http.NoBody, TLS: k.tls,
	}
	if r.RequestURI == sameURI {
		r.RequestURI = parts[6]
	}
	r.ProtoMajor, r.ProtoMinor, _ = http.ParseHTTPVersion(r.Proto)
	var err error
	if r.URL, err = url.Parse(parts[6]); err != nil {
		r.URL = &url.URL{Path: parts[6]}
	}
	for i := 8; i+1 < len(parts); i += 2 {
		r.Header[parts[i]] = append(r.Header[parts[i]], parts[i+1])
	}
	return r.WithContext(k.context(parts[7]))
}

func (k *keptRequest) context(local string) context.Context {
	if k.ctx != nil {
		return k.ctx
	}
	ctx := context.WithValue(context.Background(), http.ServerContextKey, k.server)
	addr, err := netip.ParseAddrPort(local)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, http.LocalAddrContextKey, net.Addr(net.TCPAddrFromAddrPort(addr)))
}
