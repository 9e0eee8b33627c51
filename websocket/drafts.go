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

// Draft76 are the choices of a server that speaks draft 76 of the protocol, which is part of
// [AcceptOptions.LegacyDrafts]. A nil *Draft76 means the zero value.
type Draft76 struct {
	// MessageBytes limits a message of a peer of draft 76, beside
	// [Limits.MessageBytes], and what it sends that is to be ignored. Beyond it the
	// connection is closed. Zero means 16 KiB.
	MessageBytes int64

	// Location returns the address of the server as the client knows it, which compares
	// it letter by letter: "wss://example.com/chat?room=1". Nil means
	// ws, or wss over TLS, with the host and the path of the request; a server behind a proxy
	// that ends TLS, or changes the host or the path, has to say what they were. It is
	// called for each handshake of draft 76, on the goroutine of the request.
	Location func(r *http.Request) string
}

// bounds are those of a connection of draft 76.
func (d *Draft76) bounds(other *bounds) *bounds {
	limit := int64(16 << 10)
	if d != nil {
		limit = positive(d.MessageBytes, limit)
	}
	b := *other
	b.message = min(b.message, limit)
	b.frame = b.message
	return &b
}

// spokenVersions are those a server speaks, as its answer lists them (RFC 6455 §4.4).
func spokenVersions(drafts bool) string {
	if drafts {
		return "13, 8, 7"
	}
	return "13"
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
