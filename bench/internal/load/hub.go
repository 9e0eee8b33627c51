package load

import "fmt"

// hub is what a hub protocol adds to a script.
type hub struct {
	query   string  // of the request; a %s in it stands for the token that was negotiated
	first   []byte  // how what the server says unasked begins; empty: nothing
	hello   []byte  // frames that the client sends then
	welcome []byte  // how the server's answer begins
	publish *Script // of the one connection that publishes
}

// dialect is a hub protocol, as far as the rig speaks it: a method "echo", which
// answers with its argument, and a call "say" whose argument goes to others as "said".
type dialect interface {
	hello() []byte // in frames
	call(id, text string) []byte
	result(id, text string) []byte
	say(text string) []byte
	said(text string) []byte
}

// ids is how many IDs the calls of a connection go through. All are equally long,
// and more than are ever in flight.
const ids = 64

// hubScript is the script of calls of "echo" in frames of a kind, up to burst of them in
// flight. Who publishes calls "say", which is not answered, and the others get "said".
func hubScript(size, burst int, d dialect, kind byte, h *hub) *Script {
	text := string(Echo(size, 1).Messages[0])
	calls := &Script{burst: burst, hub: h}
	for i := range ids {
		id := fmt.Sprint(10 + i)
		calls.Messages = append(calls.Messages, d.call(id, text))
		calls.answers = append(calls.answers, d.result(id, text))
	}
	h.hello = d.hello()
	h.publish = &Script{burst: burst, hub: h, Messages: [][]byte{d.say(text)}, answers: [][]byte{d.said(text)}}
	for _, s := range []*Script{calls, h.publish} {
		s.answer = len(s.answers[0])
		var frames [][]byte
		for _, m := range s.Messages {
			frames = append(frames, appendMessage(nil, kind, m))
		}
		s.lay(frames)
	}
	return calls
}

// publication is the script of who publishes: the same, unless a hub has another.
func (s *Script) publication() *Script {
	if s.hub == nil {
		return s
	}
	return s.hub.publish
}

// SocketIO is the script for events "echo" with a string of size bytes and an
// acknowledgement, up to burst of them in flight, over Socket.IO's WebSocket.
func SocketIO(size, burst int) *Script {
	return hubScript(size, burst, socketIO{}, text1, &hub{
		query: "?EIO=4&transport=websocket", first: []byte("0{"), welcome: []byte("40{"),
	})
}

type socketIO struct{}

func (socketIO) hello() []byte                 { return appendMessage(nil, text1, []byte("40")) }
func (socketIO) call(id, text string) []byte   { return fmt.Appendf(nil, `42%s["echo","%s"]`, id, text) }
func (socketIO) result(id, text string) []byte { return fmt.Appendf(nil, `43%s["%s"]`, id, text) }
func (socketIO) say(text string) []byte        { return fmt.Appendf(nil, `42["say","%s"]`, text) }
func (socketIO) said(text string) []byte       { return fmt.Appendf(nil, `42["said","%s"]`, text) }
