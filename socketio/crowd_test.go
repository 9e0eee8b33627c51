package socketio

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// Clients come and go in every way and at the same time; afterwards nothing of
// them is left.
func TestACrowdLeavesNothingBehind(t *testing.T) {
	inWorld(t, &Options{CleanupEmptyChildNamespaces: true, Recovery: &Recovery{}, PingInterval: time.Second, PingTimeout: time.Second}, func(w *world) {
		withAdmin(w)
		w.options.Dynamic = Pattern(regexp.MustCompile(`^/room-\d$`), func(string) *parley.Hub {
			hub := parley.NewHub(nil)
			hub.Handle("kick", parley.Func(func(c *parley.Conn) { Disconnect(c) }))
			return hub
		})
		w.hub.Handle("kick", parley.Func(func(c *parley.Conn) { c.Close("") }))
	}, func(w *world) {
		srv := NewServer(w.hub, &w.options)
		w.mux.Handle("/crowd/", srv)
		var crowd sync.WaitGroup
		for i := range 12 {
			crowd.Go(func() {
				luck := rand.New(rand.NewPCG(1, uint64(i)))
				for range 15 {
					w.visit(luck)
				}
			})
		}
		stop := make(chan bool)
		go func() { // ends with stop
			for {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
					w.hub.Send(w.Context(), "news", 1)
				}
			}
		}()
		crowd.Wait()
		close(stop)
		w.sleep(50 * time.Second)
		srv.mu.Lock()
		defer srv.mu.Unlock()
		n := &srv.namespaces
		if a, b := w.hub.Stats().Conns, w.further[0].Stats().Conns; a+b+len(srv.waiting)+len(n.children)+len(n.clients)+len(n.seeking)+len(n.empty) > 0 {
			t.Errorf("left behind: %d and %d connections, %d that wait, %v, %v, %v, %v", a, b, len(srv.waiting), n.children, n.clients, n.seeking, n.empty)
		}
	})
}

// visit is a client that does a few things, and ends somehow.
func (w *world) visit(luck *rand.Rand) {
	s := w.upgrade(strings.Replace(sockets, "/socket.io/", "/crowd/", 1))
	joined := map[string]bool{}
	for range luck.IntN(12) {
		nsp := []string{"/", "/admin", fmt.Sprint("/room-", luck.IntN(3)), "/none"}[luck.IntN(4)]
		head := nsp + ","
		if nsp == "/" {
			head = ""
		}
		packet := "40" + head
		if joined[nsp] {
			packet = []string{"42" + head + `["kick"]`, "41" + head, "42" + head + `7["who"]`, "42" + head + `["message",1]`}[luck.IntN(4)]
		}
		joined[nsp] = packet[1] != '1' && nsp != "/none"
		s.conn.Write(w.Context(), asText(packet)) // it may have been disconnected
	}
	if luck.IntN(2) == 0 {
		s.conn.Write(w.Context(), asText([]string{"1", "4x", "x"}[luck.IntN(3)]))
	}
	if luck.IntN(2) == 0 {
		for range s.frames { // until the server closes, at the latest for want of pongs
		}
	}
	s.conn.CloseNow()
}

func asText(packet string) websocket.Message {
	return websocket.Message{Type: websocket.Text, Data: []byte(packet)}
}
