package engineio

import (
	"bytes"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/websocket"
)

// Advisories against Engine.IO and what it stands on. Those about frames are in
// the websocket package: websocket/attack_test.go.

// CVE-2020-36048: large bodies. None is read beyond the limit, whatever it says of
// its length, and the session lives on.
func TestCVE_2020_36048_LargeBodies(t *testing.T) {
	s := serveEcho(t, withEIO3)
	for _, path := range []string{polls + s.open(), polls3 + s.open3("")} {
		for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded"} {
			body := &endless{}
			resp, err := http.Post(s.URL+path, kind, body) // chunked
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 413 {
				t.Errorf("%s: an endless body got status %d, want 413", path, resp.StatusCode)
			}
			if got := body.read(); got > 16<<20 {
				t.Errorf("%s: %d bytes were taken of it", path, got)
			}
			r, _ := http.NewRequest("POST", s.URL+path, strings.NewReader("4x"))
			r.ContentLength = 1 << 40 // which will not come
			if resp, err := http.DefaultClient.Do(r); err == nil {
				resp.Body.Close()
				if resp.StatusCode != 413 {
					t.Errorf("%s: a body said to be long got status %d, want 413", path, resp.StatusCode)
				}
			}
		}
		if status, _ := s.do("POST", path, map[bool]string{true: "1:6", false: "6"}[strings.HasPrefix(path, polls3)]); status != 200 {
			t.Errorf("%s: the session has not lived on: %d", path, status)
		}
	}
}

// endless is a body without an end.
type endless struct {
	mu sync.Mutex
	n  int
}

func (e *endless) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n += len(p)
	return copy(p, bytes.Repeat([]byte("4"), len(p))), nil
}

func (e *endless) read() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.n
}

// CVE-2022-21676, CVE-2022-41940, CVE-2023-31125: crafted requests. Whatever they say,
// each has an answer that tells what is wrong, and nobody else notices.
func TestCVE_2022_21676_CraftedRequests(t *testing.T) {
	s := serveEcho(t, func(o *Options) { o.RefuseEIO3, o.JSONP, o.MaxSessions = false, true, 100_000 })
	sid := s.open()
	values := []string{"", "0", "3", "4", "44", "polling", "websocket", "webtransport", "__proto__", "constructor", "%00", "%0d%0a", "%ff", strings.Repeat("x", 2000), sid[len("&sid="):]}
	for _, eio := range values {
		for _, kind := range values {
			for _, id := range append(values, "-") {
				path := "/?EIO=" + eio + "&transport=" + kind + "&j=" + id
				if id != "-" {
					path += "&sid=" + id
				}
				if id == sid[len("&sid="):] && eio == "4" && kind == "polling" {
					continue // the right one
				}
				for _, method := range []string{"GET", "POST", "PATCH"} {
					if method == "GET" && (id == "" || id == "-") && kind == "polling" {
						continue // opens another
					}
					if status, body := s.do(method, path, "4x"); status != 400 || !strings.Contains(body, `{"code":`) {
						t.Fatalf("%s %s: %d %q", method, path, status, body)
					}
				}
			}
		}
	}
	for _, path := range []string{"/?EIO=4&transport=websocket" + sid + "x", "/?EIO=3&transport=websocket" + sid, "/?EIO=4&transport=polling" + sid, "/?transport=%", "/?;"} {
		if c, err := s.dial(path); err == nil {
			c.CloseNow()
			t.Errorf("a WebSocket at %s", path)
		}
	}
	s.wantDo("POST", polls+sid, "4still here", 200, "ok")
	s.wantDo("GET", polls+sid, "", 200, "4still here")
}

// CVE-2022-41940, too: a session is used in every order at once. Requests get
// answers, and it ends.
func TestCVE_2022_41940_RequestsAtOnce(t *testing.T) {
	s := serveEcho(t, nil)
	for range 30 {
		sid := s.open()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { s.do("GET", polls+sid, "") })      // ends with its answer
			all.Go(func() { s.do("POST", polls+sid, "4x") })   // likewise
			all.Go(func() { s.do("POST", polls+sid, "1") })    // likewise
			all.Go(func() { s.do("DELETE", polls+sid, "4x") }) // likewise
			all.Go(func() {                                    // ends with the connection
				if c, err := s.dial(webSocket + sid); err == nil {
					c.Write(t.Context(), websocket.Message{Type: websocket.Text, Data: []byte("5")})
					c.Write(t.Context(), websocket.Message{Type: websocket.Text, Data: []byte("1")})
					for err == nil {
						_, err = c.Read(t.Context())
					}
				}
			})
		}
		all.Wait()
		<-s.closed
	}
}

// engine.io 6.6.8: handshakes that fail leave nothing behind.
func TestEngineIO_6_6_8_FailedHandshakesLeaveNothing(t *testing.T) {
	s := serveEcho(t, func(o *Options) { o.MaxSessions = 2 })
	for i := range 50 {
		r, _ := http.NewRequest("GET", s.URL+webSocket, nil)
		r.Header.Set("Sec-WebSocket-Key", "short") // asks for a WebSocket, but not as it should
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 4 || resp.StatusCode == 503 {
			t.Fatalf("handshake %d: status %d", i, resp.StatusCode)
		}
	}
	sid := s.open()
	for range 50 {
		r, _ := http.NewRequest("GET", s.URL+webSocket+sid, nil)
		r.Header.Set("Sec-WebSocket-Key", "short")
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
		}
	}
	c := s.webSocket(webSocket + sid) // and the upgrade is still to be had
	send(t, c, "5")
	send(t, c, "4x")
	wantFrame(t, c, "4x")
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	if got := len(s.engine.sessions); got != 1 {
		t.Errorf("%d sessions are left, want 1", got)
	}
}

