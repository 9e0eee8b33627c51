package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// case5 is a case of the public suite for Socket.IO protocol 5, with its title.
type case5 struct {
	title string
	test  func(w *world)
}

func TestSocketIO5(t *testing.T) {
	cases := slices.Concat(handshakes5(), heartbeats5(), ends5(), upgrades5(), connects5(), disconnects5(), messages5())
	if len(cases) != 32 {
		t.Errorf("%d cases, want 32", len(cases))
	}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			o := &Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond, ConnectTimeout: time.Second, RefuseEIO3: true}
			inWorld(t, o, asInSuite5, c.test)
		})
	}
}

// asInSuite5 makes the server of the suite out of a world's.
func asInSuite5(w *world) {
	custom := w.another("custom")
	w.options.Namespaces = map[string]*parley.Hub{"/custom": custom}
	for _, hub := range []*parley.Hub{w.hub, custom} {
		hub.OnConnect(func(ctx context.Context, c *parley.Conn) error {
			auth := Auth(c)
			if auth == nil {
				auth = json.RawMessage("{}")
			}
			return c.Send(ctx, "auth", auth)
		})
	}
}

func opens5(w *world, first string, upgrades ...string) {
	var open map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(first, "0")), &open); err != nil {
		w.Fatalf("%q: %v", first, err)
	}
	if len(open) != 5 || fmt.Sprint(open["upgrades"]) != fmt.Sprint(upgrades) || open["pingInterval"] != 300.0 || open["pingTimeout"] != 200.0 || open["maxPayload"] != 1e6 {
		w.Errorf("the open packet is %q", first)
	}
}

// refused5 makes sure that no WebSocket is opened.
func refused5(w *world, queries ...string) {
	for _, q := range queries {
		c, err := websocket.Dial(w.Context(), "http://server/socket.io/?"+q, &websocket.DialOptions{NetDial: w.net.Dial})
		if err == nil {
			c.CloseNow()
			w.Errorf("%s: open", q)
		}
	}
}

func handshakes5() []case5 {
	return []case5{
		{"handshake/HTTP long-polling/should successfully open a session", func(w *world) {
			opens5(w, w.get(polling), "websocket")
		}},
		{"handshake/HTTP long-polling/should fail with an invalid 'EIO' query parameter", func(w *world) {
			for _, q := range []string{"transport=polling", "EIO=abc&transport=polling"} {
				if got := w.get("http://server/socket.io/?" + q); !strings.HasPrefix(got, "400") {
					w.Errorf("%s: %q", q, got)
				}
			}
		}},
		{"handshake/HTTP long-polling/should fail with an invalid 'transport' query parameter", func(w *world) {
			for _, q := range []string{"EIO=4", "EIO=4&transport=abc"} {
				if got := w.get("http://server/socket.io/?" + q); !strings.HasPrefix(got, "400") {
					w.Errorf("%s: %q", q, got)
				}
			}
		}},
		{"handshake/HTTP long-polling/should fail with an invalid request method", func(w *world) {
			for _, method := range []string{"POST", "PUT"} {
				if got := w.do(method, polling, ""); !strings.HasPrefix(got, "400") {
					w.Errorf("%s: %q", method, got)
				}
			}
		}},
		{"handshake/WebSocket/should successfully open a session", func(w *world) {
			opens5(w, w.upgrade(sockets).next())
		}},
		{"handshake/WebSocket/should fail with an invalid 'EIO' query parameter", func(w *world) {
			refused5(w, "transport=websocket", "EIO=abc&transport=websocket")
		}},
		{"handshake/WebSocket/should fail with an invalid 'transport' query parameter", func(w *world) {
			refused5(w, "EIO=4", "EIO=4&transport=abc")
		}},
	}
}

func heartbeats5() []case5 {
	return []case5{
		{"heartbeat/HTTP long-polling/should send ping/pong packets", func(w *world) {
			url := w.open()
			for range 3 {
				w.want(w.get(url), "2")
				w.post(url, "3")
			}
		}},
		{"heartbeat/HTTP long-polling/should close the session upon ping timeout", func(w *world) {
			url := w.open()
			w.sleep(800 * time.Millisecond) // the suite's 500, and the ticks of our timers
			if got := w.get(url); !strings.HasPrefix(got, "400") {
				w.Errorf("got %q", got)
			}
		}},
		{"heartbeat/WebSocket/should send ping/pong packets", func(w *world) {
			s := w.webSocket()
			for range 3 {
				s.want("2")
				s.send("3")
			}
		}},
		{"heartbeat/WebSocket/should close the session upon ping timeout", func(w *world) {
			w.webSocket().want("2", "closed")
		}},
	}
}

func ends5() []case5 {
	return []case5{
		{"close/HTTP long-polling/should forcefully close the session", func(w *world) {
			url := w.open()
			polled := make(chan string, 1)
			go func() { polled <- w.get(url) }() // ends with the poll
			synctest.Wait()
			w.post(url, "1")
			w.want(<-polled, "6")
			if got := w.get(url); !strings.HasPrefix(got, "400") {
				w.Errorf("got %q", got)
			}
		}},
		{"close/WebSocket/should forcefully close the session", func(w *world) {
			s := w.webSocket()
			s.send("1")
			s.wantClosed()
		}},
	}
}

