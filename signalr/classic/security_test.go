package classic_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr/classic"
)

// Each test is a weakness that some server had once, or an attack on what classic SignalR has alone.

// refused sends a GET and wants a status and a text in its answer.
func refused(t *testing.T, what string, p *page, verb string, more url.Values, want int, text string) {
	t.Helper()
	if status, body := p.get(verb, more); status != want || !strings.Contains(body, text) {
		t.Errorf("%s: %s answered %d %.200q, want %d %q", what, verb, status, body, want, text)
	}
}

const (
	noToken     = "Protocol error: Missing connection token."
	badToken    = "The ConnectionId is in the incorrect format."
	noTransport = "Protocol error: Unknown transport."
	otherUser   = "Unrecognized user identity.  The user identity cannot change during an active SignalR connection."
)

// TestForgedConnectionTokens: no way in takes a token that is missing, made up or cut.
func TestForgedConnectionTokens(t *testing.T) {
	base := serve(t, newRoom().hubs(), nil)
	p := newPage(t, base, "serverSentEvents", "chathub")
	p.negotiate()
	token := p.token
	for _, verb := range []string{"connect", "start", "send", "poll", "reconnect", "abort", "whatever"} {
		refused(t, "no token", p, verb, url.Values{"connectionToken": {""}}, http.StatusBadRequest, noToken)
		for _, forged := range []string{"x", token + "A", token[1:], token[:len(token)-2], strings.ToUpper(token), p.id, p.id + ":ann", strings.Repeat("A", 100), "\x00", "%00\r\n"} {
			refused(t, "a forged token", p, verb, url.Values{"connectionToken": {forged}}, http.StatusBadRequest, badToken)
		}
		refused(t, "an unknown transport before a missing token", p, verb, url.Values{"transport": {"carrierPigeon"}, "connectionToken": {""}}, http.StatusBadRequest, noTransport)
	}
	p.connect("connect") // the true one still works
	p.started()
	quiet(p)
}

// TestTokenOfAnotherServer: a server without a key takes nobody else's clients.
func TestTokenOfAnotherServer(t *testing.T) {
	here, there := serve(t, newRoom().hubs(), nil), serve(t, newRoom().hubs(), nil)
	p := newPage(t, here, "serverSentEvents", "chathub")
	p.negotiate()
	p.base = there
	refused(t, "another server's token", p, "connect", nil, http.StatusBadRequest, badToken)
}

// TestTokenOfAnotherUser: whoever gets hold of a token is still not who negotiated it, on no way in.
func TestTokenOfAnotherUser(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		r := newRoom()
		base := serve(t, r.hubs(), nil)
		p := newPage(t, base, transport, "chathub")
		p.as("X-User", "Ann")
		p.open()
		thief := newPage(t, base, transport, "chathub")
		thief.token = p.token
		thief.cursor, _ = p.place()
		for _, user := range []string{"", "eve", "an", "Ann "} {
			thief.as("X-User", user)
			for _, verb := range []string{"connect", "reconnect", "poll", "start", "send", "abort"} {
				if user == "Ann " {
					continue // net/http trims it
				}
				refused(t, "as "+user, thief, verb, nil, http.StatusForbidden, otherUser)
			}
		}
		quiet(p) // it has noticed nothing
		if len(r.disconnects) > 0 || r.Stats().Conns != 1 {
			t.Errorf("%d connections, %d ended", r.Stats().Conns, len(r.disconnects))
		}
		p.as("X-User", "ANN") // user names do not depend on case
		p.drop()
		p.reconnect()
		quiet(p)
	})
}

// TestTokenOfNobodyIsNotAUsers: who was nobody does not become somebody.
func TestTokenOfNobodyIsNotAUsers(t *testing.T) {
	p := newPage(t, serve(t, newRoom().hubs(), nil), "serverSentEvents", "chathub")
	p.negotiate()
	p.as("X-User", "ann")
	refused(t, "nobody's token", p, "connect", nil, http.StatusForbidden, otherUser)
}

