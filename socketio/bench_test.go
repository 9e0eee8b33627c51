package socketio

import (
	"strings"
	"testing"

	"github.com/parley-go/parley/wire"
)

type said struct {
	From, Text string
	At         int64
}

// chatter is what events carry, none of it bytes.
func chatter() map[string][]any {
	return map[string][]any{
		"simple": {"lobby", 42, true},
		"struct": {said{"ann", "hello", 5}},
		"map":    {map[string]any{"from": "ann", "text": "hello", "at": 5}},
	}
}

func BenchmarkMarshal(b *testing.B) {
	for kind, values := range chatter() {
		for name, c := range map[string]wire.Codec{"wire.JSON": wire.JSON, "codec": codec{}} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Marshal(values...); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkAppendValue(b *testing.B) {
	for kind, values := range chatter() {
		for name, c := range map[string]wire.Codec{"wire.JSON": wire.JSON, "codec": codec{}} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				buf := make([]byte, 0, 256)
				a := c.(wire.Appender)
				for b.Loop() {
					if _, err := a.AppendValue(buf, values[0]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	args := values(`"lobby"`)
	for name, c := range map[string]wire.Codec{"wire.JSON": wire.JSON, "codec": codec{}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var s string
			for b.Loop() {
				if err := c.Unmarshal(args, 0, &s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// event125 is an event of 125 bytes that wants an ack.
func event125(b *testing.B, p words) []byte {
	args, err := p.Codec().Marshal(strings.Repeat("all good? ", 10)[:97])
	if err != nil {
		b.Fatal(err)
	}
	data, err := p.Append(nil, &wire.Message{Kind: wire.Call, ID: "123456", Name: "echo", Args: args})
	if err != nil {
		b.Fatal(err)
	}
	return data
}

func BenchmarkParse(b *testing.B) {
	for _, p := range []words{protocol{nsp: "/"}, packed{nsp: "/"}} {
		b.Run(p.Name(), func(b *testing.B) {
			data := event125(b, p)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var a assembler
			var m wire.Message
			for b.Loop() {
				var got packet
				var err error
				if p.Binary() {
					_, err = a.binary(data, &got)
				} else {
					_, err = a.text(data, &got)
				}
				m = wire.Message{Args: wire.Args{Values: m.Args.Values[:0]}}
				if err == nil {
					err = got.message(&m)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendAck(b *testing.B) {
	for _, p := range []words{protocol{nsp: "/"}, packed{nsp: "/"}} {
		b.Run(p.Name(), func(b *testing.B) {
			args, err := p.Codec().Marshal(strings.Repeat("all good? ", 10))
			if err != nil {
				b.Fatal(err)
			}
			m := &wire.Message{Kind: wire.Result, ID: "123456", Args: args}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Append(nil, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
