package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// AcceptOptions are the choices of a server. A nil *AcceptOptions means the zero
// value.
type AcceptOptions struct {
	// Subprotocols are those the server speaks, in order of preference. The
	// first one the client offers is chosen; none is if it offers none of them,
	// and the connection is accepted all the same: see [Conn.Subprotocol].
	Subprotocols []string

	// Origins may connect besides the host of the request itself, for instance
	// "example.com", "https://example.com:8443", "*.example.com"; see
	// [CheckOrigin] for how they match. Empty means the same host only.
	Origins []string

	// InsecureAnyOrigin switches the check of the Origin off: every page in the
	// world may then connect with the cookies of its visitor.
	InsecureAnyOrigin bool

	// Hosts are the values of the Host header that are served, for instance
	// "example.com" or "localhost:8080"; any other is answered with 403. It
	// protects a server that trusts its network against DNS rebinding. Empty means
	// any host.
	Hosts []string

	// Compression is what the server agrees to if the client offers
	// permessage-deflate (RFC 7692). Nil means that messages are not compressed.
	Compression *Compression

	// Limits bounds what peers may do. Nil means the defaults.
	Limits *Limits

	// Stats counts what happens. Nil means that nothing is counted.
	Stats *Stats

	// CloseReply chooses the status that answers the peer's close frame;
	// received is StatusNoStatus if the frame was empty, and returning
	// StatusNoStatus answers with an empty one. Nil, or a status that must not
	// be sent, means the same status that was received.
	CloseReply func(received StatusCode) StatusCode

	// LegacyDrafts has the server also speak drafts of the protocol, as browsers and
	// devices of 2010 and 2011 do. False means that only version 13, RFC 6455, is
	// spoken; over HTTP/2 it is so in any case.
	//
	// Versions 7 and 8 (Firefox 6 to 10, Chrome 14 and 15) are RFC 6455 in all but
	// details, and no less safe. They are not compressed.
	//
	// Draft 76 (Safari 5, iOS 4.2 to 5, Chrome 6 to 13, Opera 10.70 to 12, televisions)
	// is dangerous for those who use it. A page chooses every byte its browser sends, for
	// nothing is masked, and many a proxy that does not know WebSockets takes these
	// bytes for further requests: so the page of an attacker has had such a proxy
	// remember his answers as those of other sites, for everybody behind it. Nothing a
	// server does can mend that; it can only not ask for it. Clients of RFC 6455 are
	// in no danger from a server that knows draft 76. Serve it over wss where you can:
	// proxies cannot look inside.
	//
	// So of draft 76 there is the least that works. Every request must have an Origin
	// that is of the same host or listed in Origins, also with InsecureAnyOrigin. There
	// is text only: sending a binary message is an error that wraps
	// [errors.ErrUnsupported], as is a text with a byte 0xFF, which would end it early,
	// and a ping. A message leaves as a whole, also that of a [Conn.Writer]. The closing
	// handshake has neither status nor reason: what a [Conn.Close] says is not sent, and
	// a peer that closes is known under [StatusNoStatus]. Whoever wants a sign of life
	// asks for it in a message.
	LegacyDrafts bool

	// Draft76 are further choices for draft 76. Nil means the defaults. Without
	// LegacyDrafts it means nothing.
	Draft76 *Draft76

	// BareRefusals leaves the reason out of the close frame to a peer that broke
	// the rules, as the clients of some protocols expect. False means that the
	// peer is told.
	BareRefusals bool
}

// IsUpgrade reports whether r asks for a WebSocket: it names "websocket" under
// Upgrade and "upgrade" under Connection, or is an extended CONNECT for one
// (RFC 8441). It does not say that the handshake is in order; [Accept] does.
func IsUpgrade(r *http.Request) bool {
	return isExtendedConnect(r) || hasToken(r.Header["Upgrade"], "websocket") && hasToken(r.Header["Connection"], "upgrade")
}

// RequestedSubprotocols returns the subprotocols that r offers, in the client's order of
// preference; nil if there are none, or the header is not a list of names. It is for
// those who choose by more than a list of [AcceptOptions.Subprotocols].
func RequestedSubprotocols(r *http.Request) []string {
	offered, err := parseTokens(r.Header["Sec-Websocket-Protocol"])
	if err != nil {
		return nil
	}
	return offered
}