// TestGroupsTokenIsNoConnectionToken, nor the other way round, nor any other text: who brings one is in no group.
func TestGroupsTokenIsNoConnectionToken(t *testing.T) {
	first, second := newRoom(), newRoom()
	before := serve(t, first.hubs(), &classic.Options{Key: secretKey})
	afterwards := serve(t, second.hubs(), &classic.Options{Key: secretKey})
	for name, wrong := range map[string]func(p *page, groups string) string{
		"of the connection": func(p *page, _ string) string { return p.token },
		"longer":            func(_ *page, groups string) string { return groups + "A" },
		"shorter":           func(_ *page, groups string) string { return groups[:len(groups)-1] },
		"a group":           func(*page, string) string { return "ChatHub.lobby" },
		"groups":            func(*page, string) string { return `["ChatHub.lobby"]` },
		"as they stand":     func(p *page, _ string) string { return p.id + `:["ChatHub.lobby"]` },
		"very long":         func(*page, string) string { return strings.Repeat("A", 50_000) },
	} {
		p := open(t, before, "serverSentEvents", "chathub")
		p.invoke("chathub", "join", "lobby")
		quiet(p)
		p.wait("a groups token", func() bool { return p.groups != "" })
		_, groups := p.place()
		refused(t, "a groups token", p, "connect", url.Values{"connectionToken": {groups}}, http.StatusBadRequest, badToken)
		p.drop()
		q := newPage(t, afterwards, "serverSentEvents", "chathub")
		q.token, q.id, q.groups = p.token, p.id, wrong(p, groups)
		q.reconnect()
		c := next(t, "OnConnect", second.connects)
		if len(c.groups) > 0 {
			t.Errorf("%s led into %q", name, c.groups)
		}
		quiet(q)
		if status, _ := q.post("abort", url.Values{}, nil); status != http.StatusOK {
			t.Fatalf("abort: %d", status)
		}
		next(t, "OnDisconnect", second.disconnects)
		q.drop()
	}
}

// TestFrameIDsAreNumbers: what is pasted into a page of a forever frame.
func TestFrameIDsAreNumbers(t *testing.T) {
	p := newPage(t, serve(t, newRoom().hubs(), nil), "foreverFrame", "chathub")
	p.negotiate()
	for _, id := range []string{"", "x", "-1", "1.5", "1e3", "0x1", "4294967296", "99999999999999999999", "1'", "');alert(1);('", "</script>", " 1", "1 ", "+1", "１"} {
		refused(t, id, p, "connect", url.Values{"frameId": {id}}, http.StatusBadRequest, "")
	}
	for _, id := range []string{"0", "4294967295"} {
		q := newPage(t, p.base, "foreverFrame", "chathub")
		q.negotiate()
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := q.request(ctx, http.MethodGet, q.url("connect", url.Values{"frameId": {id}}), nil, "")
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 64)
		io.ReadFull(resp.Body, head)
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("frame %s: %s %v %q", id, resp.Status, resp.Header, head)
		}
		cancel()
		resp.Body.Close()
	}
}

// TestScriptsInMessages: nothing that is sent ends the script it stands in.
func TestScriptsInMessages(t *testing.T) {
	const evil = "</script><script>alert(1)</script><!-- \u2028\u2029 &"
	for _, transport := range []string{"foreverFrame", "serverSentEvents"} { // the client complains about < and > in a frame
		p := open(t, serve(t, newRoom().hubs(), nil), transport, "chathub")
		p.invoke("chathub", "all", evil)
		var got string
		e := p.take("the event", isEvent("all"))
		if err := parseText(e.args(), &got); err != nil || got != evil {
			t.Errorf("%s: got %q %v", transport, got, err)
		}
		if wrong := p.complaints(); len(wrong) > 0 {
			t.Errorf("%s: %q", transport, wrong)
		}
	}
}

