package classic_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr/classic"
)

// Action Cable 2016: one slow reader among eleven clients stalled them all. Here it is closed, and the others get
// everything.
func TestActionCable2016_OneSlowReader(t *testing.T) {
	r := newRoomOf(parley.Limits{QueueBytes: 256 << 10})
	mux := http.NewServeMux()
	classic.Mount(mux, "/signalr", r.hubs(), &classic.Options{WriteTimeout: 2 * time.Second})
	base := serveMux(t, mux, r.hubs()) + "/signalr"
	slow := newPage(t, base, "serverSentEvents", "chathub")
	slow.negotiate()
	at, _ := url.Parse(slow.url("connect", nil))
	conn, err := net.Dial("tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.(*net.TCPConn).SetReadBuffer(4096)
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", at.RequestURI(), at.Host)
	slow.started()

	var others []*page
	for i := range 10 {
		others = append(others, open(t, base, transports[i%len(transports)], "chathub"))
	}
	const many = 96
	large := strings.Repeat("x", 16<<10)
	for i := range many {
		if err := r.Send(t.Context(), "all", i, large); err != nil {
			t.Fatal(err)
		}
		if i%8 == 7 { // who reads is not to be drowned
			for _, p := range others {
				quiet(p)
			}
		}
	}
	for n, p := range others {
		for i := range many {
			if got, _, _ := strings.Cut(p.hears("all"), ","); got != fmt.Sprint(i) {
				t.Fatalf("client %d: got event %s, want %d", n, got, i)
			}
		}
	}
	if err := next(t, "OnDisconnect of the slow client", r.disconnects); err == nil {
		t.Error("the slow client has said goodbye")
	}
}

// CVE-2026-56170: what is kept for clients that may come back, without a limit. Here all of them together have a
// budget, and each is one of MaxConnections.
func TestCVE_2026_56170_ReconnectBuffers(t *testing.T) {
	r := newRoom()
	const budget = 2 << 20
	base := serve(t, r.hubs(), &classic.Options{BufferBudget: budget})
	reader := open(t, base, "webSockets", "chathub")
	const away = 80
	for i := range away {
		p := open(t, base, transports[i%3], "chathub")
		p.drop()
		p.client.CloseIdleConnections()
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	large := strings.Repeat("x", 16<<10)
	const rounds = 100
	for i := range rounds {
		if err := r.Send(t.Context(), "all", i, large); err != nil {
			t.Fatal(err)
		}
		if i%20 == 19 {
			quiet(reader)
			reader.mu.Lock()
			reader.kept = nil
			reader.mu.Unlock()
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	// Without a budget: 80 clients, each with 256 KiB of its own.
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4*budget {
		t.Errorf("the heap has grown by %d KiB, the budget is %d", grown>>10, budget>>10)
	}
	quiet(open(t, base, "serverSentEvents", "chathub"))
}

// CVE-2026-56170, too: cursors that go back, ahead, or are none.
func TestCVE_2026_56170_Cursors(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		r := newRoom()
		p := open(t, serve(t, r.hubs(), nil), transport, "chathub")
		for i := range 5 {
			p.invoke("chathub", "all", fmt.Sprint(i))
		}
		for range 5 {
			p.hears("all")
		}
		p.drop()
		cursor, _ := p.place()
		at := strings.LastIndex(cursor, "-") + 1
		for _, wrong := range []string{
			cursor[:at] + "99999", cursor[:at] + "-1", cursor[:at] + "9223372036854775808", cursor[:at] + "1e1", cursor[:at], cursor + "x", "x", "d-", "0",
			cursor[:at] + "+1", cursor[:at] + " 1", strings.Repeat("d-", 5000), "d-XXXXXXXX-1", "\x00",
		} {
			more := url.Values{"messageId": {wrong}, "frameId": {"1"}}
			if transport == "webSockets" { // the answer is the same, and needs no upgrade
				more.Set("transport", "serverSentEvents")
			}
			refused(t, wrong, p, "reconnect", more, http.StatusBadRequest, "")
		}
		p.mu.Lock()
		p.cursor = cursor[:2] + strings.Repeat("0", 8) + cursor[10:] // of another process
		p.mu.Unlock()
		p.reconnect()
		quiet(p)
		p.heardNothing(isEvent("all"))
	})
}

// CVE-2020-7693, CVE-2024-37890: upgrades that are none, and headers without end. They are answered, and the next
// client is served.
func TestCVE_2020_7693_BadUpgrades(t *testing.T) {
	base := serve(t, newRoom().hubs(), nil)
	p := newPage(t, base, "webSockets", "chathub")
	p.negotiate()
	at, _ := url.Parse(p.url("connect", nil))
	for _, header := range []string{
		"", "Upgrade: foo\r\n", "Upgrade: websocket\r\n", "Connection: Upgrade\r\n", "Connection: Upgrade\r\nUpgrade: foo\r\n",
		"Connection: Upgrade\r\nUpgrade: websocket\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 99\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		"Connection: Upgrade\r\nUpgrade: websocket\r\n" + strings.Repeat("X-Y: z\r\n", 2000),
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: " + strings.Repeat(" ;\"", 5000) + "\r\n",
	} {
		conn, err := net.Dial("tcp", at.Host)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", at.RequestURI(), at.Host, header)
		answer := make([]byte, 64)
		n, err := conn.Read(answer)
		if err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 4")) {
			t.Errorf("%.60q: got %q %v, want 4xx", header, answer[:n], err)
		}
		conn.Close()
	}
	p.connect("connect")
	p.started()
	quiet(p)
}

// TestBrokenClientsEndNobodyElse: random bytes over every transport, while others talk.
func TestBrokenClientsEndNobodyElse(t *testing.T) {
	r := newRoom()
	base := serve(t, r.hubs(), nil)
	random := rand.New(rand.NewPCG(1, 2))
	good := open(t, base, "webSockets", "chathub")
	const call = `{"H":"chathub","M":"echo","A":["hi",{"a":[1,2]}],"I":7,"S":{"n":1}}`
	for _, transport := range transports {
		p := open(t, base, transport, "chathub")
		for range 60 {
			text := []byte(call)
			for range 1 + random.IntN(6) {
				switch i := random.IntN(len(text)); random.IntN(3) {
				case 0:
					text[i] = byte(' ' + random.IntN(95))
				case 1:
					text = append(text[:i], text[i+1:]...)
				default:
					text = append(text[:i], append([]byte(`{["\`)[random.IntN(4):], text[i:]...)...)
				}
			}
			p.send(string(text))
		}
		quiet(p)
		quiet(good)
	}
	if got := r.Stats().Conns; got != 1+len(transports) {
		t.Errorf("%d connections are left, want %d", got, 1+len(transports))
	}
	if len(r.disconnects) > 0 {
		t.Error("somebody was disconnected")
	}
}
