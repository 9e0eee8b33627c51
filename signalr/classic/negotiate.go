package classic

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// negotiate answers a client that wants to connect: who it is from now on, and the
// times that it needs to know.
func (e *endpoint) negotiate(w http.ResponseWriter, q *request) {
	if e.redirect(w, q) {
		return
	}
	o, id := &e.o, newGUID()
	dst := rawjson.AppendString([]byte(`{"Url":`), q.base(o))
	dst = rawjson.AppendString(append(dst, `,"ConnectionToken":`...), e.keys.connection(id, q.user()))
	dst = rawjson.AppendString(append(dst, `,"ConnectionId":`...), id)
	dst = append(dst, `,"KeepAliveTimeout":`...)
	if o.KeepAlive > 0 {
		dst = appendSeconds(dst, 2*o.KeepAlive)
	} else {
		dst = append(dst, "null"...)
	}
	dst = appendSeconds(append(dst, `,"DisconnectTimeout":`...), o.DisconnectTimeout)
	dst = appendSeconds(append(dst, `,"ConnectionTimeout":`...), o.ConnectionTimeout)
	dst = strconv.AppendBool(append(dst, `,"TryWebSockets":`...), o.Transports.has(WebSockets))
	dst = rawjson.AppendString(append(dst, `,"ProtocolVersion":`...), q.speaks().String())
	dst = appendSeconds(append(dst, `,"TransportConnectTimeout":`...), o.TransportConnectTimeout)
	dst = appendSeconds(append(dst, `,"LongPollDelay":`...), o.LongPollDelay)
	answerJSON(w, q, string(append(dst, '}')))
}

// appendSeconds writes a duration as .NET writes a double.
func appendSeconds(dst []byte, d time.Duration) []byte {
	n := len(dst)
	dst = strconv.AppendFloat(dst, d.Seconds(), 'f', -1, 64)
	if !strings.Contains(string(dst[n:]), ".") {
		dst = append(dst, ".0"...)
	}
	return dst
}

// noWords is for a refusal that says nothing: clients take an empty error for none.
const noWords = "The server refused the connection."

// redirect sends a client elsewhere, or away. It tells whether it has answered.
func (e *endpoint) redirect(w http.ResponseWriter, q *request) bool {
	if e.o.Redirect == nil {
		return false
	}
	to, token, err := e.o.Redirect(q.Request)
	if err == nil && to == "" {
		return false
	}
	dst := rawjson.AppendString([]byte(`{"ProtocolVersion":`), redirects.String())
	if err != nil {
		said := e.refusalOf(err, noWords)
		if said == noWords {
			e.log.Error("classic: Redirect failed", "error", err)
		}
		dst = rawjson.AppendString(append(dst, `,"Error":`...), said)
		answerJSON(w, q, string(append(dst, '}')))
		return true
	}
	dst = rawjson.AppendString(append(dst, `,"RedirectUrl":`...), withoutSlash(to))
	if token != "" {
		dst = rawjson.AppendString(append(dst, `,"AccessToken":`...), token)
	}
	answerJSON(w, q, string(append(dst, '}')))
	return true
}

// withoutSlash is a URL whose path does not end in a slash: clients append "/send",
// and what becomes of a POST to "//send" depends on the server.
func withoutSlash(to string) string {
	u, err := url.Parse(to)
	if err != nil {
		return to
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u.String()
}

// newGUID makes up a connection's ID, as .NET writes it (RFC 9562 §5.4).
func newGUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

const (
	typeJSON   = "application/json; charset=UTF-8"
	typeScript = "application/javascript; charset=UTF-8"
)

// answerJSON answers with JSON, or with a script that hands it to the callback.
func answerJSON(w http.ResponseWriter, q *request, json string) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Content-Type", typeJSON)
	body := []byte(json)
	if callback := q.callback(); callback != "" {
		h.Set("Content-Type", typeScript)
		body = appendCallback(nil, callback, body)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) // a client that has gone needs no answer
}

// callback is the function that is to be called with the answer; empty for none.
func (q *request) callback() string { return q.query.Get("callback") }

func appendCallback(dst []byte, callback string, json []byte) []byte {
	dst = appendScript(append(append(dst, callback...), '('), json)
	return append(dst, ");"...)
}

// scripted is the request, with the origin of the page that made it by a script
// element: browsers name that in the Referer alone, and a page can have them leave it
// out, which is "null" then. Only JSONP is made so.
func (e *endpoint) scripted(q *request) *http.Request {
	r := q.Request
	site := r.Header.Get("Sec-Fetch-Site")
	if !e.o.EnableJSONP || q.callback() == "" || r.Header.Get("Origin") != "" || site == "same-origin" || site == "none" {
		return r
	}
	origin := "null"
	if page, err := url.Parse(r.Header.Get("Referer")); err == nil && page.Host != "" {
		origin = page.Scheme + "://" + page.Host
	}
	copied := *r
	copied.Header = r.Header.Clone()
	copied.Header.Set("Origin", origin)
	return &copied
}

func frameCallback(callback string) func(e *wire.Encoded) []byte {
	return func(e *wire.Encoded) []byte { return appendCallback(nil, callback, e.Data) }
}
