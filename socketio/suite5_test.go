package socketio

import "testing"

// TestSocketIO5 has the cases of the public suite for Socket.IO protocol 5 by their titles.
func TestSocketIO5(t *testing.T) {
	for _, c := range []struct {
		title string
		test  func(w *world)
	}{
		{"should send a plain-text packet", func(w *world) {
			s := w.join()
			s.send(`42["message",1,"2",{"3":[true]}]`)
			s.want(`42["message-back",1,"2",{"3":[true]}]`)
		}},
		{"should send a packet with binary attachments", func(w *world) {
			s := w.join()
			s.send(`452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
			s.sendBinary("\x01\x02\x03", "\x04\x05\x06")
			s.want(`452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "binary \x01\x02\x03", "binary \x04\x05\x06")
		}},
		{"should send a plain-text packet with an ack", func(w *world) {
			s := w.join()
			s.send(`42456["message-with-ack",1,"2",{"3":[false]}]`)
			s.want(`43456[1,"2",{"3":[false]}]`)
		}},
		{"should send a packet with binary attachments and an ack", func(w *world) {
			s := w.join()
			s.send(`452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
			s.sendBinary("\x01\x02\x03", "\x04\x05\x06")
			s.want(`462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "binary \x01\x02\x03", "binary \x04\x05\x06")
		}},
		{"should close the connection upon invalid format (unknown packet type)", func(w *world) {
			s := w.join()
			s.send("4abc")
			s.wantClosed()
		}},
		{"should close the connection upon invalid format (invalid payload format)", func(w *world) {
			s := w.join()
			s.send("42{}")
			s.wantClosed()
		}},
		{"should close the connection upon invalid format (invalid ack id)", func(w *world) {
			s := w.join()
			s.send(`42abc["message-with-ack",1,"2",{"3":[false]}]`)
			s.wantClosed()
		}},
	} {
		t.Run(c.title, func(t *testing.T) { inWorld(t, nil, nil, c.test) })
	}
}
