package engineio

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
)

// get does a request with exactly these headers, and returns the answer as it came.
func (s *echoServer) get(path string, header ...string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequest("GET", s.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(body)
}

const polls3 = "/?EIO=3&transport=polling"

func withEIO3(o *Options) { o.RefuseEIO3 = false }

// open3 is open for protocol 3.
func (s *echoServer) open3(query string) (sid string) {
	s.t.Helper()
	_, body := s.get(polls3 + query)
	_, id, _ := strings.Cut(strings.ReplaceAll(body, `\`, ""), `"sid":"`)
	if len(id) < idBytes {
		s.t.Fatalf("handshake: %q", body)
	}
	return "&sid=" + id[:idBytes]
}

func TestPollsOfProtocol3(t *testing.T) {
	s := serveEcho(t, withEIO3)
	const nine = "4Grüße 世😀" // characters; 10 UTF-16 code units
	binary := []string{"Content-Type", "application/octet-stream"}
	sid := s.open3("")
	s.wantDo("POST", polls3+sid, "10:"+nine+"0:2:4x", 200, "ok")
	s.wantDo("GET", polls3+sid, "", 200, "10:"+nine+"2:4x")
	s.wantDo("POST", polls3+sid, "\x00\x06\xff4über\x01\x03\xff\x04ab\x00\x00\xff", 200, "ok", binary...)
	s.wantDo("GET", polls3+sid, "", 200, "\x00\x06\xff4über\x01\x03\xff\x04ab")
	s.wantDo("POST", polls3+sid, "\x01\x03\xff\x04ab", 200, "ok", binary...)
	s.wantDo("GET", polls3+sid+"&b64=1", "", 200, "6:b4YWI=") // as the poll asks for it
}

func TestBinaryMessagesInText(t *testing.T) {
	s := serveEcho(t, withEIO3)
	for path, frame := range map[string]string{"/?EIO=4&transport=websocket&b64=1": "bAQID", "/?EIO=3&transport=websocket&b64=1": "b4AQID"} {
		c := s.webSocket(path)
		c.Read(t.Context())
		send(t, c, frame)
		m, err := c.Read(t.Context())
		if err != nil || m.Type != websocket.Text || string(m.Data) != frame {
			t.Errorf("%s: got %v, %v, want the text %s", path, m, err, frame)
		}
	}
}

func TestInvalidPacketsOfProtocol3EndTheSession(t *testing.T) {
	s := serveEcho(t, withEIO3)
	for _, payload := range []string{
		"", "abc", "2", ":4x", "3:4x", "1:4x", "-2:4x", "+2:4x", "2 :4x", "0x2:4x", "2:4x1", "2:4x9:", "1e1:4123456789", "99999999999999999999:4x", "1:7", "1:3",
		"1:b", "2:bx", "4:b5AA", "6:b4AQI!", "2:4\xff", "9:4Grüße 世😀", strings.Repeat("0:", maxPackets+1),
	} {
		status := 400
		if payload == "" {
			status = 200
		}
		sid := s.open3("&b64=1")
		if got, _ := s.do("POST", polls3+sid, payload); got != status {
			t.Errorf("payload %.20q: got status %d, want %d", payload, got, status)
		}
		s.wantEnd(wire.ErrProtocol)
		s.wantDo("GET", polls3+sid, "", 400, noSession)
	}
	for _, payload := range []string{
		"\x00", "\x00\x01", "\x00\xff", "\x00\x0a\xff4", "\x02\x02\xff4x", "\x00\x03\xff4x", "\x01\x02\xff\x05x", "\x01\x01\xff\x02", "\x00\x02\xff4\xff",
		"\x00" + strings.Repeat("\x00", 10) + "\xff", strings.Repeat("\x00\x00\xff", maxPackets+1),
	} {
		sid := s.open3("")
		s.wantDo("POST", polls3+sid, payload, 400, "", "Content-Type", "application/octet-stream")
		s.wantEnd(wire.ErrProtocol)
		s.wantDo("GET", polls3+sid, "", 400, noSession)
	}
	for _, frame := range [][]byte{{}, {5, 1}, {'4', 1}} {
		c := s.webSocket("/?EIO=3&transport=websocket")
		if err := c.Write(t.Context(), websocket.Message{Type: websocket.Binary, Data: frame}); err != nil {
			t.Fatal(err)
		}
		wantClose(t, c, websocket.StatusNoStatus)
		s.wantEnd(ErrParse)
	}
}

// The clients of Socket.IO 1 encode the text of text payloads twice, and decode it
// twice; those of Socket.IO 2 do not.
func TestTextThatIsEncodedTwice(t *testing.T) {
	s := serveEcho(t, func(o *Options) {
		o.RefuseEIO3 = false
		o.ASCII = func(message []byte) []byte { return []byte(strings.ReplaceAll(string(message), "ü", "?")) }
	})
	for _, c := range []struct{ query, post, get string }{
		{"&b64=1", "3:4Ã¼", "2:4?"},          // the first say so by their text, and get ASCII
		{"&b64=1", "2:4x", "2:4x"},           // or say nothing
		{"&b64=1", "2:4ü", "2:4ü"},           // the later, too
		{"&b64=1", "3:4世ü", "3:4世ü"},         // both ways
		{"&b64=1", "2:4ü3:4Ã¼", "2:4ü3:4Ã¼"}, // and are then believed
		{"&b64=1", "3:4Ã¼3:4Ã¼", "2:4?2:4?"}, //
		{"", "3:4Ã¼", "2:4?"},                // also those that can take bytes, in a browser
	} {
		sid := s.open3(c.query)
		s.wantDo("POST", polls3+sid+c.query, c.post, 200, "ok")
		s.wantDo("GET", polls3+sid+c.query, "", 200, c.get)
	}
}

func TestScriptsAsPolls(t *testing.T) {
	s := serveEcho(t, func(o *Options) { o.RefuseEIO3, o.JSONP = false, true })
	resp, body := s.get(polls3 + "&j=7")
	if got := resp.Header.Get("Content-Type"); got != "text/javascript; charset=UTF-8" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("Content-Type %q", got)
	}
	if !strings.HasPrefix(body, `___eio[7]("`) || !strings.HasSuffix(body, `");`) || !strings.Contains(body, `0{\"sid\":\"`) {
		t.Errorf("handshake as a script: %q", body)
	}
	sid := s.open3("&j=7")
	for posted, want := range map[string]string{
		"4a\u2028\u2029</script>\"'": `4a\u2028\u2029\u003c/script\u003e\"'`,
		`4a\\nb`:                     `4a\\nb`, // was \n in JSON
		`4a\nb`:                      `4a\nb`,  // was a newline
		`4a\\\nb`:                    `4a\\\\nb`,
	} {
		sent := unescapeNewlines([]byte(posted))
		payload := appendText3(string(sent))
		escaped := strings.Replace(payload, string(sent), posted, 1)
		s.wantDo("POST", polls3+"&j=7"+sid, "d="+url.QueryEscape(escaped), 200, "ok", "Content-Type", "application/x-www-form-urlencoded")
		length, _, _ := strings.Cut(payload, ":")
		s.wantDo("GET", polls3+"&j=7"+sid, "", 200, `___eio[7]("`+length+":"+want+`");`)
	}
	s.wantDo("POST", polls3+"&j=7"+sid, "d="+url.QueryEscape("10:b4AQIDBA=="), 200, "ok")
	s.wantDo("GET", polls3+"&j=7"+sid, "", 200, `___eio[7]("10:b4AQIDBA==");`) // a script has no bytes
	for _, form := range []string{"", "d", "x=2:4x", "d=2:4x&d=2:4x", "d=%zz"} {
		sid := s.open3("&j=0")
		status, _ := s.do("POST", polls3+"&j=0"+sid, form)
		if status != 400 && form != "" {
			t.Errorf("form %q: status %d, want 400", form, status)
		}
		s.wantEnd(ErrParse)
	}
	for _, j := range []string{"", "x", "0];alert(1);[0", "-1", "1.5", "٣", strings.Repeat("1", 50)} {
		s.wantDo("GET", polls3+"&j="+url.QueryEscape(j), "", 400, noMatch)
	}
	s = serveEcho(t, withEIO3) // which does not do that
	s.wantDo("GET", polls3+"&j=0", "", 400, noMatch)
}

// appendText3 is a payload of one text packet.
func appendText3(packet string) string {
	payload, _ := appendPayload3(nil, []*wire.Encoded{word(packet)}, true)
	return string(payload)
}

func TestLongAnswersToPollsAreCompressed(t *testing.T) {
	s := serveEcho(t, func(o *Options) { o.CompressFromBytes = 1024 })
	long := "4" + strings.Repeat("abc", 1000)
	for _, c := range []struct{ accept, encoding string }{
		{"gzip", "gzip"}, {"deflate, gzip;q=0.5", "gzip"}, {"gzip;q=0, deflate", "deflate"}, {"*", "gzip"}, {"*;q=0.1, GZIP; q=0.0", "deflate"},
		{"br", ""}, {"identity", ""}, {"", ""}, {"gzip;q=0", ""}, {"gzip;q=x", ""},
	} {
		sid := s.open()
		s.wantDo("POST", polls+sid, long, 200, "ok")
		resp, body := s.get(polls+sid, "Accept-Encoding", c.accept)
		if got := resp.Header.Get("Content-Encoding"); got != c.encoding {
			t.Errorf("Accept-Encoding %q: got %q, want %q", c.accept, got, c.encoding)
		}
		if got := inflate(t, c.encoding, body); got != long {
			t.Errorf("Accept-Encoding %q: got %.20q of %d bytes", c.accept, got, len(got))
		}
		s.wantDo("POST", polls+sid, long[:1023], 200, "ok")
		if resp, body := s.get(polls+sid, "Accept-Encoding", c.accept); resp.Header.Get("Content-Encoding") != "" || body != long[:1023] {
			t.Errorf("a short answer has the encoding %q", resp.Header.Get("Content-Encoding"))
		}
	}
}

func inflate(t *testing.T, encoding, body string) string {
	t.Helper()
	var r io.Reader = strings.NewReader(body)
	var err error
	switch encoding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "deflate":
		r, err = zlib.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

func TestWhatIsNotToBeCompressed(t *testing.T) {
	var sq squeezer
	for range 3 { // the compressors are used again
		got, encoding := sq.squeeze(http.Header{"Accept-Encoding": {"gzip"}}, bytes.Repeat([]byte("x"), 100))
		if encoding != "gzip" || inflate(t, encoding, string(got)) != strings.Repeat("x", 100) {
			t.Errorf("got %q, %q", got, encoding)
		}
	}
	if got, encoding := sq.squeeze(http.Header{"Accept-Encoding": {"gzip"}}, []byte("x")); encoding != "" || string(got) != "x" {
		t.Errorf("what does not gain: got %q, %q", got, encoding)
	}
	plain := &wire.Encoded{Data: []byte("4x"), Uncompressed: true}
	if compressible([]*wire.Encoded{plain}) || !compressible([]*wire.Encoded{plain, word("4x")}) {
		t.Error("compressed unless all of it is not to be: not so")
	}
}

func TestTheCookieComesWithTheFirstAnswerToAPollOnly(t *testing.T) {
	s := serveEcho(t, func(o *Options) {
		o.Cookie = &http.Cookie{Name: "io", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	})
	resp, body := s.get(polls)
	id := handshake.FindStringSubmatch(body)[1]
	if got, want := resp.Header.Get("Set-Cookie"), "io="+id+"; Path=/; HttpOnly; SameSite=Lax"; got != want {
		t.Errorf("got the cookie %q, want %q", got, want)
	}
	s.wantDo("POST", polls+"&sid="+id, "4x", 200, "ok")
	if resp, _ := s.get(polls + "&sid=" + id); resp.Header["Set-Cookie"] != nil {
		t.Errorf("a second cookie: %q", resp.Header["Set-Cookie"])
	}
	c, err := websocket.Dial(t.Context(), s.URL+webSocket, &websocket.DialOptions{Jar: jar{t}})
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
}

// jar fails when it is given a cookie.
type jar struct{ t *testing.T }

func (j jar) SetCookies(_ *url.URL, cookies []*http.Cookie) {
	if len(cookies) > 0 {
		j.t.Errorf("got cookies %v", cookies)
	}
}

func (jar) Cookies(*url.URL) []*http.Cookie { return nil }

func TestHandshakesAreAllowedOrNot(t *testing.T) {
	var no error
	asked := 0
	s := serveEcho(t, func(o *Options) { o.AllowRequest = func(*http.Request) error { asked++; return no } })
	sid := s.open()
	s.wantDo("POST", polls+sid, "4x", 200, "ok")
	if asked != 1 {
		t.Errorf("asked %d times, want once: handshakes only", asked)
	}
	no = errors.New("a secret of the server's")
	s.wantDo("GET", polls, "", 403, `{"code":4,"message":"Forbidden"}`)
	no = &parley.Error{Message: "Thou shall not pass"}
	s.wantDo("GET", polls, "", 403, `{"code":4,"message":"Thou shall not pass"}`)
	s.wantRefusedUpgrade(webSocket, "Thou shall not pass")
	s.wantDo("GET", polls+sid, "", 200, "4x")
}

// wantRefusedUpgrade asks for a WebSocket and wants the answer to be that sentence.
func (s *echoServer) wantRefusedUpgrade(path, sentence string) {
	s.t.Helper()
	_, err := s.dial(path)
	var no *websocket.HandshakeError
	if !errors.As(err, &no) || no.Response == nil {
		s.t.Errorf("%s: %v, want a refusal", path, err)
		return
	}
	if kind := no.Response.Header.Get("Content-Type"); no.Response.StatusCode != 400 || kind != "text/html" {
		s.t.Errorf("%s: %d %q, want 400 text/html", path, no.Response.StatusCode, kind)
	}
	if body, _ := io.ReadAll(no.Response.Body); string(body) != sentence {
		s.t.Errorf("%s: %q, want %q", path, body, sentence)
	}
}

func TestMiddlewareComesBeforeEveryRequest(t *testing.T) {
	var no error
	s := serveEcho(t, func(o *Options) {
		o.Middleware = func(w http.ResponseWriter, r *http.Request) error { w.Header().Set("X-Seen", r.Method); return no }
	})
	sid := s.open()
	s.wantDo("POST", polls+sid, "4x", 200, "ok")
	if resp, body := s.get(polls + sid); body != "4x" || resp.Header.Get("X-Seen") != "GET" {
		t.Errorf("got %q, header %q", body, resp.Header.Get("X-Seen"))
	}
	no = errors.New("a secret of the server's")
	s.wantDo("GET", polls, "", 400, noMatch)
	s.wantDo("POST", polls+sid, "4x", 400, noMatch)
	s.wantRefusedUpgrade(webSocket, "Bad request")
	s.wantRefusedUpgrade(webSocket+sid, "Bad request")
}

func TestTransportsAreAllowedOrNot(t *testing.T) {
	const unknown = `{"code":0,"message":"Transport unknown"}`
	s := serveEcho(t, func(o *Options) { o.Transports = []string{"polling"} })
	if _, body := s.get(polls); !strings.Contains(body, `"upgrades":[],`) {
		t.Errorf("handshake %q, want no upgrades", body)
	}
	s.wantRefusedUpgrade(webSocket, "Transport unknown")
	s = serveEcho(t, func(o *Options) { o.Transports = []string{"websocket", "webtransport"} })
	s.wantDo("GET", polls, "", 400, unknown)
	s.wantDo("GET", "/?EIO=4&transport=webtransport", "", 400, unknown) // never by query
	c := s.webSocket(webSocket)
	send(t, c, "4x")
	c.Read(t.Context())
	wantFrame(t, c, "4x")
	s = serveEcho(t, func(o *Options) { o.NoUpgrades = true })
	_, body := s.get(polls)
	if !strings.Contains(body, `"upgrades":[],`) {
		t.Errorf("handshake %q, want no upgrades", body)
	}
	_, id, _ := strings.Cut(body, `"sid":"`)
	s.wantRefusedUpgrade(webSocket+"&sid="+id[:idBytes], "Bad request")
	s.webSocket(webSocket)
}

func TestTheInitialPacketComesRightBehindTheOpenPacket(t *testing.T) {
	s := serveEcho(t, func(o *Options) { o.RefuseEIO3, o.InitialPacket = false, "2[\"hi\"]" })
	if _, body := s.get(polls); !strings.HasSuffix(body, "}\x1e42[\"hi\"]") {
		t.Errorf("handshake %q", body)
	}
	if _, body := s.get(polls3); !strings.HasSuffix(body, "}8:42[\"hi\"]") {
		t.Errorf("handshake %q", body)
	}
	c := s.webSocket(webSocket)
	c.Read(t.Context())
	wantFrame(t, c, "42[\"hi\"]")
}

func TestMessagesOverWebSocketAreCompressed(t *testing.T) {
	s := serveEcho(t, func(o *Options) { o.Transport.CompressFromBytes = 1024 })
	stats := &websocket.Stats{}
	c, err := websocket.Dial(t.Context(), s.URL+webSocket, &websocket.DialOptions{Compression: &websocket.Compression{}, Stats: stats})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.Read(t.Context())
	before := stats.Snapshot()
	for _, n := range []int{1000, 100_000} {
		text := "4" + strings.Repeat("x", n)
		send(t, c, text)
		wantFrame(t, c, text)
	}
	if got := stats.Snapshot().BytesIn - before.BytesIn; got > 2000 {
		t.Errorf("%d bytes came in for 101 kB of x", got)
	}
}
