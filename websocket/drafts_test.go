package websocket

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// The vectors of draft 76, §1.3, and of its examples.
var vectors76 = []struct {
	key1, key2, key3 string
	part1, part2     uint32
	answer           string
}{
	{"4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00", "^n:ds[4U", 829309203, 259970620, "8jKS'y:G*Co,Wxa-"},
	{"18x 6]8vM;54 *(5:  {   U1]8  z [  8", "1_ tx7X d  <  nw  334J702) 7]o}` 0", "Tm[K T2u", 155712099, 173347027, "fQJ,fN/4F4!~K~MH"},
}

func TestTheAnswerToAChallengeOfDraft76(t *testing.T) {
	for _, v := range vectors76 {
		part1, ok1 := part76(v.key1)
		part2, ok2 := part76(v.key2)
		if !ok1 || !ok2 || part1 != v.part1 || part2 != v.part2 {
			t.Errorf("the keys: got %d %v, %d %v, want %d and %d", part1, ok1, part2, ok2, v.part1, v.part2)
		}
		c, err := keys76(http.Header{"Sec-Websocket-Key1": {v.key1}, "Sec-Websocket-Key2": {v.key2}})
		if err != nil {
			t.Fatal(err)
		}
		copy(c[8:], v.key3)
		if got := c.answer(); string(got[:]) != v.answer {
			t.Errorf("the answer: got %q, want %q", got, v.answer)
		}
	}
}

func TestKeysOfDraft76ThatAreRefused(t *testing.T) {
	for _, key := range []string{"", "1234", "x  y", " ", "1 2x 3", "4294967296 ", "99999999999999999999999999999 1"} {
		if part, ok := part76(key); ok {
			t.Errorf("%q: got %d, want it refused", key, part)
		}
	}
	if part, ok := part76("4294967295 "); !ok || part != 4294967295 {
		t.Errorf("the largest number: got %d, %v", part, ok)
	}
}

var drafts = &AcceptOptions{LegacyDrafts: true}

// handshake76 returns a request of draft 76 with the first vector, but for its last eight
// bytes; a change of "-" removes a header.
func handshake76(changes map[string]string) string {
	headers := map[string]string{
		"Host": "chat.test", "Upgrade": "WebSocket", "Connection": "Upgrade", "Origin": "http://chat.test",
		"Sec-WebSocket-Key1": vectors76[0].key1, "Sec-WebSocket-Key2": vectors76[0].key2,
	}
	line := "GET /there?room=1 HTTP/1.1"
	for name, v := range changes {
		if headers[name] = v; name == "request line" {
			line = v
		}
	}
	var b strings.Builder
	b.WriteString(line + "\r\n")
	for name, v := range headers {
		if v != "-" && name != "request line" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	return b.String() + "\r\n"
}

const answer76 = "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Origin: %s\r\nSec-WebSocket-Location: %s\r\n%s\r\n8jKS'y:G*Co,Wxa-"

// old opens a connection of draft 76, which early follows at once.
func (n network) old(t *testing.T, url string, early ...[]byte) *rawPeer {
	t.Helper()
	host := url[strings.Index(url, "://")+3:]
	nc, err := n.connect(host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	scheme := "ws"
	if n.tls {
		nc, scheme = tls.Client(nc, &tls.Config{InsecureSkipVerify: true}), "wss"
	}
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	p := &rawPeer{t, nc}
	p.send(join([]byte(handshake76(nil)), []byte(vectors76[0].key3), join(early...)))
	p.expect(fmt.Sprintf(answer76, "http://chat.test", scheme+"://chat.test/there?room=1", ""))
	return p
}

// expect reads exactly want.
func (p *rawPeer) expect(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(p.nc, got)
	if string(got[:n]) != want {
		p.t.Fatalf("the peer got %q, %v, want %q", got[:n], err, want)
	}
}

// text76 is a text as draft 76 frames it.
func text76(s string) []byte { return append(append([]byte{0}, s...), 0xFF) }

const goodbye76 = "\xFF\x00"

func TestTheHandshakeOfDraft76InAnyPieces(t *testing.T) {
	key3 := vectors76[0].key3
	for _, length := range []string{"-", "8"} { // browsers send none, others do
		request := handshake76(map[string]string{"Content-Length": length}) + key3 + "\x00hello\xFF"
		for _, pieces := range [][]int{{}, {len(request) - 15}, {len(request) - 15, len(request) - 11}, {len(request) - 7}, {len(request) - 15, len(request) - 7, len(request) - 3}} {
			called, echo := make(chan bool), echoHandler(drafts)
			url := networks[0].serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(called)
				echo.ServeHTTP(w, r)
			}))
			nc, err := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
			if err != nil {
				t.Fatal(err)
			}
			nc.SetDeadline(time.Now().Add(30 * time.Second))
			at := 0
			for _, end := range append(pieces, len(request)) {
				io.WriteString(nc, request[at:end])
				if at = end; at >= len(request)-15 { // the head is complete
					<-called
				}
			}
			p := &rawPeer{t, nc}
			p.expect(fmt.Sprintf(answer76, "http://chat.test", "ws://chat.test/there?room=1", "") + "\x00hello\xFF")
			p.send([]byte(goodbye76))
			p.expect(goodbye76)
			p.expectEnd()
			nc.Close()
		}
	}
}

