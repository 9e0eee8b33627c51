package websocket

import (
	"errors"
	"net/http"
)

// version is what was agreed on in the handshake.
type version uint8

const (
	version13 version = iota // RFC 6455
	version8                 // drafts 8 to 12 of the working group, hybi
	version7                 // its draft 7
	hixie76                  // Hixie's draft 76, which is hybi's 00
	versions
	unknownVersion = versions
)

var versionNames = [versions]string{"13", "8", "7", "hixie-76"}

// LegacyDrafts are the choices of a server that also speaks drafts of the protocol, as
// browsers and devices of 2010 and 2011 do.
//
// Versions 7 and 8 (Firefox 6 to 10, Chrome 14 and 15) are RFC 6455 in all but details,
// and no less safe. They are not compressed.
//
// Draft 76 (Safari 5, iOS 4.2 to 5, Chrome 6 to 13, Opera 10.70 to 12, televisions) is
// dangerous for those who use it. A page chooses every byte its browser sends, for nothing
// is masked, and many a proxy that does not know WebSockets takes these bytes for
// further requests: so the page of an attacker has had such a proxy remember his answers as
// those of other sites, for everybody behind it. Nothing a server does can mend that; it
// can only not ask for it. Clients of RFC 6455 are in no danger from a server that
// knows draft 76. Serve it over wss where you can: proxies cannot look inside.
//
// So of draft 76 there is the least that works. Every request must have an Origin that
// is of the same host or listed in [AcceptOptions.Origins], also with InsecureAnyOrigin. There
// is text only: sending a binary message is an error that wraps [errors.ErrUnsupported], as
// is a text with a byte 0xFF, which would end it early, and a ping. A message leaves
// as a whole, also that of a [Conn.Writer]. The closing handshake has neither status nor reason:
// what a [Conn.Close] says is not sent, and a peer that closes is known under
// [StatusNoStatus]. Whoever wants a sign of life asks for it in a message.
type LegacyDrafts struct {
	// MessageBytes limits a message of a peer of draft 76, beside
	// [Limits.MessageBytes], and what it sends that is to be ignored. Beyond it the
	// connection is closed. Zero means 16 KiB.
	MessageBytes int64

	// Location returns the address of the server as the client of draft 76 knows it,
	// which compares it letter by letter: "wss://example.com/chat?room=1". Nil means
	// ws, or wss over TLS, with the host and the path of the request; a server behind a proxy
	// that ends TLS, or changes the host or the path, has to say what they were. It is
	// called for each handshake of draft 76, on the goroutine of the request.
	Location func(r *http.Request) string
}

// bounds are those of a connection of draft 76.
func (l *LegacyDrafts) bounds(other *bounds) *bounds {
	b := *other
	b.message = min(b.message, positive(l.MessageBytes, 16<<10))
	b.frame = b.message
	return &b
}

// spoken are the versions a server speaks, as its answer lists them (RFC 6455 §4.4).
func (l *LegacyDrafts) spoken() string {
	if l == nil {
		return "13"
	}
	return "13, 8, 7"
}

// speaks reports whether the server speaks v.
func (l *LegacyDrafts) speaks(v version) bool {
	return v == version13 || l != nil && v < versions
}

// askedVersion is the version a request asks for.
func askedVersion(h http.Header) version {
	values := h["Sec-Websocket-Version"]
	if len(values) == 0 && isHixie76(h) {
		return hixie76
	}
	if len(values) != 1 {
		return unknownVersion
	}
	for v := range hixie76 {
		if values[0] == versionNames[v] {
			return v
		}
	}
	return unknownVersion
}

// checkOrigin checks where the page comes from that asks for version v.
func checkOrigin(r *http.Request, v version, o *AcceptOptions) error {
	if v == hixie76 && len(r.Header["Origin"]) == 0 {
		return errors.New("draft 76 of the protocol needs an Origin")
	}
	if o.InsecureAnyOrigin && v != hixie76 {
		return nil
	}
	if err := CheckOrigin(r, o.Origins); err != nil {
		return err
	}
	if v == version7 || v == version8 { // under which browsers of these versions sent it
		return checkOriginValues(r.Header["Sec-Websocket-Origin"], r.Host, o.Origins)
	}
	return nil
}
