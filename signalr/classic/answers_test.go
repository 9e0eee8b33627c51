package classic

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parley-go/parley"
)

// TestAnswers: every status and sentence with which a request may be refused, in the
// order in which they are checked.
func TestAnswers(t *testing.T) {
	o := &Options{
		Authorize: func(r *http.Request, hub string) error {
			if r.Header.Get("X-Barred") == hub {
				return errors.New("barred")
			}
			return nil
		},
		MaxHubs: 3,
	}
	const token = "{token}" // of a connection of nobody
	const annsToken = "{ann's token}"
	all := "transport=longPolling&clientProtocol=2.1&connectionToken=" + token
	user := "Unrecognized user identity.  The user identity cannot change during an active SignalR connection."
	for _, c := range []struct {
		method, path, query string
		header              []string
		status              int
		body                string
	}{
		{"GET", "ping", "", nil, 200, `{ "Response": "pong" }`},
		{"GET", "PING", "", nil, 200, `{ "Response": "pong" }`},
		{"GET", "deep/down/ping", "", nil, 200, `{ "Response": "pong" }`},
		{"POST", "ping", "", nil, 200, `{ "Response": "pong" }`},
		{"PUT", "ping", "", nil, 405, ""},
		{"DELETE", "negotiate", "", nil, 405, ""},
		{"GET", "pingpong", "", nil, 400, "Protocol error: Unknown transport."},
		{"GET", "ping", "callback=cb", nil, 403, "Forbidden: JSONP is disabled."},
		{"GET", "connect", "callback=cb", nil, 403, "Forbidden: JSONP is disabled."},
		{"GET", "ping", "", []string{"Origin", "http://elsewhere"}, 403, "*"},
		{"GET", "ping", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "*"},
		{"GET", "negotiate", "connectionData=" + url.QueryEscape(`[{"name":"nosuch"}]`), nil, 500, "'nosuch' Hub could not be resolved."},
		{"GET", "negotiate", "connectionData=" + url.QueryEscape(`[{"name":"chathub"},{"Name":"ChatHub"}]`), nil, 500, "Duplicate Hub names found."},
		{"GET", "negotiate", "connectionData=%7B", nil, 500, "The connectionData is in the incorrect format."},
		{"GET", "negotiate", "connectionData=" + url.QueryEscape(`[{},{},{},{}]`), nil, 500, "There are too many hubs in the connectionData."},
		{"GET", "negotiate", "connectionData=" + strings.Repeat("%20", 2000), nil, 500, "There are too many hubs in the connectionData."},
		{"GET", "ping", "connectionData=" + url.QueryEscape(chatData), []string{"X-Barred", "ChatHub"}, 401, ""},
		{"GET", "ping", "connectionData=" + url.QueryEscape(chatData), []string{"X-Barred", "ChatHub", "X-User", "ann"}, 403, ""},
		{"GET", "ping", "connectionData=" + url.QueryEscape(`[{"name":"chathub"},{"name":"other"}]`), []string{"X-Barred", "ChatHub"}, 200, "*"},
		{"GET", "start", "", nil, 400, "Protocol error: Unknown transport."},
		{"GET", "start", "transport=carrierPigeons&connectionToken=" + token, nil, 400, "Protocol error: Unknown transport."},
		{"GET", "start", "transport=longPolling", nil, 400, "Protocol error: Missing connection token."},
		{"GET", "start", "transport=longPolling&connectionToken=", nil, 400, "Protocol error: Missing connection token."},
		{"GET", "start", "transport=longPolling&connectionToken=forged", nil, 400, "The ConnectionId is in the incorrect format."},
		{"GET", "start", "transport=longPolling&connectionToken=" + token, []string{"X-User", "ann"}, 403, user},
		{"GET", "start", "transport=longPolling&connectionToken=" + annsToken, nil, 403, user},
		{"GET", "start", "transport=longPolling&connectionToken=" + annsToken, []string{"X-User", "bob"}, 403, user},
		{"POST", "send", "transport=longPolling&connectionToken=" + annsToken, []string{"X-User", "bob"}, 403, user},
		{"POST", "poll", "transport=longPolling&connectionToken=" + annsToken, []string{"X-User", "bob"}, 403, user},
		{"POST", "abort", "transport=longPolling&connectionToken=" + annsToken, []string{"X-User", "bob"}, 403, user},
		{"POST", "abort", "transport=longPolling&connectionToken=" + annsToken, []string{"X-User", "ANN"}, 200, ""},
		{"GET", "connect", "transport=webSockets&connectionToken=" + token, nil, 400, "Not a valid web socket request."},
		{"GET", "connect", "transport=foreverFrame&connectionToken=" + token, nil, 400, "The supplied frameId is in the incorrect format."},
		{"GET", "connect", "transport=foreverFrame&frameId=-1&connectionToken=" + token, nil, 400, "The supplied frameId is in the incorrect format."},
		{"GET", "connect", "transport=foreverFrame&frameId=1');alert('&connectionToken=" + token, nil, 400, "The supplied frameId is in the incorrect format."},
		{"GET", "connect", "transport=foreverFrame&frameId=4294967296&connectionToken=" + token, nil, 400, "The supplied frameId is in the incorrect format."},
		{"POST", "poll", all + "&messageId=garbage", nil, 400, "The messageId is in the incorrect format."},
		{"POST", "poll", all + "&messageId=d-0123456X-1", nil, 400, "The messageId is in the incorrect format."},
		{"GET", "reconnect", "transport=serverSentEvents&connectionToken=" + token + "&messageId=-1", nil, 400, "The messageId is in the incorrect format."},
		{"POST", "send", all, []string{"Content-Length", "524289"}, 413, ""},
		{"POST", "send", all, nil, 200, ""},
		{"POST", "send", all + "&_=1448000000000", nil, 200, "null"}, // as signalr-no-jquery posts
		{"GET", "send", all + "&data=&_=1448000000000", nil, 200, ""},
	} {
		serve(t, o, func(w *world) {
			query := strings.Replace(c.query, token, w.negotiated("", "").token, 1)
			query = strings.Replace(query, annsToken, w.negotiated("", "", "X-User", "ann").token, 1)
			var form url.Values
			if c.method == "POST" {
				form = url.Values{}
			}
			for i := range c.header {
				if c.header[i] == "Content-Length" {
					form = url.Values{"data": {strings.Repeat("x", 1<<20)}}
				}
			}
			req := w.request("/signalr/"+c.path+"?"+query, form, c.header...)
			req.Method = c.method
			got := w.send(req)
			if got.status != c.status || c.body != "*" && got.body != c.body {
				t.Errorf("%s %s?%s %v: got %d %q, want %d %q", c.method, c.path, c.query, c.header, got.status, got.body, c.status, c.body)
			}
			if got.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s?%s: the answer may be sniffed", c.method, c.path, c.query)
			}
		})
	}
}