func TestEveryCheckOfTheHandshakeOfDraft76(t *testing.T) {
	type changes = map[string]string
	tests := []struct {
		name    string
		changes changes
		want    int
	}{
		{"in order", nil, 101},
		{"POST", changes{"request line": "POST / HTTP/1.1"}, 405},
		{"HTTP/1.0", changes{"request line": "GET / HTTP/1.0"}, 400},
		{"no Upgrade", changes{"Upgrade": "-"}, 426},
		{"no Connection", changes{"Connection": "-"}, 400},
		{"no first key", changes{"Sec-WebSocket-Key1": "-"}, 400},
		{"no second key", changes{"Sec-WebSocket-Key2": "-"}, 400},
		{"a key without spaces", changes{"Sec-WebSocket-Key1": "1234"}, 400},
		{"a key its spaces do not divide", changes{"Sec-WebSocket-Key2": "1 2x 3"}, 400},
		{"a key beyond 32 bits", changes{"Sec-WebSocket-Key1": "42949 67296"}, 400},
		{"a body of nine bytes", changes{"Content-Length": "9"}, 400},
		{"a chunked body", changes{"Transfer-Encoding": "chunked"}, 400},
		{"two subprotocols", changes{"Sec-WebSocket-Protocol": "chat, other"}, 400},
		{"no token for a subprotocol", changes{"Sec-WebSocket-Protocol": "chat other"}, 400},
		{"no Origin", changes{"Origin": "-"}, 403},
		{"a page of another host", changes{"Origin": "http://evil.test"}, 403},
		{"a page of a host that may", changes{"Origin": "http://friend.test"}, 101},
		{"a page of nowhere", changes{"Origin": "null"}, 403},
		{"draft 75", changes{"Sec-WebSocket-Key1": "-", "Sec-WebSocket-Key2": "-"}, 426},
		{"a version and keys", changes{"Sec-WebSocket-Version": "6"}, 426},
	}
	o := &AcceptOptions{Origins: []string{"friend.test"}, InsecureAnyOrigin: true, LegacyDrafts: true, Subprotocols: []string{"chat"}}
	s := echoServer(t, o)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, _, nc := ask(t, s, handshake76(tt.changes)+vectors76[0].key3)
			if resp.StatusCode != tt.want {
				t.Errorf("got %d, want %d", resp.StatusCode, tt.want)
			}
			if got := resp.Header.Get("Sec-WebSocket-Version"); resp.StatusCode == 426 && got != "13, 8, 7" {
				t.Errorf("versions: got %q, want those that are spoken", got)
			}
			nc.Close()
		})
	}
}

