package signalr

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
)

// Each test is a weakness that some server had once.

// CVE-2020-36048: large bodies.
func TestCVE_2020_36048_LargeBodies(t *testing.T) {
	serve(t, nil, func(s *server) {
		s.handle()
		reason := make(chan error, 2)
		s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
		c := s.polled()
		if got := c.postBody(strings.NewReader(strings.Repeat("x", 30e6+1))); got.status != 413 {
			t.Errorf("with a length: got %v, want 413", got)
		}
		c.want("it has reached nobody", c.post(`{"target":"nothing","arguments":[],"invocationId":"0","type":1}␞`), 200, "", plainText)
		c.want("it has reached nobody", c.poll(), 200, `{"type":3,"invocationId":"0","result":null}␞`, octets)
		read := &endless{}
		if got := c.postBody(read); got.status != 404 || read.bytes.Load() > 1<<20 {
			t.Errorf("without an end: got %v after %d bytes, want 404 soon after 32 KiB", got, read.bytes.Load())
		}
		if err := <-reason; !errors.Is(err, parley.ErrProtocol) {
			t.Errorf("OnDisconnect: got %v, want ErrProtocol at 32 KiB", err)
		}
		pass(time.Second) // net/http lingers on a connection whose body it has not read
	})
}

// endless is a message without an end.
type endless struct{ bytes atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.bytes.Add(int64(len(p)))
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func (c *connected) postBody(body io.Reader) reply {
	req, err := http.NewRequestWithContext(c.s.t.Context(), "POST", "http://hub"+c.path(), body)
	if err != nil {
		return reply{err: err}
	}
	resp, err := c.s.http.Do(req)
	if err != nil {
		return reply{err: err}
	}
	resp.Body.Close()
	return reply{status: resp.StatusCode, header: resp.Header}
}

// CVE-2022-21676, CVE-2022-41940, CVE-2023-31125: crafted requests. Whatever
// comes, in whichever state, gets an answer, and the next client is served.
func TestCVE_2022_21676_CraftedRequests(t *testing.T) {
	serve(t, nil, func(s *server) {
		states := map[string]func() *connected{
			"unknown":    func() *connected { return &connected{s, "no%00such"} },
			"negotiated": s.negotiated,
			"polling":    func() *connected { c := s.negotiated(); c.poll(); return c },
			"shaken":     s.polled,
			"streaming":  func() *connected { return s.openEvents().connected },
			"websocket":  func() *connected { c := s.negotiated(); s.open(c.path()); return c },
			"closed":     func() *connected { c := s.polled(); c.delete(); return c },
		}
		upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
		headers := map[string][]string{
			"plain":              {"X-User", "ann"},
			"bad upgrade":        {"Connection", "Upgrade", "Upgrade", "foo"},
			"upgrade, half":      {"Upgrade", "websocket"},
			"upgrade, a POST":    upgrade,
			"events and upgrade": append([]string{"Accept", "text/event-stream"}, upgrade...),
		}
		for state, open := range states {
			for method := range strings.SplitSeq("POST PUT DELETE HEAD GET", " ") {
				for kind, header := range headers {
					if method == "GET" && kind != "plain" && kind != "bad upgrade" && state != "unknown" && state != "closed" {
						continue // may well succeed: see the tables of answers
					}
					c := open()
					ctx, cancel := context.WithTimeout(s.t.Context(), 100*time.Second)
					got := s.request(ctx, method, c.path(), "␞␞x", header...)
					cancel()
					if got.err != nil && !errors.Is(got.err, context.DeadlineExceeded) || got.status >= 500 {
						t.Errorf("%s, %s, %s: got %v", state, method, kind, got)
					}
				}
			}
		}
		s.shaken().stop()
	})
}

// CVE-2026-32689: a body of separators. The first that ends no message ends the
// connection; what is behind it is not looked at.
func TestCVE_2026_32689_BodyOfSeparators(t *testing.T) {
	serve(t, nil, func(s *server) {
		reason := make(chan error, 1)
		s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
		c := s.polled()
		before := s.hub.Stats().Received
		c.post(strings.Repeat("␞", 1<<20))
		if got := s.hub.Stats().Received - before; got != 0 {
			t.Errorf("%d messages were made of it", got)
		}
		c.want("the reason", c.poll(), 200, `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}␞`, octets)
		c.want("the end", c.poll(), 204, "", plainText)
		if err := <-reason; !errors.Is(err, parley.ErrProtocol) {
			t.Errorf("OnDisconnect: got %v, want ErrProtocol", err)
		}

		c = s.negotiated()
		c.post(strings.Repeat("␞", 1<<10))
		c.poll()
		c.want("in place of a handshake", c.poll(), 200, `{"error":"An unexpected error occurred during connection handshake."}␞`, octets)
	})
}

// The same with messages that are right: the body is read no faster than they
// are worked off.
func TestCVE_2026_32689_BodyOfCalls(t *testing.T) {
	let := make(chan struct{})
	serve(t, nil, func(s *server) {
		let = make(chan struct{})
		s.hub.Handle("wait", parley.Func(func() { <-let }))
		c := s.polled()
		call := `{"target":"wait","arguments":[],"type":1}␞`
		const calls = 20_000
		done := make(chan reply, 1)
		go func() { done <- c.post(strings.Repeat(call, calls)) }() // ends with its answer
		synctest.Wait()
		if got := s.hub.Stats().Received; got > 2000 {
			t.Errorf("%d calls were taken in while none is done", got)
		}
		close(let)
		c.want("the POST", <-done, 200, "", plainText)
		if got := s.hub.Stats().Received; got < calls {
			t.Errorf("%d calls arrived, want %d", got, calls)
		}
		c.stop()
	})
}

// CVE-2017-16031: predictable identifiers.
func TestCVE_2017_16031_PredictableTokens(t *testing.T) {
	serve(t, nil, func(s *server) {
		seen := make(map[string]bool)
		var ones [128]int
		const n = 1000
		for range n {
			id, token := s.negotiate("?negotiateVersion=1")
			for _, name := range []string{id, token} {
				if seen[name] || len(name) != 22 {
					t.Fatalf("%q: want 22 new characters", name)
				}
				seen[name] = true
			}
			for i, bit := range bits(token) {
				ones[i] += bit
			}
		}
		for i, count := range ones {
			if count < n*2/5 || count > n*3/5 {
				t.Errorf("bit %d of the tokens is 1 in %d of %d", i, count, n)
			}
		}
	})
}

// bits are those of a token: 128, in base64url.
func bits(token string) (all [128]int) {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range all {
		all[i] = strings.IndexByte(digits, token[i/6]) >> (5 - i%6) & 1
	}
	return all
}

// CVE-2020-28481, CVE-2026-55883, CVE-2026-42283, GO-2025-3874, CVE-2026-46431,
// CVE-2025-59163: pages of other origins, on every way in.
func TestCVE_2026_55883_OtherOrigins(t *testing.T) {
	serve(t, &Options{EnableRefresh: true}, func(s *server) {
		c := s.polled()
		upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
		for what, r := range map[string]struct {
			method, path string
			header       []string
		}{
			"negotiate":    {"POST", "/chat/negotiate", nil},
			"refresh":      {"POST", "/chat/refresh", nil},
			"WebSocket":    {"GET", "/chat", upgrade},
			"event stream": {"GET", c.path(), []string{"Accept", "text/event-stream"}},
			"poll":         {"GET", c.path(), nil},
			"POST":         {"POST", c.path(), nil},
			"DELETE":       {"DELETE", c.path(), nil},
			"preflight":    {"OPTIONS", c.path(), []string{"Access-Control-Request-Method", "DELETE"}},
		} {
			for _, origin := range []string{"https://evil.example", "null", "http://hub.evil.example", "https://evilhub"} {
				got := s.request(s.t.Context(), r.method, r.path, "", append([]string{"Origin", origin}, r.header...)...)
				if allowed := got.header.Get("Access-Control-Allow-Origin"); got.status != 403 || allowed != "" {
					t.Errorf("%s from %s: got %v, allowed %q, want 403", what, origin, got, allowed)
				}
			}
		}
		c.stop()
	})
}

// CVE-2022-42975: a wildcard that matches other domains.
func TestCVE_2022_42975_Wildcard(t *testing.T) {
	serve(t, &Options{Origins: []string{"*.example.com"}}, func(s *server) {
		for origin, want := range map[string]int{
			"https://a.example.com":         200,
			"https://evil-example.com":      403,
			"https://example.com.evil.test": 403,
			"https://aexample.com":          403,
		} {
			if got := s.request(s.t.Context(), "POST", "/chat/negotiate", "", "Origin", origin); got.status != want {
				t.Errorf("%s: got %v, want %d", origin, got, want)
			}
		}
	})
}

// What browsers ask before a client's requests, with credentials and its
// headers.
func TestPreflights(t *testing.T) {
	serve(t, &Options{Origins: []string{"https://example.com"}}, func(s *server) {
		c := s.polled()
		for method, headers := range map[string]string{
			"GET":    "authorization,x-requested-with,x-signalr-user-agent",
			"POST":   "authorization,content-type,x-requested-with,x-signalr-user-agent,x-custom",
			"DELETE": "authorization,x-requested-with,x-signalr-user-agent",
		} {
			got := s.request(s.t.Context(), "OPTIONS", c.path(), "", "Origin", "https://example.com",
				"Access-Control-Request-Method", method, "Access-Control-Request-Headers", headers).header
			if got.Get("Access-Control-Allow-Origin") != "https://example.com" || got.Get("Access-Control-Allow-Credentials") != "true" ||
				!strings.Contains(got.Get("Access-Control-Allow-Methods"), method) || got.Get("Access-Control-Allow-Headers") != headers {
				t.Errorf("%s: got %v", method, got)
			}
		}
		for _, method := range []string{"GET", "POST", "DELETE"} {
			got := s.request(s.t.Context(), method, c.path(), `{"type":6}␞`, "Origin", "https://example.com")
			if got.status/100 != 2 || got.header.Get("Access-Control-Allow-Origin") != "https://example.com" || got.header.Get("Access-Control-Allow-Credentials") != "true" {
				t.Errorf("%s: got %v %v", method, got, got.header)
			}
		}
	})
}

// CVE-2025-27421: what an aborted event stream or poll leaves behind.
func TestCVE_2025_27421_AbortedRequests(t *testing.T) {
	serve(t, nil, func(s *server) {
		for i := range 30 {
			events := s.openEvents()
			polls := s.negotiated()
			polls.poll()
			if i%2 == 0 {
				events.send(handshake)
				polls.post(handshake)
				polls.poll()
			}
			events.leave()
			ctx, cancel := context.WithCancel(s.t.Context())
			gone := make(chan struct{})
			go func() { // ends with ctx
				defer close(gone)
				polls.pollWithin(ctx)
			}()
			synctest.Wait()
			cancel()
			<-gone
		}
		pass(16 * time.Second)
		synctest.Wait()
		if got := s.hub.Stats().Conns; got != 0 {
			t.Errorf("%d connections are left", got)
		}
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(stack, "/internal/transport.") || strings.Contains(stack, "signalr.(*endpoint)") {
				t.Errorf("a goroutine is left:\n%s", stack)
			}
		}
	})
}