// Accept performs the server's side of the opening handshake (RFC 6455 §4.2) and
// takes the connection over from net/http. On an error it has answered the
// request:
//
//	400  the handshake is malformed, or one of draft 76 that is not spoken
//	403  the Origin or the Host is not allowed
//	405  the method is not GET
//	426  the request is no WebSocket handshake, or not of a version that is spoken
//	429  the address has too many connections
//	431  the headers are longer than the limit
//	500  the ResponseWriter cannot be hijacked, or Draft76.Location has no answer
//
// Headers set on w before, cookies for instance, go out with the answer. The
// context of r ends when the handler returns, not when the peer goes away.
//
// Over HTTP/2 Accept takes the extended CONNECT of RFC 8441 and answers 200. Clients
// use it where net/http offers it, and HTTP/1.1 where not. net/http offers it if the
// environment had GODEBUG=http2xconnect=1 when the process started (Go 1.24 to 1.26;
// neither a //go:debug line nor os.Setenv in main will do), and then on all servers
// of the process that speak HTTP/2: an http.Server whose other WebSockets are served
// by packages without RFC 8441 must leave HTTP2 out of its Protocols. The pattern the
// handler is mounted under must not name the method, which is CONNECT. The stream
// is lent to the handler: it must not return before [Conn.Close] or [Conn.CloseNow]
// has.
func Accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	c, err := accept(w, r, o, nil)
	if err != nil {
		return nil, err
	}
	if c.link == nil {
		c.listen()
	}
	return c, nil
}

// accept performs the handshake, and sends first with it. Nothing is read yet.
func accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions, first []Message) (*Conn, error) {
	if o == nil {
		o = &AcceptOptions{}
	}
	t, no := agree(r, o)
	if no != nil {
		o.Stats.drop(no.drop)
		return nil, no.answer(w, r, o)
	}
	nc, early, err := takeOver(w, r)
	if err != nil {
		o.Limits.leave(t.from)
		o.Stats.drop(dropHandshake)
		return nil, (&refusal{status: http.StatusInternalServerError, err: fmt.Errorf("the connection cannot be taken over: %w", err)}).answer(w, r, o)
	}
	if t.version == hixie76 {
		if early, err = t.complete76(nc, early, o); err != nil {
			return nil, err
		}
	}
	c := newConn(nc, false, o.Limits, early)
	if c.version = t.version; c.version == hixie76 {
		c.bounds = o.Draft76.bounds(c.bounds)
	}
	c.admitted = t.from
	c.subprotocol = t.subprotocol
	if o.CloseReply != nil || o.BareRefusals {
		c.replies = &replies{o.CloseReply, o.BareRefusals}
	}
	if t.extensions != "" {
		c.useDeflate(t.deflate)
	}
	c.opened(o.Stats)
	c.attach()
	if err := c.switchProtocols(w.Header(), &t, first); err != nil {
		o.Stats.drop(dropHandshakeTimeout)
		c.end(err)
		return nil, fmt.Errorf("websocket: accept: %w", err)
	}
	return c, nil
}

// terms are what both sides have agreed on.
type terms struct {
	version     version
	key         string // that proves the handshake was understood
	subprotocol string
	extensions  string // the answer to the offer
	deflate     deflateParams
	from        netip.Addr

	// Of draft 76.
	challenge        challenge76
	origin, location string
}

// agree finds out whether the handshake is in order, and on what terms.
func agree(r *http.Request, o *AcceptOptions) (t terms, no *refusal) {
	t.version, t.key = askedVersion(r.Header), r.Header.Get("Sec-Websocket-Key")
	if no := checkHandshake(r, t.version, o); no != nil {
		return t, no
	}
	if t.version == hixie76 {
		if no := t.agree76(r, o); no != nil {
			return t, no
		}
	}
	offered, err := parseTokens(r.Header["Sec-Websocket-Protocol"])
	if err != nil {
		return t, &refusal{http.StatusBadRequest, err, dropHandshake}
	}
	t.subprotocol = choose(o.Subprotocols, offered)
	if t.version == version13 {
		if t.deflate, t.extensions, err = o.Compression.accept(r.Header["Sec-Websocket-Extensions"]); err != nil {
			return t, &refusal{http.StatusBadRequest, err, dropHandshake}
		}
	}
	t.from = remoteIP(r)
	if err := o.Limits.admit(t.from); err != nil {
		return t, &refusal{http.StatusTooManyRequests, err, dropConnsPerAddress}
	}
	return t, nil
}

// remoteIP is the address of the peer; middleware may have put one without a port there.
func remoteIP(r *http.Request) netip.Addr {
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return ap.Addr().Unmap()
	}
	addr, _ := netip.ParseAddr(r.RemoteAddr) // of a Unix socket there is none
	return addr.Unmap()
}