// TestCallbackNames: on every way in, a script is only what a page has named, and only where that is switched on.
func TestCallbackNames(t *testing.T) {
	off := newPage(t, serve(t, newRoom().hubs(), nil), "longPolling", "chathub")
	off.negotiate()
	on := newPage(t, serve(t, newRoom().hubs(), &classic.Options{EnableJSONP: true}), "longPolling", "chathub")
	on.as("Referer", on.base)
	on.negotiate()
	on.connect("connect")
	on.started()
	for _, verb := range []string{"negotiate", "ping", "connect", "start", "send", "poll", "reconnect", "abort"} {
		if verb != "abort" { // which is never JSONP
			refused(t, "JSONP that is off", off, verb, url.Values{"callback": {"cb"}}, http.StatusForbidden, "Forbidden: JSONP is disabled.")
		}
		for _, name := range []string{"alert(1)", "a;b", "a b", "<script>", "new", "a..b", "1a", "a\r\nX: y", "é"} {
			status, body := on.get(verb, url.Values{"callback": {name}})
			if status < 400 && verb != "abort" || strings.Contains(body, name) {
				t.Errorf("%s with the callback %q: got %d %.200q", verb, name, status, body)
			}
			if verb == "abort" {
				break
			}
		}
		if verb == "reconnect" {
			break // what follows would end the connection
		}
	}
	status, body := on.get("ping", url.Values{"callback": {"jQuery1_2.a"}})
	if status != http.StatusOK || !strings.HasPrefix(body, "jQuery1_2.a({") || !strings.HasSuffix(strings.TrimSpace(body), ");") {
		t.Errorf("ping: got %d %q", status, body)
	}
}

// TestPathOfTheScript: whoever asks for the script of proxies chooses its path.
func TestPathOfTheScript(t *testing.T) {
	base := serve(t, newRoom().hubs(), nil)
	p := newPage(t, base, "webSockets")
	for _, path := range []string{`/x");alert(1);("/hubs`, "/</script>/js", "/'%22/hubs/"} {
		status, body := p.do(http.MethodGet, base+(&url.URL{Path: path}).EscapedPath(), nil, "")
		if status != http.StatusOK {
			continue // not there: just as well
		}
		_, after, _ := strings.Cut(body, "$.hubConnection(\"")
		quoted, _, _ := strings.Cut(after, ", { useDefaultPath")
		var got string
		if err := parseText(`"`+quoted, &got); err != nil || strings.ContainsAny(quoted, "<>") {
			t.Errorf("%s: the script has %s", path, quoted)
		}
	}
}

// CVE-2017-16031: predictable identifiers.
func TestCVE_2017_16031_PredictableIDs(t *testing.T) {
	p := newPage(t, serve(t, newRoom().hubs(), nil), "webSockets", "chathub")
	seen := map[string]bool{}
	const many = 200
	for range many {
		p.token = ""
		p.negotiate()
		if seen[p.id] || seen[p.token] || strings.Contains(p.token, p.id) {
			t.Fatalf("%s or its token came twice, or shows it", p.id)
		}
		seen[p.id], seen[p.token] = true, true
		if len(p.id) != 36 || strings.Count(p.id, "-") != 4 {
			t.Fatalf("%s is no GUID", p.id)
		}
	}
}

// CVE-2020-28481, CVE-2026-55883, CVE-2026-42283, GO-2025-3874, CVE-2026-46431, CVE-2025-59163: pages of other
// origins, on every way in.
func TestCVE_2026_55883_OtherOrigins(t *testing.T) {
	base := serve(t, newRoom().hubs(), &classic.Options{Origins: []string{"https://friend.example"}})
	for _, transport := range transports {
		p := newPage(t, base, transport, "chathub")
		p.negotiate()
		for _, origin := range []string{"https://evil.example", "null", "https://friend.example.evil.example", "http://friend.example"} {
			p.as("Origin", origin)
			for _, verb := range []string{"negotiate", "ping", "connect", "start", "send", "poll", "reconnect", "abort"} {
				refused(t, "a page of "+origin, p, verb, url.Values{"frameId": {"1"}}, http.StatusForbidden, "")
			}
			if s := p.openStream("connect"); transport == "webSockets" {
				<-s.done
				if s.err == nil {
					t.Errorf("a WebSocket of %s was let in", origin)
				}
			} else {
				p.drop()
			}
		}
		p.as("Origin", "https://friend.example")
		if transport != "foreverFrame" { // its pages are of one origin with their server
			p.open()
			quiet(p)
		}
	}
}

