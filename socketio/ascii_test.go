package socketio

import (
	"encoding/json"
	"testing"
)

func TestASCIIOnly(t *testing.T) {
	for in, want := range map[string]string{
		`42["é","世😀",{"ü":"\u00fc"}]`: `42["\u00e9","\u4e16\ud83d\ude00",{"\u00fc":"\u00fc"}]`,
		`40/größe,`:                   `40/größe,`,
		`42/größe,["ü"]`:              `42/größe,["\u00fc"]`,
		`44"ü"`:                       `44"\u00fc"`,
		`3`:                           `3`,
	} {
		if got := string(asciiOnly([]byte(in))); got != want {
			t.Errorf("asciiOnly(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzASCIIOnly(f *testing.F) {
	f.Add("é世😀\u2028\"")
	f.Fuzz(func(t *testing.T, text string) {
		data, _ := json.Marshal([]string{text})
		var want, got []string
		if json.Unmarshal(data, &want) != nil || json.Unmarshal(asciiOnly(data), &got) != nil || want[0] != got[0] {
			t.Errorf("%q came back as %q", text, got)
		}
	})
}