// takeOver returns the connection under r, and what net/http has read from it
// already.
func takeOver(w http.ResponseWriter, r *http.Request) (net.Conn, []byte, error) {
	if isExtendedConnect(r) {
		s, err := newServerStream(w, r)
		return s, nil, err
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, err := buffered(rw.Reader)
	if err != nil {
		nc.Close()
	}
	return nc, early, err
}

// refusal is an answer to a handshake that fails.
type refusal struct {
	status int
	err    error
	drop   reason // under which it is counted
}

// answer writes the refusal and returns what Accept returns.
func (no *refusal) answer(w http.ResponseWriter, r *http.Request, o *AcceptOptions) error {
	h := w.Header()
	switch {
	case no.status == http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodGet)
	case no.status == http.StatusUpgradeRequired && r.ProtoMajor == 1:
		h.Set("Sec-WebSocket-Version", spokenVersions(o.LegacyDrafts)) // RFC 6455 §4.4
		h.Set("Upgrade", "websocket")
		h.Set("Connection", "Upgrade")
	case no.status == http.StatusUpgradeRequired:
		h.Set("Sec-WebSocket-Version", "13")
	}
	if r.ProtoMajor == 1 && (r.ContentLength != 0 || isHixie76(r.Header)) && no.status != http.StatusUpgradeRequired {
		h.Set("Connection", "close") // or net/http would wait for the body before it answers, or take it for a request
	}
	reason := strings.TrimPrefix(no.err.Error(), "websocket: ")
	http.Error(w, reason, no.status)
	return fmt.Errorf("websocket: accept: %s", reason)
}

// checkHandshake goes through RFC 6455 §4.2.1, or through RFC 8441 §5.
func checkHandshake(r *http.Request, v version, o *AcceptOptions) *refusal {
	var no *refusal
	switch r.ProtoMajor {
	case 2:
		no = checkExtendedConnect(r)
	default:
		no = checkUpgrade(r, v, o.LegacyDrafts)
	}
	if no != nil {
		no.drop = dropHandshake
		return no
	}
	if headerBytesOf(r.Header) > o.Limits.headerBytes() {
		return &refusal{http.StatusRequestHeaderFieldsTooLarge, errors.New("the headers are too long"), dropHeaderBytes}
	}
	if len(o.Hosts) > 0 && !slices.ContainsFunc(o.Hosts, func(host string) bool { return strings.EqualFold(host, r.Host) }) {
		return &refusal{http.StatusForbidden, fmt.Errorf("host %q is not served here", r.Host), dropHost}
	}
	if err := checkOrigin(r, v, o); err != nil { // RFC 6455 §4.2.2: 403
		return &refusal{http.StatusForbidden, err, dropOrigin}
	}
	return nil
}

// headerBytesOf is the length of the headers as HTTP/1.1 writes them.
func headerBytesOf(h http.Header) int {
	n := 0
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(": \r\n") + len(v)
		}
	}
	return n
}

func checkUpgrade(r *http.Request, v version, drafts bool) *refusal {
	refuse := func(status int, reason string) *refusal { return &refusal{status: status, err: errors.New(reason)} }
	h := r.Header
	switch {
	case r.Method != http.MethodGet:
		return refuse(http.StatusMethodNotAllowed, "a WebSocket handshake is a GET request")
	case !hasToken(h["Upgrade"], "websocket"):
		return refuse(http.StatusUpgradeRequired, "this is a WebSocket endpoint")
	case !hasToken(h["Connection"], "upgrade"):
		return refuse(http.StatusBadRequest, `the Connection header does not contain "upgrade"`)
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return refuse(http.StatusBadRequest, "a WebSocket handshake needs HTTP/1.1")
	case r.Host == "":
		return refuse(http.StatusBadRequest, "the Host header is missing")
	case v == hixie76 && !drafts: // not 426: the connection cannot be kept
		return refuse(http.StatusBadRequest, "draft 76 of the protocol is not spoken here, version 13 is")
	case v == hixie76:
		return nil
	case v == unknownVersion || v != version13 && !drafts:
		return refuse(http.StatusUpgradeRequired, "of the protocol, these versions are spoken here: "+spokenVersions(drafts))
	case len(h["Sec-Websocket-Key"]) != 1 || !isKey(h["Sec-Websocket-Key"][0]):
		return refuse(http.StatusBadRequest, "Sec-WebSocket-Key must be given once and be 16 bytes in base64")
	case r.ContentLength != 0: // else it would be read as frames
		return refuse(http.StatusBadRequest, "a WebSocket handshake has no body")
	}
	return nil
}

// isKey reports whether s is a 16-byte nonce in base64 (RFC 6455 §4.2.1).
func isKey(s string) bool {
	var nonce [18]byte // what 24 characters without padding hold
	if len(s) != 24 {
		return false
	}
	n, err := base64.StdEncoding.Decode(nonce[:], []byte(s))
	return err == nil && n == 16
}

// acceptKey is the answer to a key that proves the handshake was understood
// (RFC 6455 §4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// buffered returns what net/http has read from the connection already.
func buffered(r *bufio.Reader) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	return r.Peek(r.Buffered())
}