// CVE-2026-33219, CVE-2026-53522: connections that are begun and never used.
func TestCVE_2026_33219_NegotiationsNeverUsed(t *testing.T) {
	serve(t, &Options{MaxNegotiations: 3000, InputBuffer: 1 << 10}, func(s *server) {
		var refused, waiting int
		late := make(chan reply, 4000)
		for i := range 4000 {
			status, body, header := s.do("POST", "/chat/negotiate?negotiateVersion=1")
			if status == 503 && header.Get("Retry-After") != "" {
				refused++
				continue
			}
			_, token, _ := strings.Cut(body, `"connectionToken":"`)
			if i >= 100 {
				continue
			}
			waiting++
			c := &connected{s, token[:22]}
			go func() { late <- c.post(strings.Repeat("x", 1<<10)) }() // ends with its answer
		}
		synctest.Wait()
		if refused != 1000 {
			t.Errorf("%d of 4,000 were refused, want 1,000", refused)
		}
		if got := len(late); got != 64 { // the others wait
			t.Errorf("%d POSTs for no transport were taken in, want 64", got)
		}
		pass(15 * time.Second)
		synctest.Wait()
		if got := len(late); got != waiting {
			t.Errorf("%d of %d POSTs were answered", got, waiting)
		}
		for range 3000 {
			if status, _, _ := s.do("POST", "/chat/negotiate"); status != 200 {
				t.Fatalf("after their time: got %d, want 200", status)
			}
		}
	})
}

