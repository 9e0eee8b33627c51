//go:build linux || darwin

package signalr

import (
	"strings"
	"testing"

	"github.com/parley-go/parley/wire"
)

// invocation200 is a call of about 200 bytes in JSON.
func invocation200(b *testing.B, p dialect) wire.Message {
	args, err := p.Codec().Marshal("lobby", strings.Repeat("all good? ", 10), 42)
	if err != nil {
		b.Fatal(err)
	}
	return wire.Message{Kind: wire.Call, ID: "17", Name: "say", Args: args}
}

func BenchmarkParse(b *testing.B) {
	for _, p := range []dialect{protocol{}, packed{}} {
		b.Run(p.Name(), func(b *testing.B) {
			m := invocation200(b, p)
			data, err := p.Append(nil, &m)
			if err != nil {
				b.Fatal(err)
			}
			var record []byte
			if err := eachRecord(p.splitter(1000), data, func(r []byte) bool { record = r; return true }); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			var got message
			measure(b, func() {
				for range b.N {
					got = message{Message: wire.Message{Args: wire.Args{Values: got.Args.Values[:0]}}}
					if err := p.parse(record, &got); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, p := range []dialect{protocol{}, packed{}} {
		b.Run(p.Name(), func(b *testing.B) {
			m := invocation200(b, p)
			measure(b, func() {
				for range b.N {
					if _, err := p.Append(nil, &m); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkValues(b *testing.B) {
	type said struct {
		From string
		At   int
	}
	for name, p := range map[string]dialect{"camelCase": protocol{}, "asDeclared": protocol{names: AsDeclared}, "messagepack": packed{}} {
		for kind, values := range map[string][]any{"simple": {"lobby", 42, true}, "struct": {said{"ann", 5}}} {
			b.Run(name+"/"+kind+"/write", func(b *testing.B) {
				measure(b, func() {
					for range b.N {
						if _, err := p.Codec().Marshal(values...); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
			args, err := p.Codec().Marshal(values...)
			if err != nil {
				b.Fatal(err)
			}
			into := []any{new(string), new(int), new(bool)}
			if kind == "struct" {
				into = []any{new(said)}
			}
			b.Run(name+"/"+kind+"/read", func(b *testing.B) {
				measure(b, func() {
					for range b.N {
						for i := range into {
							if err := p.Codec().Unmarshal(args, i, into[i]); err != nil {
								b.Fatal(err)
							}
						}
					}
				})
			})
		}
	}
}