// CVE-2022-42975: a wildcard that matches other domains.
func TestCVE_2022_42975_Wildcard(t *testing.T) {
	p := newPage(t, serve(t, newRoom().hubs(), &classic.Options{Origins: []string{"*.example.com"}}), "serverSentEvents", "chathub")
	for origin, want := range map[string]int{
		"https://a.example.com": http.StatusOK, "https://evil-example.com": http.StatusForbidden, "https://a.example.com.evil.test": http.StatusForbidden,
		"https://example.com.": http.StatusForbidden,
	} {
		p.as("Origin", origin)
		if status, _ := p.get("negotiate", nil); status != want {
			t.Errorf("%s: got %d, want %d", origin, status, want)
		}
	}
}

// CVE-2020-36048: large bodies, with and without a length. None is read beyond its limit.
func TestCVE_2020_36048_LargeBodies(t *testing.T) {
	for _, transport := range transports[1:] {
		p := open(t, serve(t, newRoom().hubs(), &classic.Options{MaxPostBytes: 256 << 10}), transport, "chathub")
		for _, verb := range []string{"send", "poll", "abort"} {
			if transport != "longPolling" && verb == "poll" {
				continue
			}
			large := strings.NewReader("data=" + strings.Repeat("x", 256<<10))
			status, _ := p.do(http.MethodPost, p.url(verb, nil), large, "")
			if status != http.StatusRequestEntityTooLarge && (verb != "abort" || status != http.StatusOK) {
				t.Errorf("%s, %s with a length: got %d, want 413", transport, verb, status)
			}
			if verb == "abort" {
				break
			}
			endless := &endless{}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			resp, err := p.request(ctx, http.MethodPost, p.url(verb, nil), endless, "application/x-www-form-urlencoded")
			if err == nil {
				if resp.Body.Close(); resp.StatusCode != http.StatusRequestEntityTooLarge {
					t.Errorf("%s, %s without an end: got %s, want 413", transport, verb, resp.Status)
				}
			}
			if n := endless.bytes.Load(); n > 16<<20 {
				t.Errorf("%s, %s: %d bytes were taken", transport, verb, n)
			}
			cancel()
		}
	}
}

// endless is a body without an end.
type endless struct{ bytes atomic.Int64 }

func (e *endless) Read(b []byte) (int, error) {
	e.bytes.Add(int64(len(b)))
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// CVE-2022-21676, CVE-2022-41940, CVE-2023-31125: crafted requests. Whatever comes, in whichever state, gets an
// answer, and the next client is served. 500 is Microsoft's answer to hubs and messages that are none.
func TestCVE_2022_21676_CraftedRequests(t *testing.T) {
	r := newRoom()
	base := serve(t, r.hubs(), &classic.Options{EnableJSONP: true})
	for _, transport := range append(transports, "", "none", "WEBSOCKETS", "longpolling,webSockets") {
		for _, state := range []string{"unknown", "negotiated", "connected", "aborted"} {
			p := newPage(t, base, transport, "chathub")
			if state != "unknown" {
				p.negotiate()
			}
			if state == "connected" || state == "aborted" {
				p.status(http.MethodGet, "connect", url.Values{"frameId": {"1"}})
				p.status(http.MethodGet, "start", nil)
			}
			if state == "aborted" {
				p.status(http.MethodPost, "abort", nil)
			}
			for _, verb := range strings.Fields("negotiate ping start send hubs js nothing send/ .. %2e connect/x connect poll reconnect") {
				for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions, "FOO"} {
					p.crafted(state, method, verb, nil)
				}
				for _, more := range []url.Values{
					{"frameId": {"1"}}, {"messageId": {"d-x"}}, {"messageId": {"d-00000000-99999999999999999999"}}, {"connectionData": {"["}}, {"connectionData": {`[{"name":7}]`}},
					{"connectionData": {`{}`}}, {"connectionData": {connectionData("chathub", "ChatHub")}}, {"connectionData": {connectionData("nobody")}}, {"connectionData": {`[null]`}},
					{"connectionData": {strings.Repeat("[", 5000)}}, {"clientProtocol": {"99.99"}}, {"callback": {"cb"}}, {"tid": {strings.Repeat("9", 4000)}},
				} {
					p.crafted(state, http.MethodGet, verb, more)
				}
			}
		}
	}
	quiet(open(t, base, "webSockets", "chathub"))
}

