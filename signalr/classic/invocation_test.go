package classic

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseInvocation(t *testing.T) {
	for in, want := range map[string]string{
		// jquery.signalR: hub names in lower case, a number that counts
		`{"H":"chathub","M":"Send","A":["bob","hi"],"I":0}`: `chathub.Send 0 true ["bob" "hi"] `,
		// with state
		`{"H":"chathub","M":"Send","A":[],"I":12,"S":{"name":"bob"}}`: `chathub.Send 12 true [] {"name":"bob"}`,
		// the .NET client: names as typed, a text that counts
		`{"I":"3","H":"ChatHub","M":"Send","A":[{"When":"2026-11-21T16:30:00.1234567+01:00","N":1e400}]}`: `ChatHub.Send 3 true [{"When":"2026-11-21T16:30:00.1234567+01:00","N":1e400}] `,
		// what else there is
		`{"H":"h","M":"m"}`: `h.m  false [] `,
		`{"H":"h","M":"m","A":null,"I":null,"S":null,"X":[{}]}`:             `h.m  false [] `,
		` { "M" : "m" , "A" : [ 1 , null , [ ] ] , "H" : "h" } `:            `h.m  false [1 null [ ]] `,
		`{"H":"a","H":"b","M":"m","A":[1],"A":[2,3],"I":1,"I":"two"}`:       `b.m two true [2 3] `,
		`{"\u0048":"h\u0065","M":"za\u017c\ud83d\ude00","I":-1}`:            `he.zaż😀 -1 true [] `,
		`{"H":"h","M":"m","I":1.50,"S":{}}`:                                 `h.m 1.50 true [] {}`,
		`{"H":"h","M":"m","A":["\ud800"],"I":"P|0"}`:                        `h.m P|0 true ["\ud800"] `,
		`{"h":"other","H":"h","M":"m","__proto__":{"M":"x"},"arguments":3}`: `h.m  false [] `,
	} {
		got, err := parseInvocation([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if shown := show(&got); shown != want {
			t.Errorf("%s:\n got %s\nwant %s", in, shown, want)
		}
	}
}

func show(in *invocation) string {
	return fmt.Sprintf("%s.%s %s %t %s %s", in.hub, in.method, in.id, in.hasID, in.args, in.state)
}

func TestParseInvocationRefuses(t *testing.T) {
	call := func(rest string) string { return `{"H":"h","M":"m","I":7` + rest + `}` }
	for in, want := range map[string]string{
		``:                             "not JSON",
		`null`:                         "not a JSON object",
		`"text"`:                       "not a JSON object",
		`[{"H":"h"}]`:                  "not a JSON object",
		`{"H":"h","M":"m"`:             "not JSON",
		`{"H":"h","M":"m"} {}`:         "not JSON",
		"{\"H\":\"\xff\",\"M\":\"m\"}": "not UTF-8",
		`{"H":"h","M":"m","I":true}`:   "'I' is neither",
		`{"H":"h","M":"m","I":{}}`:     "'I' is neither",
		`{"H":"h","M":"m","I":""}`:     "'I' has 0 bytes",
		`{"H":"h","M":"m","I":"` + strings.Repeat("i", maxID+1) + `"}`:                    "'I' has 129 bytes",
		strings.Repeat("[", 100_000):                                                      "nested too deeply",
		call(`,"A":` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)): "nested too deeply",
		`{"I":7,"M":"m"}`:          "'H' is not a name",
		`{"I":7,"H":7,"M":"m"}`:    "'H' is not a name",
		`{"I":7,"H":"h","M":null}`: "'M' is not a name",
		`{"I":7,"H":"h","M":""}`:   "'M' is not a name",
		call(`,"A":{}`):            "'A' is not an array",
		call(`,"A":"x"`):           "'A' is not an array",
		call(`,"A":[` + strings.Repeat("0,", maxArguments) + `0]`): "more than 1000 arguments",
		call(`,"S":[]`):  "'S' is not an object",
		call(`,"S":"x"`): "'S' is not an object",
		call(`,"S":{"a":"` + strings.Repeat("ż", maxState-7) + `"}`): stateTooLong,
		call(`,"S":{"a":"` + strings.Repeat("😀", maxState/2) + `"}`): stateTooLong,
	} {
		got, err := parseInvocation([]byte(in))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %q", in, err, want)
		}
		if answered := strings.Contains(in, `"I":7`) && !strings.Contains(want, "deep"); got.hasID != answered {
			t.Errorf("%.60s: the caller can be told: %t, want %t", in, got.hasID, answered)
		}
	}
}

// TestStateOfExactlyTheLimit: characters count, not bytes.
func TestStateOfExactlyTheLimit(t *testing.T) {
	state := `{"a":"` + strings.Repeat("ż", maxState-8) + `"}`
	in, err := parseInvocation([]byte(`{"H":"h","M":"m","S":` + state + `}`))
	if err != nil || string(in.state) != state {
		t.Errorf("a state of %d characters: %v", characters([]byte(state)), err)
	}
}

// TestInvocationKeepsItsBytes: values are neither copied nor touched.
func TestInvocationKeepsItsBytes(t *testing.T) {
	data := []byte(`{"H":"h","M":"m","A":["2026-11-21T16:30:00Z",12345678901234567890.10,{"b":1,"a":2}]}`)
	in, err := parseInvocation(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`"2026-11-21T16:30:00Z"`, `12345678901234567890.10`, `{"b":1,"a":2}`} {
		if got := string(in.args[i]); got != want {
			t.Errorf("argument %d: got %s, want %s", i, got, want)
		}
	}
	in.args[0][1] = '!'
	if !strings.Contains(string(data), `["!026`) {
		t.Error("an argument is a copy")
	}
}

// FuzzInvocation: whatever a client sends does no harm, and what was understood
// can be written and understood again.
func FuzzInvocation(f *testing.F) {
	for _, seed := range []string{
		`{"H":"chathub","M":"Send","A":["bob","hi"],"I":0,"S":{"name":"bob"}}`, `{"I":"3","H":"ChatHub","M":"Send","A":[]}`,
		`{"H":"h","M":"m","A":null,"I":null,"S":null}`, `{"H":"h","M":"m","A":[[],{},null,"\ud800",1e9],"I":-0.5}`,
		`{"H":"h","H":1}`, `[`, `{}`, `null`, "{\"H\":\"\xff\"}", `{"S":{"a":1,"a":2},"H":"h","M":"m","I":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := parseInvocation(data)
		if err != nil {
			return
		}
		if len(in.id) > maxID || len(in.args) > maxArguments || characters(in.state) > maxState {
			t.Fatalf("%q: a limit was not kept", data)
		}
		bag := newBag(&in, AsDeclared)
		for _, name := range bag.Names() {
			var value any
			bag.Get(name, &value)
			bag.Set(name, value)
		}
		written := rewritten(&in)
		again, err := parseInvocation(written)
		if err != nil || show(&again) != show(&in) {
			t.Errorf("%q was written as %q: %v", data, written, err)
		}
		if in.hasID {
			if _, err := readAnswer(appendFailure(nil, in.id, "no")); err != nil {
				t.Errorf("%q is refused by %v", data, err)
			}
		}
	})
}
