package rawjson

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// walked goes as deep as it can and writes down what it finds.
func walked(w *Walker, b *strings.Builder) {
	switch w.Kind() {
	case '{':
		b.WriteByte('{')
		for w.Open('{'); w.More('}'); b.WriteByte(',') {
			name, _ := json.Marshal(string(w.Name()))
			b.Write(name)
			b.WriteByte(':')
			walked(w, b)
		}
		b.WriteByte('}')
	case '[':
		b.WriteByte('[')
		for w.Open('['); w.More(']'); b.WriteByte(',') {
			walked(w, b)
		}
		b.WriteByte(']')
	default:
		b.Write(w.Value())
	}
}

func TestWalk(t *testing.T) {
	for in, want := range map[string]string{
		`1`:                                     `1`,
		` "a\n" `:                               `"a\n"`,
		`[]`:                                    `[]`,
		`[ 1 , 2 ]`:                             `[1,2,]`,
		`{"a":{"b":[{},[],null]},"\u0063":1e9}`: `{"a":{"b":[{},[],null,],},"c":1e9,}`,
	} {
		var b strings.Builder
		w := Walk([]byte(in), 10)
		walked(&w, &b)
		if err := w.Err(); err != nil || b.String() != want {
			t.Errorf("%s: got %s %v, want %s", in, b.String(), err, want)
		}
	}
}

func TestWalkFindsWhatIsWrong(t *testing.T) {
	for in, want := range map[string]string{
		``: "not JSON", `{`: "not JSON", `[1`: "not JSON", `[1,]`: "not JSON", `{"a"}`: "not JSON", `{"a":1,}`: "not JSON", `[1 2]`: "not JSON",
		`{"a":1]`: "not JSON", `1 2`: "not JSON", "\"\xff\"": "not UTF-8", "[\x00]": "not JSON", "{\"\xff\":1}": "not UTF-8",
		strings.Repeat("[", 11) + "1" + strings.Repeat("]", 11): "nested too deeply",
	} {
		var b strings.Builder
		w := Walk([]byte(in), 10)
		walked(&w, &b)
		if err := w.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", in, err, want)
		}
	}
	w := Walk([]byte(`[1]`), 10)
	if w.Open('{'); w.More('}') || w.Err() == nil {
		t.Error("an array was taken for an object")
	}
}

// FuzzWalker: whoever walks finds the same faults as encoding/json, and the same
// values.
func FuzzWalker(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":null}],"\u0061":"\ud800"}`, `[[[]]]`, `{"a":1,}`, "\"\xff\"", `-0.5e+7`, `[1,,2]`, `{"":0}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b strings.Builder
		w := Walk(data, 50)
		walked(&w, &b)
		err := w.Err()
		if valid := Check(data) == nil; valid != (err == nil) && !w.c.deep {
			t.Fatalf("%q: got %v, valid: %t", data, err, valid)
		}
		if err != nil {
			return
		}
		var got, want bytes.Buffer
		again := strings.NewReplacer(",}", "}", ",]", "]").Replace(b.String())
		if strings.Contains(b.String(), `"`) {
			return // a text may hold what looks like the end of a list
		}
		if json.Compact(&got, []byte(again)) != nil || json.Compact(&want, data) != nil || got.String() != want.String() {
			t.Errorf("%q: got %s", data, b.String())
		}
	})
}
