//go:build linux

package servers

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/bench/internal/load"
)

// brief is long enough to show that a server works; how fast does not matter here.
var brief = load.Window{Warm: 5 * time.Millisecond, Measure: 20 * time.Millisecond}

// serve starts a server and returns its address.
func serve(t *testing.T, name string, o Options) string {
	t.Helper()
	s, err := Named(name)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go s(l, o) // ends when l is closed
	return l.Addr().String()
}

func connect(t *testing.T, address string, s *load.Script) *load.Fleet {
	t.Helper()
	f, err := load.Open(address, "/", 3, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// open connects and compares the first echoes.
func open(t *testing.T, address string, s *load.Script) *load.Fleet {
	t.Helper()
	f := connect(t, address, s)
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestServersEcho(t *testing.T) {
	for _, name := range Names() {
		for _, size := range []int{125, 200 << 10} {
			if strings.HasPrefix(name, "hub") {
				size = min(size, 16<<10) // a hub has limits
			}
			f := open(t, serve(t, name, Options{}), script(name, size, 4))
			if r, err := f.Echo(4, brief); err != nil {
				t.Errorf("%s, %d bytes: after %d echoes: %v", name, size, r.Messages, err)
			}
		}
	}
}

// script is what the client of a server says.
func script(server string, size, burst int) *load.Script {
	switch {
	case strings.HasPrefix(server, "floor"):
		return load.Raw(size, burst)
	case server == "hub-socketio":
		return load.SocketIO(size, burst)
	case strings.HasPrefix(server, "hub-"):
		return load.SignalR(size, burst, server == "hub-msgpack")
	}
	return load.Echo(size, burst)
}

// websockets are the servers that are more than a bare echo.
func websockets() (names []string) {
	for _, name := range Names() {
		if !strings.HasPrefix(name, "floor") {
			names = append(names, name)
		}
	}
	return names
}

func TestServersBroadcast(t *testing.T) {
	for _, name := range websockets() {
		for _, burst := range []int{1, 16} {
			address := serve(t, name, Options{Broadcast: true})
			f := connect(t, address, script(name, 125, 16))
			if r, err := f.Broadcast(address, PublishPath, burst, brief); err != nil {
				t.Errorf("%s, bursts of %d: after %d deliveries: %v", name, burst, r.Messages, err)
			}
		}
	}
}

func TestServersCompress(t *testing.T) {
	for _, name := range websockets() {
		if name == "gobwas-epoll" || strings.HasPrefix(name, "hub") {
			continue // not written for it; no case asks
		}
		for _, context := range []string{Fresh, Takeover} {
			f := open(t, serve(t, name, Options{Deflate: context}), load.Compressed(1<<10, 1, context == Takeover))
			if r, err := f.Echo(1, brief); err != nil {
				t.Errorf("%s, %s: after %d echoes: %v", name, context, r.Messages, err)
			}
		}
	}
}

func TestServersShakeHands(t *testing.T) {
	for _, name := range websockets() {
		if name == "hub-socketio" {
			continue // its clients ask with a query, which no case does
		}
		if r, err := load.Handshakes(serve(t, name, Options{}), 4, brief); err != nil {
			t.Errorf("%s: after %d handshakes: %v", name, r.Messages, err)
		}
	}
}

// An open loop counts every message it has sent, however late its answer is.
func TestPaceHearsEveryAnswer(t *testing.T) {
	f := open(t, serve(t, "floor", Options{}), load.Raw(125, 1))
	w := load.Window{Warm: 0, Measure: 50 * time.Millisecond}
	latencies, _, err := f.Pace(2000, w)
	if err != nil {
		t.Fatal(err)
	}
	if len(latencies) == 0 || latencies[0] <= 0 {
		t.Errorf("%d latencies, the least of them %v; want some, all positive", len(latencies), latencies[:min(1, len(latencies))])
	}
}