// CVE-2025-55070: one way in with weaker checks than the others. Middleware
// stands before all of them, and its 401 has no body, which clients want.
func TestCVE_2025_55070_OneWayIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(nil)
		endpoint := Handler(hub, &Options{EnableRefresh: true})
		serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if Token(r) != "secret" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			endpoint.ServeHTTP(w, r)
		}), func(n *network) {
			s := &server{network: n, hub: hub}
			for _, method := range []string{"GET", "POST", "DELETE"} {
				for _, path := range []string{"/chat", "/chat/negotiate", "/chat/refresh"} {
					for _, accept := range []string{"", "text/event-stream"} {
						if got := n.request(t.Context(), method, path+"?id=x", "", "Accept", accept); got.status != 401 || got.body != "" {
							t.Errorf("%s %s: got %v, want 401", method, path, got)
						}
					}
				}
			}
			if got := s.upgrade("/chat"); got.status != 401 {
				t.Errorf("a WebSocket: got %v, want 401", got)
			}
			p := s.open("/chat?access_token=secret", handshake)
			p.want("{}␞")
			p.stop()
			hub.Shutdown(t.Context())
		})
	})
}

// CVE-2026-26130: a message without an end, drop by drop.
func TestCVE_2026_26130_MessageWithoutEnd(t *testing.T) {
	for transport, open := range everyTransport {
		t.Run(transport, func(t *testing.T) {
			serve(t, nil, func(s *server) {
				reason := make(chan error, 1)
				s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
				p := open(s)
				p.send(handshake)
				p.want("{}␞")
				for range 32 {
					p.send(strings.Repeat(" ", 1<<10))
				}
				if len(reason) > 0 {
					t.Fatalf("closed within the limit: %v", <-reason)
				}
				p.send(" ")
				p.want(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}␞`)
				if err := <-reason; !errors.Is(err, parley.ErrProtocol) {
					t.Errorf("OnDisconnect: got %v, want ErrProtocol", err)
				}
			})
		})
	}
}

// A client that never fetches what is meant for it is closed like one that
// does not read, and nobody waits for it.
func TestNobodyWaitsForAClientThatNeverPolls(t *testing.T) {
	serve(t, nil, func(s *server) {
		s.handle()
		reason := make(chan error, 2)
		s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
		slow := s.polled()
		slow.post(`{"target":"join","arguments":["g"],"type":1}␞`)
		synctest.Wait()
		text := strings.Repeat("x", 1<<10)
		for i := range 100 {
			if err := s.hub.Group("g").Send(s.t.Context(), "said", strconv.Itoa(i)+text); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-reason; !errors.Is(err, parley.ErrSlow) {
			t.Errorf("OnDisconnect: got %v, want ErrSlow", err)
		}
	})
}

// CVE-2019-0982, CVE-2020-0602, CVE-2024-21386: whatever a handshake is, it is
// taken or refused.
func FuzzHandshake(f *testing.F) {
	for _, seed := range []string{handshake, `{"protocol":"messagepack","version":2}␞`, `{}␞`, `␞`, `[[[`, "{\"protocol\":\"\\ud800\",\"version\":-1}␞"} {
		f.Add([]byte(raw(seed)), 3)
	}
	h := newHubEndpoint(parley.NewHub(nil), &Options{MaxMessageBytes: 1 << 10})
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		s := &records{limit: 1 << 10}
		cut = min(max(cut, 0), len(data))
		for _, piece := range [][]byte{data[:cut], data[cut:]} {
			request, _, err := s.next(piece)
			if err != nil {
				return
			}
			if request == nil {
				continue
			}
			if d, _, refusal, err := h.checkHandshake(request, "websocket"); (err == nil) != (d != nil) || (err == nil) != (refusal == "") {
				t.Errorf("%q: got %v, %q, %v", request, d, refusal, err)
			}
			return
		}
	})
}