// Switched off, a handshake of draft 76 is answered at once, and its eight bytes are not
// taken for the next request.
func TestDraft76IsOffByDefault(t *testing.T) {
	var stats Stats
	s := echoServer(t, &AcceptOptions{InsecureAnyOrigin: true, Stats: &stats, Draft76: &Draft76{}})
	for _, length := range []string{"-", "8"} {
		for _, key3 := range []string{"", vectors76[0].key3} {
			resp, br, nc := ask(t, s, handshake76(map[string]string{"Content-Length": length})+key3)
			if resp.StatusCode != 400 || !resp.Close {
				t.Errorf("got %d, and close %v, want 400 and the end", resp.StatusCode, resp.Close)
			}
			io.Copy(io.Discard, resp.Body)
			if length == "8" && key3 == "" {
				io.WriteString(nc, vectors76[0].key3) // net/http hangs up when it has come
			}
			if rest, _ := io.ReadAll(br); len(rest) > 0 {
				t.Errorf("got %q behind the answer", rest)
			}
		}
	}
	for _, v := range []string{"7", "8"} {
		resp, _, _ := ask(t, s, handshake(map[string]string{"Sec-WebSocket-Version": v}))
		if got := resp.Header.Get("Sec-WebSocket-Version"); resp.StatusCode != 426 || got != "13" {
			t.Errorf("version %s: got %d and versions %q, want 426 and 13", v, resp.StatusCode, got)
		}
	}
	if got := stats.Snapshot(); got.Opened != 0 || got.Drops["handshake"] != 6 {
		t.Errorf("counted %+v, want six handshakes refused", got)
	}
}

func TestTheEightBytesThatDoNotCome(t *testing.T) {
	var stats Stats
	o := &AcceptOptions{LegacyDrafts: true, Stats: &stats, Limits: &Limits{HandshakeTimeout: 50 * time.Millisecond, ConnsPerAddress: 1}}
	s := echoServer(t, o)
	for range 2 { // the first must not count any more when the second comes
		resp, br, _ := ask(t, s, handshake76(nil)+"1234567")
		if rest, err := io.ReadAll(br); resp.StatusCode != 400 || err != nil || len(rest) > 0 {
			t.Errorf("got %d, then %q, %v; want 400 and the end", resp.StatusCode, rest, err)
		}
	}
	if got := stats.Snapshot().Drops["handshake_timeout"]; got != 2 {
		t.Errorf("counted %d, want 2", got)
	}
	nc, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(nc, handshake76(nil)+"1234")
	nc.Close() // gone in the middle of them
	until(t, "the handshake is given up", func() bool { return stats.Snapshot().Drops["handshake"] == 1 })
}

func TestTheAddressDraft76IsToldIsTheClients(t *testing.T) {
	location := func(r *http.Request) string { return "wss://" + r.Host + "/public" + r.URL.RequestURI() }
	tests := []struct {
		line     string
		location func(*http.Request) string
		want     string
		status   int
	}{
		{"GET /chat HTTP/1.1", nil, "ws://chat.test/chat", 101},
		{"GET /chat?a=b&c HTTP/1.1", location, "wss://chat.test/public/chat?a=b&c", 101},
		{"GET http://chat.test/chat?x HTTP/1.1", nil, "ws://chat.test/chat?x", 101},
		{"GET /chat HTTP/1.1", func(*http.Request) string { return "ws://x/\r\nSet-Cookie: a=b" }, "", 500},
		{"GET /chat HTTP/1.1", func(*http.Request) string { return "" }, "", 500},
	}
	for _, tt := range tests {
		s := echoServer(t, &AcceptOptions{LegacyDrafts: true, Draft76: &Draft76{Location: tt.location}})
		resp, _, _ := ask(t, s, handshake76(map[string]string{"request line": tt.line})+vectors76[0].key3)
		if got := resp.Header.Get("Sec-WebSocket-Location"); got != tt.want || resp.StatusCode != tt.status {
			t.Errorf("%s: got %d, %q, want %d, %q", tt.line, resp.StatusCode, got, tt.status, tt.want)
		}
	}
}

