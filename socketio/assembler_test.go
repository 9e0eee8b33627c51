package socketio

import (
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-go/parley/wire"
)

// step is one message of a connection, and what it makes of it: a packet, "" for none yet, or "!" and the error.
type step struct{ text, binary, want string }

func told(p *packet) string {
	var b strings.Builder
	b.WriteByte(p.kind)
	b.WriteString(p.nsp + " " + p.id + " " + string(p.payload))
	for _, a := range p.attachments {
		b.WriteString(" +" + string(a))
	}
	return b.String()
}

// play feeds steps to a, and spoils the bytes of each afterwards.
func play(t *testing.T, a *assembler, steps []step) {
	t.Helper()
	for _, s := range steps {
		var p packet
		var whole bool
		var err error
		data := []byte(s.text)
		if s.text != "" {
			whole, err = a.text(data, &p)
		} else {
			data = []byte(s.binary)
			whole, err = a.binary(data, &p)
		}
		got := ""
		switch {
		case err != nil:
			got = "!" + err.Error()
			if !errors.Is(err, wire.ErrProtocol) || whole {
				t.Errorf("%+v: got %v, %v", s, whole, err)
			}
		case whole:
			got = told(&p)
		}
		if got != s.want && !(strings.HasPrefix(s.want, "!") && strings.HasPrefix(got, "!socketio: "+s.want[1:])) {
			t.Errorf("%+v: got %q", s, got)
		}
		for i := range data {
			data[i] = '#'
		}
	}
}

func TestAssembler(t *testing.T) {
	const one, two = `["x",{"_placeholder":true,"num":0}]`, `["x",[{"_placeholder":true,"num":1}],{"num":0,"_placeholder":true}]`
	for name, steps := range map[string][]step{
		"no attachments": {{`42["x"]`, "", `2/  ["x"]`}, {`43/a,7[1]`, "", `3/a 7 [1]`}, {`40/a`, "", `0/a  `}},
		"one":            {{`451-` + one, "", ""}, {"", "a", `2/  ` + one + " +a"}, {`42["x"]`, "", `2/  ["x"]`}},
		"two":            {{`462-/a,789` + two, "", ""}, {"", "a", ""}, {"", "", `3/a 789 ` + two + " +a +"}},
		"ten":            {{`4510-["x"]`, "", ""}, {"", "0", ""}, {"", "1", ""}, {"", "2", ""}, {"", "3", ""}, {"", "4", ""}, {"", "5", ""}, {"", "6", ""}, {"", "7", ""}, {"", "8", ""}, {"", "9", `2/  ["x"] +0 +1 +2 +3 +4 +5 +6 +7 +8 +9`}},
		"none due":       {{`42["x"]`, "", `2/  ["x"]`}, {"", "a", "!binary message without a header"}},
		"text while due": {{`451-` + one, "", ""}, {`42["x"]`, "", "!text while attachments are due"}},
		"too late":       {{`451-` + one, "", ""}, {"", "a", `2/  ` + one + " +a"}, {"", "b", "!binary message without a header"}},
	} {
		t.Run(name, func(t *testing.T) { play(t, new(assembler), steps) })
	}
	t.Run("fewer", func(t *testing.T) {
		play(t, &assembler{most: 1}, []step{{`452-` + two, "", "!too many attachments"}, {`451-` + one, "", ""}})
	})
}

// CVE-2022-2421 and its like: what stands for an attachment must stand for one that is there.
func TestPlaceholders(t *testing.T) {
	for _, c := range []struct {
		args string
		ok   bool
	}{
		{`{"_placeholder":true,"num":0}`, true},
		{`{"_placeholder":true,"num":1}`, true},
		{`{"num":0,"more":{"deep":[1]},"_placeholder":true}`, true},
		{`{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}`, true},
		{`[[{"a":{"_placeholder":true,"num":1}}]]`, true},
		{`{"_placeholder":false,"num":-1}`, true},
		{`{"_placeholder":"true","num":-1}`, true},
		{`{"_placeholder":1}`, true},
		{`{"_placeholder":[true],"num":{}}`, true},
		{`{"__proto__":{"_placeholder":1},"num":-1}`, true},
		{`{"_placeholder":true,"num":7,"num":0}`, true}, // the last counts, as in JavaScript
		{`"_placeholder"`, true},
		{`{"_placeholder":true,"num":0,"num":7}`, false},
		{`{"_placeholder":true,"num":2}`, false},
		{`{"_placeholder":true,"num":-1}`, false},
		{`{"_placeholder":true,"num":1e9}`, false},
		{`{"_placeholder":true,"num":1000000000}`, false},
		{`{"_placeholder":true,"num":0.5}`, false},
		{`{"_placeholder":true,"num":"0"}`, false},
		{`{"_placeholder":true,"num":"splice"}`, false},
		{`{"_placeholder":true,"num":"__proto__"}`, false},
		{`{"_placeholder":true,"num":null}`, false},
		{`{"_placeholder":true,"num":[0]}`, false},
		{`{"_placeholder":true,"num":{"toString":0}}`, false},
		{`{"_placeholder":true}`, false},
		{`{"_place\u0068older":true,"num":-1}`, false},
		{`{"__proto__":{"_placeholder":true,"num":-1}}`, false},
		{`{"_placeholder":true,"num":0,"more":{"_placeholder":true,"num":2}}`, false},
		{`{"_placeholder":[{"_placeholder":true,"num":2}]}`, false},
		{`{"num":[{"_placeholder":true,"num":2}]}`, false},
		{`[`, false},
		{`{"a":}`, false},
		{strings.Repeat("[", 1001) + strings.Repeat("]", 1001), false},
	} {
		payload := `["x",` + c.args + `]`
		want := "!illegal attachments"
		if c.ok {
			want = `2/  ` + payload + " +a +b"
		}
		play(t, new(assembler), []step{{`452-` + payload, "", ""}, {"", "a", ""}, {"", "b", want}})
	}
}

