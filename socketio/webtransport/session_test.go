package webtransport

import (
	"encoding/binary"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/socketio"
	"github.com/parley-go/parley/wire"
)

func TestAConnectionByWebTransport(t *testing.T) {
	w := serve(t, socketio.Options{}, nil)
	c := w.client()
	c.send("0")
	rest := c.want(`0{"sid":"`)
	if want := `","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`; len(rest) < 20 || rest[20:] != want {
		t.Errorf("got %s, want an ID and %s", rest, want)
	}
	c.send("40")
	c.want(`40{"sid":"`)
	c.echo("hello")
	c.echo(strings.Repeat("x", 100))
	c.echo(strings.Repeat("x", 100_000))
	w.wantConns(1)
	c.session.CloseWithError(0, "")
	w.wantEnd()
}

func TestPacketsInPieces(t *testing.T) {
	w := serve(t, socketio.Options{}, nil)
	c := w.client()
	for _, b := range appendFrame(appendFrame(nil, text("0")), text("40")) {
		c.write(b)
	}
	c.want(`0{"sid":"`)
	c.want(`40{"sid":"`)
	c.write(append(appendFrame(nil, text(`420["echo","a"]`)), appendFrame(nil, text(`421["echo","b"]`))...)...)
	c.want(`430["webtransport a"]`)
	c.want(`431["webtransport b"]`)
}

func TestUpgradeFromPolling(t *testing.T) {
	w := serve(t, socketio.Options{}, nil)
	open := w.poll("GET", "", "")
	if !strings.Contains(open, `"upgrades":["websocket","webtransport"]`) {
		t.Errorf("the handshake offers no webtransport: %s", open)
	}
	_, id, _ := strings.Cut(open, `"sid":"`)
	id, _, _ = strings.Cut(id, `"`)
	w.poll("POST", "&sid="+id, "40")
	if got := w.poll("GET", "&sid="+id, ""); !strings.HasPrefix(got, `40{"sid":"`) {
		t.Errorf("by polling: %s", got)
	}
	c := w.client()
	c.send(`0{"sid":"` + id + `"}`)
	c.send("2probe")
	c.want("3probe")
	w.poll("POST", "&sid="+id, `420["echo","still by polling"]`)
	if got := w.poll("GET", "&sid="+id, ""); got != `430["polling still by polling"]` && got != "6" {
		t.Errorf("by polling: %s", got)
	}
	c.send("5")
	for { // the answer that has not fitted into a poll, if any, is taken along
		c.send(`427["echo","x"]`)
		if c.want("43") == `7["webtransport x"]` {
			break
		}
	}
	c.session.CloseWithError(0, "")
	w.wantEnd()
}

// What a first packet may not be ends the session, and there has been no connection.
func TestFirstPacketsThatOpenNothing(t *testing.T) {
	long := binary.BigEndian.AppendUint16([]byte{126}, maxFirst+1)
	for _, c := range []struct {
		name   string
		frames []byte
	}{
		{"a message", []byte("\x02" + "40")},
		{"binary", []byte("\x810")},
		{"length 0", []byte{0}},
		{"too long", long},
		{"an unknown session", []byte("\x0d" + `0{"sid":"abc"}`)[:14]},
		{"no JSON", []byte("\x03" + `0{"`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := serve(t, socketio.Options{}, nil)
			client := w.client()
			client.write(c.frames...)
			client.wantOver()
			w.wantConns(0)
		})
	}
}

// engine.io 6.6.8 and 6.6.11: WebTransport sessions whose handshake was not
// finished were never let go.
func TestSecurityWebTransportHandshakeLeak(t *testing.T) {
	o := socketio.Options{UpgradeTimeout: 200 * time.Millisecond}
	t.Run("no stream", func(t *testing.T) {
		w := serve(t, o, nil)
		session, err := w.dial(nil)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-session.Context().Done():
		case <-w.ctx.Done():
			t.Fatal("the session does not end")
		}
		w.wantNothingOpening()
	})
	for name, frames := range map[string][]byte{"no packet": {}, "half a header": {126, 0}, "half a packet": {14, '0', '{'}} {
		t.Run(name, func(t *testing.T) {
			w := serve(t, o, nil)
			c := w.client()
			c.write(frames...)
			c.wantOver()
			w.wantNothingOpening()
		})
	}
	t.Run("a probe that is never one", func(t *testing.T) {
		w := serve(t, o, nil)
		_, id, _ := strings.Cut(w.poll("GET", "", ""), `"sid":"`)
		id, _, _ = strings.Cut(id, `"`)
		c := w.client()
		c.send(`0{"sid":"` + id + `"}`)
		c.wantOver()
		w.poll("POST", "&sid="+id, "40") // the connection itself goes on
		w.poll("GET", "&sid="+id, "")
		w.poll("POST", "&sid="+id, "1")
	})
	t.Run("gone meanwhile", func(t *testing.T) {
		w := serve(t, o, nil)
		w.client().session.CloseWithError(0, "")
		w.wantNothingOpening()
	})
}