func TestTheSubprotocolOfDraft76IsOneName(t *testing.T) {
	s := echoServer(t, &AcceptOptions{Subprotocols: []string{"v1.chat", "v2.chat"}, LegacyDrafts: true})
	for asked, want := range map[string]string{"v2.chat": "v2.chat", "other": "", "-": ""} {
		resp, _, _ := ask(t, s, handshake76(map[string]string{"Sec-WebSocket-Protocol": asked})+vectors76[0].key3)
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); resp.StatusCode != 101 || got != want {
			t.Errorf("asked for %q: got %d and %q, want %q", asked, resp.StatusCode, got, want)
		}
	}
}

func TestAHandlerOfDraft76(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		var l calls
		h := l.handler()
		h.Options = drafts
		p := n.old(t, n.serve(t, h), text76("one"))
		p.expect("\x00one\xFF")
		p.send(text76("two"), text76(""), text76("grüße"))
		p.expect("\x00two\xFF\x00\xFF\x00grüße\xFF")
		p.send([]byte(goodbye76))
		p.expect(goodbye76)
		p.expectEnd()
		l.want(t, "open /there; text one; text two; text ; text grüße; close 1005 ")
	})
}

func TestAcceptOfDraft76(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		p := n.old(t, n.serve(t, echoHandler(drafts)), text76("one"))
		p.expect("\x00one\xFF")
		long := strings.Repeat("long ", 3000)
		p.send(text76("two"), text76(long), []byte(goodbye76))
		p.expect("\x00two\xFF\x00" + long + "\xFF" + goodbye76)
		p.expectEnd()
	})
}

// A frame may come in any pieces; what has a length, or another type than text, is read
// past.
func TestFramesOfDraft76InAnyPieces(t *testing.T) {
	input := join([]byte("\x80\x05abcde"), text76("one"), []byte("\x01not text\xFF"), []byte("\x80\x00"), []byte("\x81\x81\x00"), make([]byte, 128),
		text76("zwei €"), []byte("\xFF\x03\xFF\x00\x00"), text76(""), text76("end"), []byte("\xFF\x80\x00"))
	overEach(t, func(t *testing.T, n network) {
		for _, step := range []int{1, 2, 3, 7, len(input)} {
			var l calls
			h := l.handler()
			h.Options = drafts
			p := n.old(t, n.serve(t, h))
			for piece := range slices.Chunk(input, step) {
				p.send(piece)
			}
			p.expect("\x00one\xFF\x00zwei €\xFF\x00\xFF\x00end\xFF" + goodbye76)
			l.want(t, "open /there; text one; text zwei €; text ; text end; close 1005 ")
		}
	})
}

func TestDraft76IsRefusedWhatIsTooMuch(t *testing.T) {
	limits := &Limits{MessageBytes: 1 << 20, ControlFrames: 20}
	o := &AcceptOptions{LegacyDrafts: true, Draft76: &Draft76{MessageBytes: 100}, Limits: limits}
	const tooLong = "error websocket: the message is longer than 100 bytes (status 1009); close 1009 the message is longer than 100 bytes"
	tests := []struct {
		name string
		send []byte
		want string
	}{
		{"a text that is too long", text76(strings.Repeat("x", 101)), tooLong},
		{"a text without an end", append([]byte{0}, make([]byte, 5000)...), tooLong},
		{"text of another type without an end", bytes.Repeat([]byte{1}, 5000), tooLong},
		{"a frame to be discarded that is too long", []byte{0x80, 101}, tooLong},
		{"a length that overflows", append([]byte{0x80}, bytes.Repeat([]byte{0xFF}, 50)...), tooLong},
		{"a length of zeros without an end", append([]byte{0xFF}, bytes.Repeat([]byte{0x80}, 50)...),
			"error websocket: a length is written with too many bytes (status 1002); close 1002 a length is written with too many bytes"},
		{"a flood of frames to be discarded", bytes.Repeat([]byte{0x80, 0}, 50),
			"error websocket: too many control frames (status 1008); close 1008 too many control frames"},
		{"a text that is not UTF-8", text76("\xC0\x80"), "error websocket: a text message is not UTF-8 (status 1007); close 1007 a text message is not UTF-8"},
	}
	overEach(t, func(t *testing.T, n network) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				var l calls
				h := l.handler()
				h.Options = o
				p := n.old(t, n.serve(t, h))
				p.send(tt.send)
				p.expect(goodbye76)
				p.nc.Close()
				l.want(t, "open /there; "+tt.want)
			})
		}
	})
	t.Run("the default", func(t *testing.T) {
		p := networks[0].old(t, networks[0].serve(t, echoHandler(drafts)))
		p.send(text76(strings.Repeat("x", 16<<10)))
		p.expect("\x00" + strings.Repeat("x", 16<<10) + "\xFF")
		p.send(text76(strings.Repeat("x", 16<<10+1)))
		p.expect(goodbye76)
	})
}