// TestNegotiation: what a client is told.
func TestNegotiation(t *testing.T) {
	serve(t, nil, func(w *world) {
		got := w.do("/signalr/negotiate?clientProtocol=1.5&connectionData="+url.QueryEscape(chatData), nil)
		rest, _, ok := cutField(got.body, `"ConnectionToken":`)
		rest, id, ok2 := cutField(rest, `"ConnectionId":`)
		want := `{"Url":"/signalr","KeepAliveTimeout":20.0,"DisconnectTimeout":30.0,"ConnectionTimeout":110.0,"TryWebSockets":true,"ProtocolVersion":"1.5","TransportConnectTimeout":5.0,"LongPollDelay":0.0}`
		if !ok || !ok2 || rest != want {
			t.Errorf("got  %s\nwant %s", rest, want)
		}
		if len(id) != 38 || strings.Count(id, "-") != 4 {
			t.Errorf("got the ID %s, want a GUID", id)
		}
		if kind := got.header.Get("Content-Type"); kind != "application/json; charset=UTF-8" {
			t.Errorf("got type %q", kind)
		}
	})
	o := &Options{KeepAlive: -1, Transports: LongPolling | ServerSentEvents, LongPollDelay: 1500e6, DisconnectTimeout: 40e9, Path: "/elsewhere/"}
	serve(t, o, func(w *world) {
		rest, _, _ := cutField(w.do("/signalr/negotiate", nil).body, `"ConnectionToken":`)
		rest, _, _ = cutField(rest, `"ConnectionId":`)
		want := `{"Url":"/elsewhere","KeepAliveTimeout":null,"DisconnectTimeout":40.0,"ConnectionTimeout":110.0,"TryWebSockets":false,"ProtocolVersion":"1.2","TransportConnectTimeout":5.0,"LongPollDelay":1.5}`
		if rest != want {
			t.Errorf("got  %s\nwant %s", rest, want)
		}
	})
}

// cutField cuts a field with its value, a string, and the comma behind it.
func cutField(json, name string) (rest, value string, ok bool) {
	before, after, ok := strings.Cut(json, name)
	value, after, _ = strings.Cut(after, ",")
	return before + after, value, ok
}