func upgrades5() []case5 {
	probe := func(w *world) (url string, s *socket) {
		url = w.open()
		s = w.upgrade(strings.Replace(url, "polling", "websocket", 1))
		s.send("2probe")
		return url, s
	}
	return []case5{
		{"upgrade/should successfully upgrade from HTTP long-polling to WebSocket", func(w *world) {
			_, s := probe(w)
			s.want("3probe")
			s.send("5", "40")
			s.wantMatch(`^40\{`)
		}},
		{"upgrade/should ignore HTTP requests with same sid after upgrade", func(w *world) {
			url, s := probe(w)
			s.send("5")
			if got := w.get(url); !strings.HasPrefix(got, "400") {
				w.Errorf("got %q", got)
			}
		}},
		{"upgrade/should ignore WebSocket connection with same sid after upgrade", func(w *world) {
			url, s := probe(w)
			s.send("5")
			w.upgrade(strings.Replace(url, "polling", "websocket", 1)).want("closed")
			s.send("40")
			for packet := s.next(); !strings.HasPrefix(packet, `40{"sid"`); packet = s.next() { // the first still works
				if packet == "closed" {
					w.Fatal(packet)
				}
			}
		}},
	}
}

func connects5() []case5 {
	connect := func(packet, answer, auth string) func(w *world) {
		return func(w *world) {
			s := w.webSocket()
			s.send(packet)
			s.wantMatch("^" + answer + `\{"sid":"[^"]+"\}$`)
			s.want(auth)
		}
	}
	return []case5{
		{"connect/should allow connection to the main namespace", connect("40", "40", `42["auth",{}]`)},
		{"connect/should allow connection to the main namespace with a payload", connect(`40{"token":"123"}`, "40", `42["auth",{"token":"123"}]`)},
		{"connect/should allow connection to a custom namespace", connect("40/custom,", "40/custom,", `42/custom,["auth",{}]`)},
		{"connect/should allow connection to a custom namespace with a payload", connect(`40/custom,{"token":"abc"}`, "40/custom,", `42/custom,["auth",{"token":"abc"}]`)},
		{"connect/should disallow connection to an unknown namespace", func(w *world) {
			s := w.webSocket()
			s.send("40/random")
			s.want(`44/random,{"message":"Invalid namespace"}`)
		}},
		{"connect/should disallow connection with an invalid handshake", func(w *world) {
			s := w.webSocket()
			s.send("4abc")
			s.wantClosed()
		}},
		{"connect/should close the connection if no handshake is received", func(w *world) {
			s := w.webSocket()
			before := time.Now()
			for packet := s.next(); packet != "closed"; packet = s.next() {
				s.send("3")
			}
			if waited := time.Since(before); waited < time.Second || waited > 2*time.Second {
				w.Errorf("closed after %v", waited)
			}
		}},
	}
}

func disconnects5() []case5 {
	join := func(w *world) *socket {
		s := w.join()
		s.want(`42["auth",{}]`)
		return s
	}
	return []case5{
		{"disconnect/should disconnect from the main namespace", func(w *world) {
			s := join(w)
			s.send("41")
			s.want("2")
		}},
		{"disconnect/should connect then disconnect from a custom namespace", func(w *world) {
			s := join(w)
			s.want("2")
			s.send("3", "40/custom")
			s.wantMatch("^40/custom,")
			s.want(`42/custom,["auth",{}]`)
			s.send("41/custom", `42["message","message to main namespace"]`)
			s.want(`42["message-back","message to main namespace"]`)
		}},
	}
}

func messages5() []case5 {
	join := func(w *world) *socket {
		s := w.join()
		s.want(`42["auth",{}]`)
		return s
	}
	return []case5{
		{"message/should send a plain-text packet", func(w *world) {
			s := join(w)
			s.send(`42["message",1,"2",{"3":[true]}]`)
			s.want(`42["message-back",1,"2",{"3":[true]}]`)
		}},
		{"message/should send a packet with binary attachments", func(w *world) {
			s := join(w)
			s.send(`452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
			s.sendBinary("\x01\x02\x03", "\x04\x05\x06")
			s.want(`452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "binary \x01\x02\x03", "binary \x04\x05\x06")
		}},
		{"message/should send a plain-text packet with an ack", func(w *world) {
			s := join(w)
			s.send(`42456["message-with-ack",1,"2",{"3":[false]}]`)
			s.want(`43456[1,"2",{"3":[false]}]`)
		}},
		{"message/should send a packet with binary attachments and an ack", func(w *world) {
			s := join(w)
			s.send(`452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
			s.sendBinary("\x01\x02\x03", "\x04\x05\x06")
			s.want(`462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "binary \x01\x02\x03", "binary \x04\x05\x06")
		}},
		{"message/should close the connection upon invalid format (unknown packet type)", func(w *world) {
			s := join(w)
			s.send("4abc")
			s.wantClosed()
		}},
		{"message/should close the connection upon invalid format (invalid payload format)", func(w *world) {
			s := join(w)
			s.send("42{}")
			s.wantClosed()
		}},
		{"message/should close the connection upon invalid format (invalid ack id)", func(w *world) {
			s := join(w)
			s.send(`42abc["message-with-ack",1,"2",{"3":[false]}]`)
			s.wantClosed()
		}},
	}
}