// What draft 76 has no words for is an error, and the connection lives on.
func TestDraft76CannotSayEverything(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		conns := make(chan *Conn, 1)
		p := n.old(t, n.serve(t, &Handler{Options: drafts, OnOpen: func(c *Conn, _ *http.Request) { conns <- c }}))
		c := <-conns
		if c.Version() != "hixie-76" {
			t.Errorf("Version: got %q", c.Version())
		}
		ctx := t.Context()
		_, writer := c.Writer(ctx, Binary)
		badText, _ := c.Writer(ctx, Text)
		badText.Write([]byte("a"))
		badText.Write([]byte("\xFF"))
		for doing, err := range map[string]error{
			"Send of binary":          c.Send(Message{Binary, []byte("abc")}),
			"Write of binary":         c.Write(ctx, Message{Binary, nil}),
			"SendPrepared of binary":  c.SendPrepared(Prepare(Message{Binary, []byte("abc")})),
			"WriteBatch with binary":  c.WriteBatch(ctx, []*Prepared{Prepare(Message{Text, []byte("a")}), Prepare(Message{Binary, nil})}),
			"Writer of binary":        writer,
			"Send of a frame inside":  c.Send(Message{Text, []byte("a\xFF\x00b")}),
			"Write of a frame inside": c.Write(ctx, Message{Text, []byte("\xFF")}),
			"SendPrepared of one":     c.SendPrepared(Prepare(Message{Text, []byte("a\xFF")})),
			"Close of a Writer of it": badText.Close(),
			"Ping":                    c.Ping(ctx),
			"SendPing":                c.SendPing(nil),
		} {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s: got %v, want ErrUnsupported", doing, err)
			}
		}
		c.Send(Message{Text, []byte("still here")})
		p.expect("\x00still here\xFF")
	})
}

func TestEveryWayToSendByDraft76(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		conns := make(chan *Conn, 1)
		h := &Handler{Options: drafts, OnOpen: func(c *Conn, _ *http.Request) { conns <- c }}
		url := n.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := h.AcceptWith(w, r, Message{Text, []byte("greeting")}); err == nil {
				c.Hold()
			}
		}))
		p := n.old(t, url)
		p.expect("\x00greeting\xFF")
		c, long := <-conns, strings.Repeat("0123456789", 10_000)
		var set Set
		set.Add(c)
		ctx := t.Context()
		c.Write(ctx, Message{Text, []byte("write")})
		c.Send(Message{Text, []byte("send")})
		set.Broadcast(Message{Text, []byte("broadcast")})
		c.WriteBatch(ctx, []*Prepared{Prepare(Message{Text, []byte("batch")}), Prepare(Message{Text, nil})})
		go func() { // the network does not hold all of it
			set.Broadcast(Message{Text, []byte(long)})
			c.Write(ctx, Message{Text, []byte(long)})
			w, err := c.Writer(ctx, Text)
			if err != nil {
				t.Error(err)
			}
			for piece := range slices.Chunk([]byte(long), 3000) {
				w.Write(piece)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			c.Close(StatusGoingAway, "cannot be said")
		}()
		p.expect("\x00write\xFF\x00send\xFF\x00broadcast\xFF\x00batch\xFF\x00\xFF")
		for range 3 {
			p.expect("\x00" + long + "\xFF")
		}
		p.expect(goodbye76)
		p.send([]byte(goodbye76))
		p.expectEnd()
		<-c.Done()
	})
}

