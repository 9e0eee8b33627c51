//go:build linux

package load

import (
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// A hub's first words may come with the answer to the WebSocket handshake; what it says
// must be what the protocol wants, and nothing may follow.
func TestHubsAreGreeted(t *testing.T) {
	const upgraded = "HTTP/1.1 101 Switching Protocols\r\n\r\n"
	for _, test := range []struct {
		name   string
		script *Script
		first  string // that comes at once
		then   []string
		fails  string // what the error says
	}{
		{name: "SignalR", script: SignalR(1, 1, false), then: []string{"{}\x1e"}},
		{name: "SignalR that refuses", script: SignalR(1, 1, true), then: []string{`{"error":"no"}` + "\x1e"}, fails: "the hub said"},
		{name: "SignalR that goes on", script: SignalR(1, 1, true), then: []string{"{}\x1e", "\x02\x91\x06"}, fails: "the hub said"},
		{name: "SignalR that speaks first", script: SignalR(1, 1, false), first: "{}\x1e", fails: "before any was sent"},
		{name: "Socket.IO", script: SocketIO(1, 1), first: `0{"sid":"a"}`, then: []string{`40{"sid":"b"}`}},
		{name: "Socket.IO that refuses", script: SocketIO(1, 1), first: `0{"sid":"a"}`, then: []string{`44{}`}, fails: "the hub said"},
		{name: "a bare WebSocket", script: Echo(1, 1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(ends[0])
			defer unix.Close(ends[1])
			say := func(words ...string) {
				var frames []byte
				for _, w := range words {
					frames = append(frames, ws.MustCompileFrame(ws.NewTextFrame([]byte(w)))...)
				}
				unix.Write(ends[1], frames) // a failure shows in what is read
			}
			unix.Write(ends[1], []byte(upgraded))
			if test.first != "" {
				say(test.first)
			}
			header, rest, err := readResponse(ends[0])
			if err != nil || string(header) != upgraded {
				t.Fatalf("the header is %q: %v", header, err)
			}
			say(test.then...)
			err = test.script.hub.greet(ends[0], rest)
			if test.fails == "" && err != nil || test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails)) {
				t.Errorf("got error %v, want one with %q", err, test.fails)
			}
		})
	}
}
