package websocket

import "testing"

func TestAcceptAndConfirmAgree(t *testing.T) {
	for _, server := range []*Compression{{}, {ContextTakeover: true}, {ContextTakeover: true, WindowBits: 15, PeerWindowBits: 15}} {
		for _, client := range []*Compression{{}, {ContextTakeover: true}, {ContextTakeover: true, WindowBits: 15, PeerWindowBits: 15}} {
			offer := client.offer()
			atServer, answer, err := server.accept([]string{offer})
			if err != nil {
				t.Fatalf("%s: %v", offer, err)
			}
			atClient, ok, err := client.confirm([]string{answer})
			if !ok || err != nil {
				t.Fatalf("%s answered by %s: %v, %v", offer, answer, ok, err)
			}
			if atServer.write.takeover != atClient.read.takeover || atServer.read.takeover != atClient.write.takeover {
				t.Errorf("%s answered by %s: got %+v and %+v", offer, answer, atServer, atClient)
			}
			if atServer.write.bits > atClient.read.bits || atClient.write.bits > atServer.read.bits {
				t.Errorf("%s answered by %s: got %+v and %+v", offer, answer, atServer, atClient)
			}
		}
	}
}