func TestAWriterOfDraft76GathersSoMuch(t *testing.T) {
	conns := make(chan *Conn, 1)
	o := &AcceptOptions{LegacyDrafts: true, Limits: &Limits{QueueBytes: 1000}}
	n := networks[0]
	p := n.old(t, n.serve(t, &Handler{Options: o, OnOpen: func(c *Conn, _ *http.Request) { conns <- c }}))
	c := <-conns
	w, err := c.Writer(t.Context(), Text)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write(make([]byte, 1000)); n != 1000 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("one more: got no error")
	}
	if err := w.Close(); err == nil {
		t.Error("Close of what was given up: got no error")
	}
	c.Send(Message{Text, []byte("the next")})
	p.expect("\x00the next\xFF")
}

// Close of a Conn that is read waits for the goodbye of draft 76.
func TestCloseOfDraft76(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		closed := make(chan error, 1)
		p := n.old(t, n.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := Accept(w, r, drafts); err == nil {
				closed <- c.Close(StatusNormalClosure, "")
			}
		})))
		p.expect(goodbye76)
		p.send(text76("late"), []byte(goodbye76))
		p.expectEnd()
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestTheReaderOfDraft76(t *testing.T) {
	n, got := networks[0], make(chan string, 1)
	p := n.old(t, n.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, drafts)
		if err != nil {
			return
		}
		defer c.CloseNow()
		_, body, err := c.Reader(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		text, err := io.ReadAll(body)
		got <- fmt.Sprint(string(text), err)
	})))
	p.send([]byte("\x00in two "), []byte("pieces\xFF"))
	if got := <-got; got != "in two pieces<nil>" {
		t.Errorf("got %q", got)
	}
}

