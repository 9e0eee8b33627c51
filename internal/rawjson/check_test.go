package rawjson

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

const invocation = `{"type":1,"invocationId":"17","target":"echo","arguments":["` +
	`Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua."]}`

func checkable() []string {
	return []string{
		invocation, ``, ` `, `null`, ` true `, `false`, `tru`, `nulll`, `0`, `-0`, `01`, `1.`, `.5`, `1.5e`, `1.5e+10`, `1E-2`, `--1`, `+1`, `1 2`,
		`""`, `"`, `"\"`, `"\\"`, `"\u00e9"`, `"\u00eg"`, `"\x"`, "\"\x01\"", "\"\xff\"", `"é"`, "\"\xed\xa0\x80\"", `{}`, `{ }`, `{"a"}`, `{"a":}`,
		`{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{"a":1,"b":[1,2,{"c":null}]}`, `{a:1}`, `[`, `]`, `[]`, `[1,]`, `[,1]`, `[1 2]`, `[[[]]]`, "[1]\x00", "\x00", `{"a":1}}`,
		strings.Repeat("[", 500) + strings.Repeat("]", 500), "\ufeff1", "\v1",
	}
}

// TestCheckAgrees with encoding/json, which takes bytes that are not UTF-8, and
// deeper nesting.
func TestCheckAgrees(t *testing.T) {
	for _, s := range checkable() {
		agrees(t, []byte(s))
	}
	deep := strings.Repeat("[", 2000) + strings.Repeat("]", 2000)
	if err := Check([]byte(deep)); err == nil || !strings.Contains(err.Error(), "too deeply") {
		t.Errorf("2,000 deep: got %v", err)
	}
}

func agrees(t *testing.T, data []byte) {
	t.Helper()
	want := json.Valid(data) && utf8.Valid(data)
	err := Check(data)
	if (err == nil) != want && !strings.Contains(err.Error(), "too deeply") {
		t.Errorf("Check(%q) = %v, want valid %v", data, err, want)
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range checkable() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { agrees(t, data) })
}

func BenchmarkCheck(b *testing.B) {
	data := []byte(invocation)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(data); err != nil {
			b.Fatal(err)
		}
	}
}