// wantNothingOpening waits until no session is without its first packet.
func (w *world) wantNothingOpening() {
	w.t.Helper()
	for w.server.opening.Load() != 0 {
		if w.ctx.Err() != nil {
			w.t.Fatal("a session is still opening")
		}
	}
	w.wantConns(0)
}

func TestASessionBelongsToOneClientOnly(t *testing.T) {
	w := serve(t, socketio.Options{}, nil)
	c := w.client()
	c.send("0")
	id := c.want(`0{"sid":"`)[:20]
	thief := w.client()
	thief.send(`0{"sid":"` + id + `"}`) // it is one by WebTransport already
	thief.wantOver()
	c.send("40")
	c.want(`40{"sid":"`)
	c.echo("still mine")
}

func TestOriginsAreChecked(t *testing.T) {
	w := serve(t, socketio.Options{Origins: []string{"https://good.example"}}, nil)
	if _, err := w.dial(http.Header{"Origin": {"https://evil.example"}}); err == nil || !strings.HasPrefix(err.Error(), "403") {
		t.Errorf("a foreign page: %v", err)
	}
	for _, origin := range []string{"https://good.example", "https://" + w.addr} {
		if _, err := w.dial(http.Header{"Origin": {origin}}); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

func TestMaxOpening(t *testing.T) {
	w := serve(t, socketio.Options{}, &Options{MaxOpening: 1})
	c := w.client()
	c.write(5) // announces the stream, and no more
	if _, err := w.dial(nil); err == nil || !strings.HasPrefix(err.Error(), "503") {
		t.Errorf("a second one that opens: %v", err)
	}
	c.session.CloseWithError(0, "")
	w.wantNothingOpening()
	w.client().join()
	w.client().join() // those that are open do not count
}

func TestMaxSessions(t *testing.T) {
	w := serve(t, socketio.Options{MaxSessions: 1}, nil)
	w.client().join()
	c := w.client()
	c.send("0")
	c.wantOver()
	w.wantConns(1)
}

func TestBadPacketsEndTheConnection(t *testing.T) {
	tooLong := binary.BigEndian.AppendUint64([]byte{127}, 1_000_001)
	for name, frames := range map[string][]byte{
		"length 0": {0}, "over maxPayload": tooLong, "not UTF-8": {2, '4', 0xff}, "unknown": {1, 'x'}, "a ping": {1, '2'},
	} {
		t.Run(name, func(t *testing.T) {
			w := serve(t, socketio.Options{}, nil)
			c := w.client()
			c.join()
			c.write(frames...)
			w.wantEnd()
			c.wantOver()
		})
	}
}

func TestHeartbeat(t *testing.T) {
	w := serve(t, socketio.Options{PingInterval: 100 * time.Millisecond, PingTimeout: 300 * time.Millisecond}, nil)
	c := w.client()
	c.join()
	for range 5 {
		if data, _, err := c.frames.next(); err != nil || string(data) != "2" {
			t.Fatalf("got %q, %v", data, err)
		}
		c.send("3")
	}
	w.wantConns(1)
	w.wantEnd() // nobody answers any more
	c.wantOver()
}

func TestShutdownSaysGoodbye(t *testing.T) {
	w := serve(t, socketio.Options{}, nil)
	c := w.client()
	c.join()
	if err := w.hub.Shutdown(w.ctx); err != nil {
		t.Error(err)
	}
	c.wantOver()
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	w := serve(t, socketio.Options{WriteTimeout: 300 * time.Millisecond}, nil)
	c := w.client()
	c.join()
	big := []byte(`42["echo","` + strings.Repeat("x", 100_000) + `"]`)
	for range 100 { // more than fits into a client's windows; it reads nothing
		if _, err := c.stream.Write(appendFrame(nil, &wire.Encoded{Data: append([]byte("420"), big[2:]...)})); err != nil {
			break
		}
	}
	w.wantEnd()
}
