package plain

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley"
)

// overDraft76 is a client as a browser of 2010 was.
func overDraft76(t *testing.T, address string) *talker {
	t.Helper()
	host := strings.TrimPrefix(address, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: %s\r\nOrigin: http://%s\r\n"+
		"Sec-WebSocket-Key1: 4 @1  46546xW%%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U", host, host)
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the handshake: got %v, %v", answer, err)
	}
	proof := make([]byte, 16)
	if _, err := io.ReadFull(in, proof); string(proof) != "8jKS'y:G*Co,Wxa-" {
		t.Fatalf("the proof: got %q, %v", proof, err)
	}
	return &talker{
		t: t,
		send: func(m string) int {
			if _, err := io.WriteString(conn, "\x00"+m+"\xFF"); err != nil {
				return http.StatusNotFound
			}
			return http.StatusAccepted
		},
		next: func() (string, bool) {
			frame, err := in.ReadString('\xFF')
			if err != nil || frame == "\xFF" { // of the closing handshake
				return "", false
			}
			return strings.TrimSuffix(strings.TrimPrefix(frame, "\x00"), "\xFF"), true
		},
	}
}

func TestAClientOfDraft76IsInTheRoom(t *testing.T) {
	_, address := newRoom(t, &Options{LegacyDrafts: true}, parley.Limits{KeepAlive: 50 * time.Millisecond})
	old, young := overDraft76(t, address), overWebSocket(t, address, "")
	for _, c := range []*talker{old, young} {
		c.hears(`"open"`)
	}
	old.send(`{"type":"event","name":"tell","args":["I am old"]}`)
	young.hears(`"I am old"`)
	old.hears(`"I am old"`)
	young.send(`{"type":"event","name":"tell","args":["I am young €"]}`)
	old.hears(`"I am young €"`)
	old.hears(`{"type":"ping"}`)
	old.send(`{"type":"pong"}`)
	old.send(`{"type":"call","id":"1","name":"kick","args":[]}`)
	if bye := old.hears(`"close"`); !strings.Contains(bye, "enough") {
		t.Errorf("the goodbye: got %s", bye)
	}
	old.ends()
}

func TestDraft76IsNotSpokenUnasked(t *testing.T) {
	_, address := newRoom(t, nil, parley.Limits{})
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Upgrade": {"WebSocket"}, "Connection": {"Upgrade"}, "Origin": {address},
		"Sec-WebSocket-Key1": {"4 @1  46546xW%0l 1 5"}, "Sec-WebSocket-Key2": {"12998 5 Y3 1  .P00"}}
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode != http.StatusBadRequest {
		t.Fatalf("got %v, %v, want 400", answer, err)
	}
	answer.Body.Close()
}

// What draft 76 cannot carry ends the connection: nothing is left out silently.
func TestWhatDraft76CannotCarryEndsTheConnection(t *testing.T) {
	hub, address := newRoom(t, &Options{LegacyDrafts: true}, parley.Limits{})
	old := overDraft76(t, address)
	old.hears(`"open"`)
	if err := hub.Group("room").Send(t.Context(), "told", json.RawMessage("\"\xFF\"")); err != nil {
		t.Fatal(err)
	}
	old.ends()
	if len(old.kept) > 0 {
		t.Errorf("it heard %q first", old.kept)
	}
}