func TestVersionIsClamped(t *testing.T) {
	for asked, want := range map[string]string{
		"": "1.2", "1337": "1.2", "1.1": "1.2", "0.9": "1.2", "1.2": "1.2", "1.3": "1.3", "1.4": "1.4", "1.5": "1.5", "1.5.0.0": "1.5", "2.0": "2.0",
		"2.1": "2.0", "9.9": "2.0", "1.": "1.2", ".5": "1.2", "1.5.": "1.2", "1.x": "1.2", "-1.5": "1.2", "1.99999999999": "1.2", "1.2.3.4.5": "1.2",
	} {
		q := newRequest(&http.Request{URL: &url.URL{RawQuery: "clientProtocol=" + asked}})
		if got := q.speaks().String(); got != want {
			t.Errorf("clientProtocol=%s: got %s, want %s", asked, got, want)
		}
	}
}

// TestURLOfTheEndpoint: it is that of the request, however that was written.
func TestURLOfTheEndpoint(t *testing.T) {
	for path, want := range map[string]string{
		"/signalr/negotiate": "/signalr", "/signalr//negotiate": "/signalr", "/signalr/negotiate/": "/signalr", "/a/b/NEGOTIATE": "/a/b",
		"/negotiate": "", "//evil.example/negotiate": "/evil.example", "/signalr/negotiate/negotiate": "/signalr/negotiate",
	} {
		q := newRequest(&http.Request{URL: &url.URL{Path: path}})
		if got := q.base(&Options{}); got != want || q.verb != "negotiate" {
			t.Errorf("%s: got %q and %s, want %q", path, got, q.verb, want)
		}
	}
}

func TestRedirect(t *testing.T) {
	answers := map[string]string{}
	o := &Options{Redirect: func(r *http.Request) (string, string, error) {
		switch r.URL.Query().Get("to") {
		case "away":
			return "https://other.example/signalr/?a=b", "secret", nil
		case "open":
			return "/elsewhere", "", nil
		case "refused":
			return "", "", &parley.Error{Message: "not today"}
		case "broken":
			return "", "", errors.New("inner life")
		}
		return "", "", nil
	}}
	serve(t, o, func(w *world) {
		for _, to := range []string{"away", "open", "refused", "broken", ""} {
			answers[to] = w.do("/signalr/negotiate?clientProtocol=2.1&to="+to, nil).body
		}
	})
	for to, want := range map[string]string{
		"away":    `{"ProtocolVersion":"2.0","RedirectUrl":"https://other.example/signalr?a=b","AccessToken":"secret"}`,
		"open":    `{"ProtocolVersion":"2.0","RedirectUrl":"/elsewhere"}`,
		"refused": `{"ProtocolVersion":"2.0","Error":"not today"}`,
		"broken":  `{"ProtocolVersion":"2.0","Error":"The server refused the connection."}`,
	} {
		if answers[to] != want {
			t.Errorf("%s: got %s, want %s", to, answers[to], want)
		}
	}
	if !strings.Contains(answers[""], `"ConnectionToken"`) {
		t.Errorf("who is not redirected got %s", answers[""])
	}
	for to, answer := range answers {
		if strings.Contains(answer, "availableTransports") {
			t.Errorf("%s: clients take %s for ASP.NET Core's", to, answer)
		}
	}
}

