package classic

import (
	"bufio"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestSlowBodies: a body that does not come ends its request. An abort does not look at it.
func TestSlowBodies(t *testing.T) {
	serve(t, nil, func(w *world) {
		answering(w.chat())
		for verb, want := range map[string]int{"send": http.StatusRequestTimeout, "poll": http.StatusRequestTimeout, "abort": http.StatusOK} {
			c := w.negotiated("serverSentEvents", chatData)
			s := c.connected()
			path := c.path(verb)
			if verb == "poll" { // of a client whose form says where it is
				path = w.negotiated("longPolling", chatData).path(verb)
			}
			conn, err := w.listener.Dial(w.t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			s.say(`{"H":"chathub","M":"add","A":[1,2],"I":0}`)
			s.want(`{"M":[{"R":3,"I":"0"}]}`)
			begun := time.Now()
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: hub\r\nContent-Length: 100\r\n\r\ndata=%%7B", path)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("%s: %v", verb, err)
			}
			resp.Body.Close()
			if took := time.Since(begun); resp.StatusCode != want || took > 31*time.Second {
				t.Errorf("%s: got %s after %v, want %d", verb, resp.Status, took, want)
			}
			conn.Close()
			s.cut()
		}
	})
}
