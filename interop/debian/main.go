// Command debian lets package websocket talk to clients from Debian's packages: the Perl of
// libprotocol-websocket-perl, which speaks drafts, and Mono's ClientWebSocket.
//
//	debian CLIENT.EXE
//
// It runs at the root of the tree. CLIENT.EXE is Client.cs, compiled.
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/parley-go/parley/websocket"
)

// client is a conversation a program has, and what the server must have seen of it.
type client struct {
	name     string
	command  []string // takes the URL at the end, or where it says "URL"
	version  string
	conns    int64
	statuses map[websocket.StatusCode]int64 // with which they end
}

const perl = "interop/debian/client.pl"

func clients(mono string) []client {
	type ends = map[websocket.StatusCode]int64
	return []client{
		{"perl, draft 76", []string{"perl", perl, "URL", "draft-ietf-hybi-00"}, "hixie-76", 1, ends{1005: 1}},
		{"perl, version 8", []string{"perl", perl, "URL", "draft-ietf-hybi-10"}, "8", 1, ends{4001: 1}},
		{"perl, version 13", []string{"perl", perl, "URL", "draft-ietf-hybi-17"}, "13", 1, ends{4001: 1}},
		{"mono", []string{"mono", mono, "URL"}, "13", 2, ends{4001: 1, 1000: 1}},
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: debian CLIENT.EXE")
		os.Exit(2)
	}
	failed := false
	for _, c := range clients(os.Args[1]) {
		for _, way := range []string{"Accept", "Handler"} {
			result := "ok"
			if err := c.talk(way); err != nil {
				result, failed = "FAILED: "+err.Error(), true
			}
			fmt.Printf("%-18s with %-8s %s\n", c.name, way, result)
		}
	}
	if failed {
		os.Exit(1)
	}
}

// talk has the conversation with a server of its own.
func (c client) talk(way string) error {
	var stats websocket.Stats
	o := &websocket.AcceptOptions{Subprotocols: []string{"echo"}, LegacyDrafts: true, Stats: &stats}
	var h http.Handler = &websocket.Handler{Options: o, OnMessage: answer}
	if way == "Accept" {
		h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { read(w, r, o) })
	}
	server := httptest.NewServer(h)
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var args []string
	for _, a := range c.command {
		args = append(args, strings.Replace(a, "URL", "ws"+strings.TrimPrefix(server.URL, "http")+"/echo?a=b", 1))
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for stats.Snapshot().Open > 0 { // our end may take a moment longer
		select {
		case <-ctx.Done():
			return fmt.Errorf("our end did not end: %v", stats.String())
		case <-time.After(time.Millisecond):
		}
	}
	return c.check(stats.Snapshot())
}

// check compares what the server has counted.
func (c client) check(got websocket.Snapshot) error {
	if len(got.Versions) != 1 || got.Versions[c.version] != c.conns {
		return fmt.Errorf("the versions were %v, want %d of %s", got.Versions, c.conns, c.version)
	}
	for code, n := range c.statuses {
		if got.Closed[code] != n || len(got.Closed) != len(c.statuses) {
			return fmt.Errorf("the connections ended with %v, want %v", got.Closed, c.statuses)
		}
	}
	if len(got.Drops) > 0 {
		return fmt.Errorf("something was given up: %v", got.Drops)
	}
	return nil
}

// read is the server that reads.
func read(w http.ResponseWriter, r *http.Request, o *websocket.AcceptOptions) {
	c, err := websocket.Accept(w, r, o)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for m, err := range c.Messages(r.Context()) {
		if err != nil {
			return
		}
		answer(c, m)
	}
}

// answer echoes a message, unless it asks for the end: "close CODE REASON".
func answer(c *websocket.Conn, m websocket.Message) {
	var code websocket.StatusCode
	var reason string
	if n, _ := fmt.Sscanf(string(m.Data), "close %d %s", &code, &reason); n != 2 {
		c.Send(m) // its error ends the connection
		return
	}
	go c.Close(code, reason) // of Accept it waits for the peer, whom the caller reads
}