func (p *page) crafted(state, method, verb string, more url.Values) {
	p.t.Helper()
	status := p.status(method, verb, more)
	known := more.Has("connectionData") || strings.HasPrefix(verb, "send")
	if status > http.StatusInternalServerError || status == http.StatusInternalServerError && !known {
		p.t.Errorf("%s, %s: %s %s with %v: %d", p.transport, state, method, verb, more, status)
	}
}

// status sends a request with an odd body and goes away when it knows the answer's status.
func (p *page) status(method, verb string, more url.Values) int {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	var body io.Reader
	if method != http.MethodGet {
		body = strings.NewReader("data={}&data=%zz&;")
	}
	resp, err := p.request(ctx, method, p.url(verb, more), body, "text/plain")
	if err != nil {
		p.t.Errorf("%s, %s %s with %v: %v", p.transport, method, verb, more, err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// CVE-2026-32689: a body that is nothing but separators, of a form.
func TestCVE_2026_32689_BodyOfSeparators(t *testing.T) {
	r := newRoom()
	p := open(t, serve(t, r.hubs(), nil), "serverSentEvents", "chathub")
	before := r.Stats().Received
	for _, body := range []string{strings.Repeat("&", 400_000), strings.Repeat("data&", 80_000), strings.Repeat("a=b&", 100_000), strings.Repeat(`data={"H":"chathub","M":"echo","A":[1]}&`, 9000)} {
		status, answer := p.do(http.MethodPost, p.url("send", nil), strings.NewReader(body), "application/x-www-form-urlencoded")
		if status != http.StatusOK && (status != http.StatusInternalServerError || strings.HasPrefix(body, "data={")) {
			t.Errorf("%.20q…: %d %.100s", body, status, answer)
		}
	}
	if got := r.Stats().Received - before; got > 1 {
		t.Errorf("%d calls were made of bodies with one message each at most", got)
	}
	quiet(p)
}

// CVE-2023-32695, CVE-2024-38355: odd names, which no object of JavaScript likes. They find no handler, and their
// connection goes on.
func TestCVE_2023_32695_OddNames(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		p := open(t, serve(t, newRoom().hubs(), nil), transport, "chathub")
		for _, name := range []string{"__proto__", "constructor", "toString", "OnConnected", "Dispose", strings.Repeat("x", 10_000), "\u0000", "a.b", "..", " "} {
			a := p.answer(p.call("chathub", name))
			if want := "'" + name + "' method could not be resolved. No method found with that name."; a.E != want || a.hubError {
				t.Errorf("%.20q: got %.100s", name, a.raw)
			}
			if name == "" {
				continue
			}
			a = p.answer(p.call(name, "echo", 1))
			if want := "'" + name + "' Hub could not be resolved."; a.E != want && (len(name) < 100 || len(a.E) > 200) {
				t.Errorf("hub %.20q: got %.100s", name, a.raw)
			}
		}
		quiet(p)
	})
}

// CVE-2019-0982, CVE-2020-0602, CVE-2024-21386: whatever a message is, its connection goes on or ends, and no other.
func TestCVE_2019_0982_BrokenMessages(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		base := serve(t, newRoom().hubs(), nil)
		other := open(t, base, transport, "chathub")
		p := open(t, base, transport, "chathub")
		for _, text := range []string{
			"x", "{", "null", "[]", `""`, "{}", `{"H":1}`, `{"H":"chathub","M":{}}`, `{"H":"chathub","M":"echo","A":{}}`, strings.Repeat("[", 30_000),
			`{"H":"chathub","M":"echo","A":` + strings.Repeat("[", 20_000), `{"I":{"I":1}}`, "\xff\xfe", `{"H":"chathub","M":"echo","S":[]}`, " ",
		} {
			if transport == "webSockets" && text == "\xff\xfe" {
				continue // no text at all: the protocol below says 1007
			}
			if status, body := p.send(text); status >= 500 && status != http.StatusInternalServerError {
				t.Errorf("%.30q: %d %.100s", text, status, body)
			}
			quiet(p)
		}
		for text, want := range map[string]string{
			`{"H":"chathub","M":"echo","A":{},"I":"a"}`:                                        "'A' is not an array",
			`{"H":"chathub","M":7,"I":"b"}`:                                                    "'M' is not a name",
			`{"H":"chathub","M":"echo","S":{"a":"` + strings.Repeat("x", 4096) + `"},"I":"c"}`: "State has exceeded the maximum length of 4096 bytes.",
		} {
			p.send(text)
			id := text[strings.LastIndex(text, `"I":`)+5:]
			if a := p.answer(id[:1]); a.E != want {
				t.Errorf("%.60s: got %s", text, a.raw)
			}
		}
		quiet(other)
	})
}