func TestAnnouncedAttachments(t *testing.T) {
	for _, count := range []string{"", "-", "0-", "00-", "-1-", "+1-", "1.0-", "1e0-", "0x1-", " 1-", "a-", "11-", "9999999999-", "9999999999999999999999999-", "1", "10"} {
		var p packet
		a := new(assembler)
		whole, err := a.text([]byte("45"+count+`["x"]`), &p)
		if !errors.Is(err, wire.ErrProtocol) || whole || a.pending != nil {
			t.Errorf("%q: got %v, %v", count, whole, err)
		}
	}
}

func TestSplitQuery(t *testing.T) {
	for in, want := range map[string][2]string{
		"/adm":                   {"/adm", ""},
		"/adm?":                  {"/adm", "{}"},
		"/adm?token=abc":         {"/adm", `{"token":"abc"}`},
		"/?a=1&b=%22+%c3%a9&a=2": {"/", `{"a":"2","b":"\" é"}`},
		"/adm?a=%zz&b=2":         {"/adm", `{"b":"2"}`},
	} {
		name, auth := splitQuery(in)
		if got := [2]string{name, string(auth)}; got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestPacketsOutsideASession(t *testing.T) {
	p, main := protocol{nsp: "/adm"}, protocol{nsp: "/"}
	connect := func(payload any) []byte {
		b, err := p.connect(payload)
		if err != nil {
			t.Error(err)
		}
		return b
	}
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{main.connected(4, "id", ""), `40{"sid":"id"}`},
		{p.connected(4, "id", "secret"), `40/adm,{"sid":"id","pid":"secret"}`},
		{main.connected(3, "id", "secret"), `40`},
		{p.connected(3, "id", ""), `40/adm,`},
		{p.refused(4, &wire.Error{Message: "no"}), `44/adm,{"message":"no"}`},
		{main.refused(4, &wire.Error{Message: "no", Data: []byte(`[1]`)}), `44{"message":"no","data":[1]}`},
		{p.refused(3, &wire.Error{Message: "Auth failed"}), `44/adm,"Auth failed"`},
		{p.refused(3, &wire.Error{Message: "no", Data: []byte(`{"a":1}`)}), `44/adm,{"a":1}`},
		{p.refused(3, &wire.Error{Message: "no", Data: []byte(`42`)}), `44/adm,"no"`},
		{p.unknown(), `44/adm,{"message":"Invalid namespace"}`},
		{main.disconnected(), `41`},
		{p.disconnected(), `41/adm,`},
		{connect(nil), `40/adm,`},
		{connect(map[string]int{"a": 1}), `40/adm,{"a":1}`},
	} {
		if string(c.got) != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	for _, bad := range []any{1, "x", []int{}, func() {}} {
		if b, err := p.connect(bad); err == nil {
			t.Errorf("%T: got %s", bad, b)
		}
	}
}

// The strings of a packet without attachments are the only thing that is made of it.
func TestBytesOfATextPacketAreNotCopied(t *testing.T) {
	a := new(assembler)
	data := []byte(`42/adm,17["said",{"text":"hi"},[1,2]]`)
	var m wire.Message
	got := testing.AllocsPerRun(100, func() {
		var p packet
		whole, err := a.text(data, &p)
		if err == nil && whole {
			m = wire.Message{Args: wire.Args{Values: m.Args.Values[:0]}}
			err = p.message(&m)
		}
		if err != nil || !whole {
			t.Fatal(whole, err)
		}
	})
	if got > 2 { // of the name and the ID
		t.Errorf("%v allocations", got)
	}
	if want := values(`{"text":"hi"}`, `[1,2]`); !reflect.DeepEqual(m.Args, want) || &m.Args.Values[0][0] != &data[17] {
		t.Errorf("got %+v", m)
	}
}

// bytesOf is how many bytes fn allocates.
func bytesOf(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