// TestJSONP: every answer is a call of the function, for those who have switched it on.
func TestJSONP(t *testing.T) {
	serve(t, &Options{EnableJSONP: true}, func(w *world) {
		answering(w.chat())
		w.chat().OnConnect(func(ctx context.Context, c *parley.Conn) error { return c.Send(ctx, "hello", "</script>") })
		here := []string{"Referer", "http://hub/page"}
		if got := w.do("/signalr/ping?callback=a.b_$1", nil, here...); got.body != `a.b_$1({ "Response": "pong" });` || got.header.Get("Content-Type") != "application/javascript; charset=UTF-8" {
			t.Errorf("ping: got %s %s", got.body, got.header)
		}
		for _, name := range []string{"", "alert(1)//", "a b", "if", "a.new", "1a", "a..b", "a%0Ab", "%3Cscript%3E"} {
			if got := w.do("/signalr/ping?callback="+name, nil, here...); got.status != 400 {
				t.Errorf("callback %q: got %d %s", name, got.status, got.body)
			}
		}
		if got := w.do("/signalr/negotiate?callback=cb", nil, "Sec-Fetch-Site", "cross-site", "Referer", "http://elsewhere/page"); got.status != 403 {
			t.Errorf("a page elsewhere: got %d %s", got.status, got.body)
		}
		for _, header := range [][]string{nil, {"Referer", ""}, {"Referer", "about:blank"}, {"Referer", "http://elsewhere/page"}, {"Referer", "%"}, {"Sec-Fetch-Site", "cross-site"}} {
			if got := w.do("/signalr/negotiate?callback=cb", nil, header...); got.status != 403 {
				t.Errorf("a page that does not say who it is, %q: got %d %s", header, got.status, got.body)
			}
		}
		if got := w.do("/signalr/negotiate?callback=cb", nil, "Sec-Fetch-Site", "same-origin"); got.status != 200 {
			t.Errorf("a page here that does not say so: got %d %s", got.status, got.body)
		}
		if got := w.do("/signalr/negotiate?callback=cb", nil, "Sec-Fetch-Site", "same-origin", "Referer", "http://hub/page"); !strings.HasPrefix(got.body, `cb({"Url":"/signalr",`) || !strings.HasSuffix(got.body, "});") {
			t.Errorf("a page here: got %d %s", got.status, got.body)
		}
		c := w.negotiated("longPolling", chatData)
		get := func(verb string, more ...string) string {
			more = append(append(c.place(), more...), "callback", "cb")
			got := w.do(c.path(verb, more...), nil, here...)
			if got.status != 200 || got.header.Get("Content-Type") != "application/javascript; charset=UTF-8" {
				t.Errorf("%s: got %d %s %s", verb, got.status, got.body, got.header)
			}
			if inner, ok := strings.CutPrefix(got.body, "cb("); ok {
				return "cb(" + c.note(strings.TrimSuffix(inner, ");")) + ");"
			}
			return got.body
		}
		for _, step := range []struct{ got, want string }{
			{get("connect"), `cb({"S":1,"M":[]});`},
			{get("start"), `cb({ "Response": "started" });`},
			{get("poll"), `cb({"M":[{"H":"ChatHub","M":"hello","A":["\u003c/script\u003e"]}]});`},
			{get("send", "data", `{"H":"ChatHub","M":"Add","A":[1,2],"I":0}`), ""},
			{get("poll"), `cb({"M":[{"R":3,"I":"0"}]});`},
		} {
			if step.got != step.want {
				t.Errorf("got %s, want %s", step.got, step.want)
			}
		}
	})
}

// TestCrossOrigin: pages from elsewhere are let in by Options.Origins, with the
// headers that their browsers want, and asked beforehand.
func TestCrossOrigin(t *testing.T) {
	serve(t, &Options{Origins: []string{"https://page.example"}}, func(w *world) {
		for _, verb := range []string{"negotiate", "ping", "start", "send", "connect", "poll", "reconnect", "abort"} {
			req := w.request("/signalr/"+verb, nil, "Origin", "https://page.example",
				"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization, content-type")
			req.Method = http.MethodOptions
			got := w.send(req)
			h := got.header
			if got.status != 204 || h.Get("Access-Control-Allow-Origin") != "https://page.example" || h.Get("Access-Control-Allow-Credentials") != "true" ||
				h.Get("Access-Control-Allow-Methods") != "GET, POST, OPTIONS" || h.Get("Access-Control-Allow-Headers") != "authorization, content-type" {
				t.Errorf("asked for %s: got %d %v", verb, got.status, h)
			}
		}
		got := w.do("/signalr/negotiate", nil, "Origin", "https://page.example")
		if got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != "https://page.example" {
			t.Errorf("negotiate: got %d %v", got.status, got.header)
		}
		if got := w.do("/signalr/hubs", nil, "Sec-Fetch-Site", "cross-site"); got.status != 200 {
			t.Errorf("a page elsewhere that loads the script: got %d %s", got.status, got.body)
		}
	})
}

// TestAuthorizeHasTheLastWord: a client that may not have one of its hubs any more is
// refused, whatever hubs its request names.
func TestAuthorizeHasTheLastWord(t *testing.T) {
	var revoked atomic.Bool
	o := &Options{Authorize: func(r *http.Request, hub string) error {
		if hub == "ChatHub" && revoked.Load() {
			return errors.New("not any more")
		}
		return nil
	}}
	for user, want := range map[string]int{"": 401, "ann": 403} {
		for _, names := range []string{chatData, `[{"name":"chathub"},{"name":"other"}]`, `[{"name":"other"}]`, `[]`, ``} {
			serve(t, o, func(w *world) {
				answering(w.chat())
				revoked.Store(false)
				c := w.negotiated("serverSentEvents", `[{"name":"chathub"},{"name":"other"}]`, "X-User", user)
				c.connected().cut()
				revoked.Store(true)
				c.hubs = names
				for _, verb := range []string{"connect", "reconnect", "poll", "send", "start"} {
					form := url.Values{"data": {`{"H":"ChatHub","M":"Say","A":["psst"]}`}}
					if got := w.do(c.path(verb), form, c.header...); got.status != want {
						t.Errorf("%q, %s of %s: got %d %s", user, verb, names, got.status, got.body)
					}
				}
			})
		}
	}
}