// ourHeaders are not taken over from the ResponseWriter: they are the
// handshake's, or speak of a body.
var ourHeaders = map[string]bool{
	"Connection":               true,
	"Content-Encoding":         true,
	"Content-Length":           true,
	"Content-Type":             true,
	"Sec-Websocket-Accept":     true,
	"Sec-Websocket-Extensions": true,
	"Sec-Websocket-Location":   true,
	"Sec-Websocket-Origin":     true,
	"Sec-Websocket-Protocol":   true,
	"Sec-Websocket-Version":    true,
	"Trailer":                  true,
	"Transfer-Encoding":        true,
	"Upgrade":                  true,
}

// switchProtocols writes the answer that completes the handshake (RFC 6455 §4.2.2),
// and first behind it.
func (c *Conn) switchProtocols(h http.Header, t *terms, first []Message) error {
	timeout := c.limits.handshakeTimeout()
	if c.link != nil {
		if s, ok := c.link.nc.(*serverStream); ok {
			return c.openStream(s, t.extensions, timeout, first)
		}
	}
	buf := getBuffer(1 << 10)
	defer putBuffer(buf)
	b := t.appendHead(buf.b)
	if c.subprotocol != "" {
		b = append(b, "\r\nSec-WebSocket-Protocol: "...)
		b = append(b, c.subprotocol...)
	}
	if t.extensions != "" {
		b = append(b, "\r\nSec-WebSocket-Extensions: "...)
		b = append(b, t.extensions...)
	}
	b = append(b, "\r\n"...)
	if len(h) > 0 {
		var ours bytes.Buffer
		if err := h.WriteSubset(&ours, ourHeaders); err != nil {
			return err
		}
		b = append(b, ours.Bytes()...)
	}
	b = append(b, "\r\n"...)
	if c.version == hixie76 {
		proof := t.challenge.answer()
		b = append(b, proof[:]...)
	}
	q := queues.Get().(*queue)
	defer q.free()
	q.share(b)
	if err := c.greet(q, first); err != nil {
		return err
	}
	return c.writeHandshake(q, timeout)
}

// greet adds what a server says first.
func (c *Conn) greet(q *queue, first []Message) error {
	for _, m := range first {
		if err := c.checkMessage(m.Type, m.Data); err != nil {
			return err // the server greets with what the version does not have
		}
		q.frame(header{op: opcode(m.Type), old: c.version == hixie76}, m.Data, 0, false)
	}
	return nil
}

// appendHead appends the first lines of the answer, without the end of the last.
func (t *terms) appendHead(b []byte) []byte {
	if t.version == hixie76 {
		return t.appendHead76(b)
	}
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	return append(b, acceptKey(t.key)...)
}

// openStream is switchProtocols over HTTP/2.
func (c *Conn) openStream(s *serverStream, extensions string, timeout time.Duration, first []Message) error {
	q := queues.Get().(*queue)
	defer q.free()
	if err := c.greet(q, first); err != nil {
		return err
	}
	if err := s.open(c.subprotocol, extensions, timeout); err != nil || q.bytes == 0 {
		return err
	}
	return c.writeHandshake(q, timeout)
}

// writeHandshake writes q, within the timeout. net/http has put an end to its own
// deadlines.
func (c *Conn) writeHandshake(q *queue, timeout time.Duration) error {
	if c.link == nil {
		if err := c.writeRaw(q); err != nil || q.bytes == 0 {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		return c.writeWaiting(ctx, q)
	}
	nc := c.link.nc
	if err := nc.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	for q.bytes > 0 {
		n, err := c.link.write(q)
		if q.take(int(n)); err != nil {
			return err
		}
	}
	c.stats.sent(int64(q.frames), 0)
	return nc.SetWriteDeadline(time.Time{})
}

// choose returns the first of ours that is among offered, or "".
func choose(ours, offered []string) string {
	for _, p := range ours {
		if slices.Contains(offered, p) {
			return p
		}
	}
	return ""
}

// hasToken reports whether one of the header's comma-separated values is token,
// without regard to case.
func hasToken(values []string, token string) bool {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(trimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// parseTokens splits the values of a header that is a list of tokens (RFC 9110
// §5.6.1 and §5.6.2). Empty elements are skipped. The time is linear in the length.
func parseTokens(values []string) ([]string, error) {
	var tokens []string
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			token := trimSpace(part)
			if !isToken(token) {
				return nil, errors.New("Sec-WebSocket-Protocol is not a list of tokens")
			}
			if token != "" {
				tokens = append(tokens, token)
			}
		}
	}
	return tokens, nil
}

// trimSpace removes optional whitespace (RFC 9110 §5.6.3).
func trimSpace(s string) string { return strings.Trim(s, " \t") }

// isToken reports whether s has only characters a token may have.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}