// CVE-2025-55070: one way in with weaker checks than the others.
func TestCVE_2025_55070_OneWayIn(t *testing.T) {
	r, secret := newRoom(), newRoom()
	o := &classic.Options{Authorize: func(req *http.Request, hub string) error {
		if hub == "Secret" && parley.UserOf(req.Context()) != "ann" {
			return parley.Errorf("no", "not you")
		}
		return nil
	}}
	base := serve(t, map[string]*parley.Hub{"ChatHub": r.Hub, "Secret": secret.Hub}, o)
	for _, transport := range transports {
		for user, want := range map[string]int{"": http.StatusUnauthorized, "eve": http.StatusForbidden} {
			p := newPage(t, base, transport, "secret")
			p.as("X-User", user)
			refused(t, user, p, "negotiate", nil, want, "")
			p.query.Set("connectionData", connectionData("chathub"))
			p.negotiate()
			p.query.Set("connectionData", connectionData("secret"))
			for _, verb := range []string{"connect", "reconnect", "poll", "start", "send"} {
				refused(t, user, p, verb, url.Values{"frameId": {"1"}}, want, "")
			}
			p.query.Set("connectionData", connectionData("chathub", "secret"))
			p.open() // it gets the hub it may have
			if a := p.answer(p.call("secret", "echo", 1)); a.E == "" {
				t.Errorf("%s as %q: a call to the other hub was answered: %s", transport, user, a.raw)
			}
			if err := secret.Send(t.Context(), "all", "psst"); err != nil {
				t.Fatal(err)
			}
			quiet(p)
			p.heardNothing(isEvent("all"))
		}
		ann := newPage(t, base, transport, "secret")
		ann.as("X-User", "ann")
		ann.open()
		if got := ann.invoke("secret", "echo", 1); got != "1" {
			t.Errorf("ann got %s", got)
		}
	}
}

// CVE-2025-27421: what aborted streams and polls leave behind.
func TestCVE_2025_27421_AbortedRequests(t *testing.T) {
	r := newRoom()
	base := serve(t, r.hubs(), nil)
	quiet(open(t, base, "webSockets", "chathub"))
	before := runtime.NumGoroutine()
	for _, transport := range transports {
		for range 20 {
			p := open(t, base, transport, "chathub")
			p.drop()
			if status, _ := p.post("abort", url.Values{}, nil); status != http.StatusOK {
				t.Fatalf("abort: %d", status)
			}
			next(t, "OnDisconnect", r.disconnects)
			p.client.CloseIdleConnections()
		}
	}
	const some = 30 // that net/http has not yet ended
	for late := after(t); runtime.NumGoroutine() > before+some; {
		select {
		case <-late:
			t.Fatalf("%d goroutines, before it were %d", runtime.NumGoroutine(), before)
		default:
			runtime.Gosched()
		}
	}
	if got := r.Stats().Conns; got != 1 {
		t.Errorf("%d connections are left, want 1", got)
	}
}

