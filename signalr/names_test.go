package signalr

import (
	"strings"
	"testing"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

func TestCodecsOfNames(t *testing.T) {
	type person struct{ UserName string }
	for names, want := range map[JSONNames]string{CamelCase: `"a" {"userName":"b"} 1`, AsDeclared: `"a" {"UserName":"b"} 1`} {
		codec := protocol{names: names}.Codec()
		a, err := codec.Marshal("a", person{"b"}, 1)
		if err != nil || len(a.Values) != 3 {
			t.Fatalf("%v: got %q, %v", names, a.Values, err)
		}
		if got := string(a.Values[0]) + " " + string(a.Values[1]) + " " + string(a.Values[2]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		for _, sent := range []string{`{"userName":"c"}`, `{"UserName":"c"}`, `{"username":"c"}`} {
			var got person
			if err := codec.Unmarshal(wire.Args{Values: [][]byte{[]byte(sent)}}, 0, &got); err != nil || got.UserName != "c" {
				t.Errorf("%s: got %+v, %v", sent, got, err)
			}
		}
		if _, err := codec.Marshal(1, make(chan int)); err == nil {
			t.Error("a channel was written")
		}
	}
	if got, err := (camelCase{}).AppendValue([]byte("x"), person{"b"}); err != nil || string(got) != `x{"userName":"b"}` {
		t.Errorf("AppendValue: got %s, %v", got, err)
	}
	if (protocol{}).Codec() != (protocol{}).Codec() {
		t.Error("a codec differs from itself")
	}
}

func TestPropertiesAreNamedAsTheOptionSays(t *testing.T) {
	type place struct {
		City   string
		ZIP    int
		Tagged string `json:"TaggedName"`
	}
	for names, want := range map[JSONNames]string{
		CamelCase:  `{"city":"Kyiv","zip":1,"TaggedName":"t"}`,
		AsDeclared: `{"City":"Kyiv","ZIP":1,"TaggedName":"t"}`,
	} {
		serve(t, &Options{JSONNames: names}, func(s *server) {
			s.hub.Handle("move", parley.Func(func(p place) []any { return []any{p, map[string]place{"Key": {}}} }))
			p := s.shaken()
			p.send(`{"type":1,"invocationId":"0","target":"move","arguments":[{"city":"Kyiv","Zip":1,"taggedname":"t"}]}␞`)
			empty := strings.NewReplacer(`"Kyiv"`, `""`, `1`, `0`, `"t"`, `""`).Replace(want)
			p.want(`{"type":3,"invocationId":"0","result":[` + want + `,{"Key":` + empty + `}]}␞`)
			p.stop()
		})
	}
}
