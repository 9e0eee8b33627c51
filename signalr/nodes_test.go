package signalr

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// What another node sends looks as if it were sent here, in every codec.
func TestOtherNodesSendTheSame(t *testing.T) {
	type said struct {
		UserName string
		Data     []byte
		At       time.Time
		Count    int
	}
	synctest.Test(t, func(t *testing.T) {
		var nodes parley.MemoryBackplane
		here, there := parley.NewHub(&parley.HubOptions{Backplane: &nodes}), parley.NewHub(&parley.HubOptions{Backplane: &nodes})
		mux := http.NewServeMux()
		Mount(mux, "/chat", here, nil)
		Mount(mux, "/plain", here, &Options{JSONNames: AsDeclared})
		Handler(there, nil) // tells it the codecs
		serveHTTP(t, mux, func(n *network) {
			s := &server{network: n, hub: here}
			camel, binary := s.speaking(protocol{}), s.speaking(packed{})
			declared := n.open("/plain", handshake)
			declared.want("{}␞")
			synctest.Wait()
			event := said{"ann", []byte{1, 2}, time.Unix(5, 0).UTC(), 300}
			for _, hub := range []*parley.Hub{here, there} {
				if err := hub.Send(t.Context(), "said", event, "x"); err != nil {
					t.Fatal(err)
				}
				camel.want(`{"type":1,"target":"said","arguments":[{"userName":"ann","data":"AQI=","at":"1970-01-01T00:00:05Z","count":300},"x"]}␞`)
				declared.want(`{"type":1,"target":"said","arguments":[{"UserName":"ann","Data":"AQI=","At":"1970-01-01T00:00:05Z","Count":300},"x"]}␞`)
				binary.wantBytes(whole(packed{}, string(unhex(t, "96 01 80 c0 a4 'said' 92 84 a8 'UserName' a3 'ann' a4 'Data' c4 02 01 02 a2 'At' d6 ff 00000005 a5 'Count' d1 012c a1 'x' 90"))))
			}
			for _, p := range []*peer{camel, declared, binary} {
				p.conn.Close(websocket.StatusNormalClosure, "")
			}
			synctest.Wait()
			for _, hub := range []*parley.Hub{here, there} {
				if err := hub.Shutdown(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			}
		})
	})
}