// engine.io 6.6.11: a session belongs to the revision that it was opened with.
func TestEngineIO_6_6_11_TheRevisionOfASessionDoesNotChange(t *testing.T) {
	s := serveEcho(t, withEIO3)
	for sid, other := range map[string]string{s.open(): "3", s.open3(""): "4", s.open(): "", s.open(): "5"} {
		for _, method := range []string{"GET", "POST"} {
			s.wantDo(method, "/?EIO="+other+"&transport=polling"+sid, "", 400, noMatch)
		}
		s.wantRefusedUpgrade("/?EIO="+other+"&transport=websocket"+sid, "Bad request")
	}
}

// CVE-2026-32689: a body of separators, and other ways to be many packets.
func TestCVE_2026_32689_BodyOfSeparators(t *testing.T) {
	s := serveEcho(t, withEIO3)
	const size = 1_000_000
	for _, body := range []string{strings.Repeat("\x1e", size), "6" + strings.Repeat("\x1e6", size/2-1), strings.Repeat("6\x1e", maxPackets) + "6"} {
		sid := s.open()
		allocated := allocating(func() { s.wantDo("POST", polls+sid, body, 400, "") })
		if allocated > 20*size {
			t.Errorf("%d bytes were allocated for a body of %d", allocated, len(body))
		}
		s.wantEnd(ErrParse)
	}
	for body, kind := range map[string]string{
		strings.Repeat("0:", size/2):               "text/plain",
		strings.Repeat("1:6", size/3):              "text/plain",
		strings.Repeat("\x00\x00\xff", size/3):     "application/octet-stream",
		strings.Repeat("\x00\x01\xff6", size/4):    "application/octet-stream",
		strings.Repeat("\x01\x01\xff\x04", size/4): "application/octet-stream",
	} {
		sid := s.open3("")
		s.wantDo("POST", polls3+sid, body, 400, "", "Content-Type", kind)
		s.wantEnd(ErrParse)
	}
}

// allocating is how many bytes the process allocates while fn runs.
func allocating(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// CVE-2017-16031: session IDs that can be guessed. Ours have 96 random bits, and
// knowing many helps nobody.
func TestCVE_2017_16031_IDsAreRandom(t *testing.T) {
	var ids IDs
	var ones [96]int
	const n = 4000
	for range n {
		id := ids.New()
		for i := range ones {
			const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			ones[i] += strings.IndexByte(digits, id[i/6]) >> (i % 6) & 1
		}
	}
	for i, k := range ones {
		if k < n*2/5 || k > n*3/5 {
			t.Errorf("bit %d is set in %d of %d IDs", i, k, n)
		}
	}
}

// CVE-2020-28481: by default the pages of no other origin may read anything.
func TestCVE_2020_28481_OtherOriginsAreRefused(t *testing.T) {
	s := serveEcho(t, withEIO3)
	sid := s.open()
	for _, origin := range []string{"https://evil.example", "null", "http://127.0.0.1", "file://", "x"} {
		for _, path := range []string{polls, polls3, polls + sid, "/?EIO=3&transport=polling&j=0"} {
			r, _ := http.NewRequest("GET", s.URL+path, nil)
			r.Header.Set("Origin", origin)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 403 || resp.Header.Get("Access-Control-Allow-Origin") != "" || strings.Contains(string(body), "sid") {
				t.Errorf("%s from %s: %d %q", path, origin, resp.StatusCode, body)
			}
		}
	}
	r, _ := http.NewRequest("GET", s.URL+polls3+"&j=0", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site") // a script element sends no Origin
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("a script of another site: status %d, want 403", resp.StatusCode)
	}
}

// ws before 8.23.0, one layer up: a client of protocol 3 that pings and does not read.
func TestPingsOfProtocol3WithoutReading(t *testing.T) {
	s := serveEcho(t, withEIO3)
	c := s.webSocket("/?EIO=3&transport=websocket")
	first, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, id, _ := strings.Cut(string(first.Data), `"sid":"`)
	socket := s.engine.find(id[:idBytes])
	before := liveHeap()
	ping := websocket.Prepare(websocket.Message{Type: websocket.Text, Data: []byte("2")})
	batch := make([]*websocket.Prepared, 1000)
	for i := range batch {
		batch[i] = ping
	}
	for range 300 {
		if c.WriteBatch(t.Context(), batch) != nil {
			break // cut off is as good
		}
	}
	if grown := int64(liveHeap()) - int64(before); grown > 8<<20 {
		t.Errorf("%d bytes wait for a client that does not read", grown)
	}
	socket.CloseNow()
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A connection that is opened and says nothing more ends by its heartbeat, and
// with it all that it held.
func TestSilentSessionsEnd(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		for range 5 {
			b.open()
		}
		time.Sleep(46 * time.Second)
		for range 5 {
			b.wantEnd(ErrPingTimeout)
		}
		b.engine.mu.Lock()
		defer b.engine.mu.Unlock()
		if got := len(b.engine.sessions); got != 0 {
			b.Errorf("%d sessions are left", got)
		}
	})
}
