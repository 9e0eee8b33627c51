package socketio

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley"
)

// fromClient is a packet as a client with the msgpack parser sends it.
func fromClient(t testing.TB, kind int, nsp string, more map[string]any) string {
	m := map[string]any{"type": kind, "nsp": nsp, "options": map[string]bool{"compress": true}}
	for k, v := range more {
		m[k] = v
	}
	return string(raw(t, m))
}

// wantPacked waits for a packet in MessagePack and compares it as JSON.
func (s *socket) wantPacked(want string) {
	s.Helper()
	f, ok := strings.CutPrefix(s.next(), "binary ")
	var got json.RawMessage
	if err := javaScript.Read([]byte(f), &got); !ok || err != nil || string(got) != want {
		s.Errorf("got %q: %s, %v, want %s", f, got, err, want)
	}
}

// joinPacked opens a connection that speaks MessagePack and has joined the main namespace.
func (w *world) joinPacked() *socket {
	w.Helper()
	s := w.webSocket()
	s.sendBinary(fromClient(s, 0, "/", nil))
	f, _ := strings.CutPrefix(s.next(), "binary ")
	var got struct {
		Type int
		NSP  string
		Data map[string]string
	}
	if err := javaScript.Read([]byte(f), &got); err != nil || got.Type != 0 || got.NSP != "/" || len(got.Data) != 1 || len(got.Data["sid"]) != 20 {
		s.Errorf("joined with %q: %+v, %v", f, got, err)
	}
	return s
}

func TestAClientInMessagePack(t *testing.T) {
	setup := func(w *world) {
		w.hub.Handle("add", parley.Func(func(a, b int) int { return a + b }))
		w.hub.Handle("when", parley.Func(func(at time.Time) time.Time { return at.Add(time.Second) }))
	}
	inWorld(t, nil, setup, func(w *world) {
		s := w.joinPacked()
		s.sendBinary(fromClient(s, 2, "/", map[string]any{"data": []any{"message", 1, "2", map[string]any{"3": []any{true}}, []byte("bin")}}))
		s.wantPacked(`{"data":["message-back",1,"2",{"3":[true]},"Ymlu"],"nsp":"/","type":2}`)
		s.sendBinary(fromClient(s, 2, "/", map[string]any{"id": 456, "data": []any{"add", 1, 2}}))
		s.wantPacked(`{"data":[3],"id":456,"nsp":"/","type":3}`)
		s.sendBinary(fromClient(s, 2, "/", map[string]any{"id": 0, "data": []any{"when", time.UnixMilli(500)}}))
		s.wantPacked(`{"data":["1970-01-01T00:00:01.5Z"],"id":0,"nsp":"/","type":3}`)
		// An argument that does not fit fails the call, and no more.
		s.sendBinary(fromClient(s, 2, "/", map[string]any{"id": 7, "data": []any{"add", 1, []byte("x")}}))
		if got := s.next(); !strings.Contains(got, "arguments") {
			t.Errorf("got %q", got)
		}
		s.sendBinary(fromClient(s, 2, "/", map[string]any{"data": []any{"none"}}))
		s.wantPacked(`{"data":["error",{"code":"not_found","event":"none","message":"no handler named \"none\""}],"nsp":"/","type":2}`)
		// Another namespace is refused, and this one left and joined again.
		s.sendBinary(fromClient(s, 0, "/none", map[string]any{"data": map[string]any{"token": "x"}}))
		s.wantPacked(`{"data":{"message":"Invalid namespace"},"nsp":"/none","type":4}`)
		s.sendBinary(fromClient(s, 1, "/", nil), fromClient(s, 0, "/", nil))
		if got := s.next(); !strings.Contains(got, "sid") {
			t.Errorf("got %q", got)
		}
		w.wantEnds(nil)
	})
}

// What breaks the protocol ends the whole connection, and no other.
func TestWhatEndsAConnectionInMessagePack(t *testing.T) {
	for name, broken := range map[string]string{
		"no MessagePack":      "\xc1",
		"empty":               "",
		"a list":              "\x90",
		"text":                `42["message"]`,
		"type out of range":   fromClient(t, 5, "/", map[string]any{"data": []any{"message"}}),
		"no data":             fromClient(t, 2, "/", nil),
		"no name":             fromClient(t, 2, "/", map[string]any{"data": []any{}}),
		"a reserved name":     fromClient(t, 2, "/", map[string]any{"data": []any{"disconnect"}}),
		"ack without an id":   fromClient(t, 3, "/", map[string]any{"data": []any{}}),
		"namespace not there": fromClient(t, 2, "/none", map[string]any{"data": []any{"message"}}),
		"a refusal":           fromClient(t, 4, "/", map[string]any{"data": "no"}),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, nil, func(w *world) {
				other, s := w.joinPacked(), w.joinPacked()
				if name == "text" {
					s.send(broken)
				} else {
					s.sendBinary(broken)
				}
				s.wantClosed()
				w.wantEnds(parley.ErrProtocol)
				other.sendBinary(fromClient(t, 2, "/", map[string]any{"data": []any{"message", "still here"}}))
				other.wantPacked(`{"data":["message-back","still here"],"nsp":"/","type":2}`)
			})
		})
	}
}

// Over polls each packet is in base64.
func TestMessagePackByPolling(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		url := w.open()
		w.post(url, "b"+base64Of(fromClient(t, 0, "/", nil)))
		if got := w.get(url); !strings.HasPrefix(got, "b") {
			t.Errorf("got %q", got)
		}
		w.post(url, "b"+base64Of(fromClient(t, 2, "/", map[string]any{"id": 1, "data": []any{"message-with-ack", []byte("x")}})))
		ack, err := packed{nsp: "/"}.appendAck(nil, "1", raw(t, []byte("x")))
		if err != nil {
			t.Fatal(err)
		}
		w.want(w.get(url), "b"+base64Of(string(ack)))
	})
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