// Drafts 7 and 8 are RFC 6455 but for their number and where a browser says whose page
// it shows.
func TestDrafts7And8(t *testing.T) {
	var stats Stats
	o := &AcceptOptions{LegacyDrafts: true, Stats: &stats, Compression: &Compression{}}
	for _, v := range []string{"7", "8", "13"} {
		headers := map[string]string{"Sec-WebSocket-Version": v, "Sec-WebSocket-Origin": "http://chat.test", "Sec-WebSocket-Extensions": "permessage-deflate"}
		resp, br, nc := ask(t, echoServer(t, o), handshake(headers))
		if got := resp.Header.Get("Sec-WebSocket-Accept"); resp.StatusCode != 101 || got != sampleAccept {
			t.Errorf("version %s: got %d, %q", v, resp.StatusCode, got)
		}
		if got := resp.Header.Get("Sec-WebSocket-Extensions"); (got != "") != (v == "13") {
			t.Errorf("version %s: got extensions %q", v, got)
		}
		p := &rawPeer{t, readConn{br, nc}}
		p.send(masked(0x89, nil), maskedText("hello"))
		if ping, text := p.receive(), p.receive(); ping.first != 0x8A || string(text.payload) != "hello" {
			t.Errorf("version %s: got %v, %v", v, ping, text)
		}
		p.send(masked(0x88, closePayload(1004, ""))) // a message was too big: until draft 10
		want := StatusCode(1004)
		if v == "13" {
			want = StatusProtocolError
		}
		if code, _ := p.receiveClose(); code != want {
			t.Errorf("version %s: 1004 was answered with %d, want %d", v, code, want)
		}
	}
	refused := []map[string]string{
		{"Sec-WebSocket-Version": "8", "Sec-WebSocket-Origin": "http://evil.test"},
		{"Sec-WebSocket-Version": "7", "Origin": "http://evil.test"},
		{"Sec-WebSocket-Version": "8", "Origin": "http://chat.test", "Sec-WebSocket-Origin": "http://evil.test"},
		{"Sec-WebSocket-Version": "8", "Sec-WebSocket-Origin": "http://chat.test\nhttp://evil.test"},
	}
	for _, headers := range refused {
		if resp, _, _ := ask(t, echoServer(t, o), handshake(headers)); resp.StatusCode != 403 {
			t.Errorf("%v: got %d, want 403", headers, resp.StatusCode)
		}
	}
	for _, v := range []string{"6", "0", "14", "13, 8", "08"} {
		resp, _, _ := ask(t, echoServer(t, o), handshake(map[string]string{"Sec-WebSocket-Version": v}))
		if got := resp.Header.Get("Sec-WebSocket-Version"); resp.StatusCode != 426 || got != "13, 8, 7" {
			t.Errorf("version %s: got %d and %q, want 426 and those that are spoken", v, resp.StatusCode, got)
		}
	}
	networks[0].old(t, networks[0].serve(t, &Handler{Options: o}))
	if got, want := fmt.Sprint(stats.Snapshot().Versions), "map[13:1 7:1 8:1 hixie-76:1]"; got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// readConn reads what a bufio.Reader holds before the connection.
type readConn struct {
	io.Reader
	net.Conn
}

func (c readConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// FuzzDraft76 feeds arbitrary bytes to a connection of draft 76, in steps of two sizes,
// which must not make a difference, and compares with a plain reading of the draft.
func FuzzDraft76(f *testing.F) {
	f.Add(join(text76("hello"), []byte("\x80\x05abcde\x01no\xFF"), text76("€"), []byte(goodbye76), text76("late")), uint16(1))
	f.Add([]byte("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x00a\xFF"), uint16(3))
	f.Add(append([]byte{0}, make([]byte, 2000)...), uint16(700))
	f.Fuzz(func(t *testing.T, input []byte, step uint16) {
		const limit = 1000
		want := read76Plainly(input, limit)
		for _, s := range []int{int(step) + 1, 1 << 20} {
			c := newConn(&scriptConn{bytes.NewReader(input), s}, false, &Limits{ControlFrames: 1 << 30}, nil)
			c.version, c.bounds = hixie76, (&Draft76{MessageBytes: limit}).bounds(c.bounds)
			var got []string
			for m, err := range c.Messages(context.Background()) {
				if err != nil {
					break
				}
				got = append(got, string(m.Data))
				if lent := c.reading.lent; lent != nil && cap(lent.b) > 4*limit {
					t.Fatalf("%d bytes of room for %d", cap(lent.b), limit)
				}
			}
			if strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
				t.Fatalf("in steps of %d: got %q, want %q", s, got, want)
			}
		}
	})
}

// read76Plainly returns the messages in input up to the first error or goodbye.
func read76Plainly(input []byte, limit int) (messages []string) {
	for len(input) > 0 {
		typ := input[0]
		input = input[1:]
		if typ < 0x80 {
			text, rest, ended := bytes.Cut(input, []byte{0xFF})
			if !ended || len(text) > limit || typ == 0 && !bytes.Equal(bytes.ToValidUTF8(text, []byte("?!")), text) {
				return messages
			}
			if typ == 0 {
				messages = append(messages, string(text))
			}
			input = rest
			continue
		}
		length, more := 0, true
		for digits := 0; more; digits++ {
			if digits == 9 || len(input) == 0 {
				return messages
			}
			length, more = length*128+int(input[0]&0x7F), input[0] >= 0x80
			if input = input[1:]; length > limit {
				return messages
			}
		}
		if typ == 0xFF && length == 0 || length > len(input) {
			return messages
		}
		input = input[length:]
	}
	return messages
}
