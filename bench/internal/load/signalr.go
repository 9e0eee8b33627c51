package load

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// SignalR is the script for calls of a method "echo" with a string of size bytes, up
// to burst of them in flight, in SignalR's JSON or MessagePack as the npm client
// writes them after its negotiation. Who publishes calls "say", which is not answered, and the others get
// "said".
func SignalR(size, burst int, messagePack bool) *Script {
	var d dialect = jsonHub{}
	kind := byte(text1)
	if messagePack {
		d, kind = messagePackHub{}, binary2
	}
	return hubScript(size, burst, d, kind, &hub{query: "?id=%s", welcome: []byte("{}\x1e")})
}

type jsonHub struct{}

func (jsonHub) hello() []byte {
	return appendMessage(appendMessage(nil, text1, []byte(`{"protocol":"json","version":1}`+"\x1e")), text1, []byte(`{"type":6}`+"\x1e"))
}

func (jsonHub) call(id, text string) []byte {
	return fmt.Appendf(nil, `{"arguments":["%s"],"invocationId":"%s","target":"echo","type":1}`+"\x1e", text, id)
}

func (jsonHub) result(id, text string) []byte {
	return fmt.Appendf(nil, `{"type":3,"invocationId":"%s","result":"%s"}`+"\x1e", id, text)
}

func (jsonHub) say(text string) []byte {
	return fmt.Appendf(nil, `{"arguments":["%s"],"target":"say","type":1}`+"\x1e", text)
}

func (jsonHub) said(text string) []byte {
	return fmt.Appendf(nil, `{"type":1,"target":"said","arguments":["%s"]}`+"\x1e", text)
}

type messagePackHub struct{}

func (messagePackHub) hello() []byte {
	return appendMessage(appendMessage(nil, text1, []byte(`{"protocol":"messagepack","version":1}`+"\x1e")), binary2, packed("\x91\x06"))
}

func (messagePackHub) call(id, text string) []byte {
	return packed("\x95\x01\x80", packedString(id), packedString("echo"), "\x91", packedString(text))
}

func (messagePackHub) result(id, text string) []byte {
	return packed("\x95\x03\x80", packedString(id), "\x03", packedString(text))
}

func (messagePackHub) say(text string) []byte {
	return packed("\x95\x01\x80\xc0", packedString("say"), "\x91", packedString(text))
}

func (messagePackHub) said(text string) []byte {
	return packed("\x96\x01\x80\xc0", packedString("said"), "\x91", packedString(text), "\x90")
}

// packed joins parts of a message behind their length.
func packed(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	message := binary.AppendUvarint(nil, uint64(n))
	for _, p := range parts {
		message = append(message, p...)
	}
	return slices.Clip(message)
}

func packedString(s string) string {
	switch n := len(s); {
	case n < 1<<5:
		return string([]byte{0xa0 | byte(n)}) + s
	case n < 1<<8:
		return string([]byte{0xd9, byte(n)}) + s
	default:
		return string(binary.BigEndian.AppendUint16([]byte{0xda}, uint16(n))) + s
	}
}