// CVE-2026-33219, CVE-2026-53522: negotiations that lead nowhere cost nothing, and connections have a limit.
func TestCVE_2026_33219_ConnectionsWithoutEnd(t *testing.T) {
	r := newRoom()
	base := serve(t, r.hubs(), &classic.Options{MaxConnections: 3})
	p := newPage(t, base, "serverSentEvents", "chathub")
	for range 300 {
		p.token = ""
		p.negotiate()
	}
	if got := r.Stats().Conns; got != 0 {
		t.Errorf("%d connections of negotiations alone", got)
	}
	var in []*page
	for range 3 {
		in = append(in, open(t, base, "serverSentEvents", "chathub"))
	}
	for _, verb := range []string{"connect", "reconnect", "poll", "send"} {
		refused(t, "one too many", p, verb, nil, http.StatusServiceUnavailable, "")
	}
	if status, _ := in[0].post("abort", url.Values{}, nil); status != http.StatusOK {
		t.Fatalf("abort: %d", status)
	}
	next(t, "OnDisconnect", r.disconnects)
	p.token = ""
	p.open()
	quiet(p)
	quiet(in[1])
}

// TestHubsWithoutEnd: connectionData names hubs; their number is bounded, and none counts twice.
func TestHubsWithoutEnd(t *testing.T) {
	hubs := map[string]*parley.Hub{}
	var names []string
	for i := range 5 {
		name := fmt.Sprintf("hub%d", i)
		hubs[name] = parley.NewHub(nil)
		names = append(names, name)
	}
	p := newPage(t, serve(t, hubs, &classic.Options{MaxHubs: 4}), "serverSentEvents", names...)
	if status, body := p.get("negotiate", nil); status < 400 {
		t.Errorf("five hubs: got %d %s", status, body)
	}
	for _, data := range []string{connectionData("hub0", "HUB0"), connectionData("hub0", "nobody"), connectionData("")} {
		p.query.Set("connectionData", data)
		if status, body := p.get("negotiate", nil); status != http.StatusInternalServerError {
			t.Errorf("%s: got %d %s, want 500", data, status, body)
		}
	}
	p.query.Set("connectionData", connectionData(names[:4]...))
	p.open()
}

// TestTokenIsNeverLogged: whatever goes wrong, no token gets into a log, nor to a handler.
func TestTokenIsNeverLogged(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	hub := parley.NewHub(&parley.HubOptions{Log: slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	hub.Handle("fail", parley.Func(func(c *parley.Conn) error { return fmt.Errorf("at %s", c.Request().URL) }))
	hub.Handle("query", parley.Func(func(c *parley.Conn) string { return c.Request().URL.RawQuery + " " + c.Request().RequestURI }))
	base := serve(t, map[string]*parley.Hub{"hub": hub}, nil)
	for _, transport := range transports {
		p := newPage(t, base, transport, "hub")
		p.query.Set("access_token", "s3cr3t-bearer")
		p.query.Set("room", "lobby")
		p.open()
		p.answer(p.call("hub", "fail"))
		p.answer(p.call("hub", "nothing"))
		p.send("{")
		got := p.invoke("hub", "query")
		if strings.Contains(got, p.token) || strings.Contains(got, "s3cr3t") || !strings.Contains(got, "room=lobby") {
			t.Errorf("%s: a handler sees %s", transport, got)
		}
		mu.Lock()
		if s := log.String(); strings.Contains(s, p.token) || strings.Contains(s, "s3cr3t") || !strings.Contains(s, "room=lobby") {
			t.Errorf("%s: the log has %s", transport, s)
		}
		mu.Unlock()
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// GHSA-c4j6-fc7j-m34r: requests whose target names another host.
func TestGHSA_c4j6_fc7j_m34r_AbsoluteTargets(t *testing.T) {
	base := serve(t, newRoom().hubs(), nil)
	at, _ := url.Parse(base)
	conn, err := net.Dial("tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET http://evil.example/signalr/negotiate?clientProtocol=2.1 HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", at.Host)
	conn.SetReadDeadline(time.Now().Add(patience))
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), `"Url":"/signalr"`) || strings.Contains(string(answer), "evil") {
		t.Errorf("got %s %v", answer, err)
	}
}
