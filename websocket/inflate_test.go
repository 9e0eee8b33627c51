package websocket

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// inflateAll inflates messages of one connection, given in hexadecimal.
func inflateAll(t *testing.T, w deflateWindow, messages ...string) (plain []string) {
	t.Helper()
	i := inflater{deflateWindow: w}
	defer i.release()
	for _, m := range messages {
		payload, err := hex.DecodeString(strings.ReplaceAll(m, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		out, err := i.inflate(payload, 1<<20)
		if err != nil {
			t.Fatalf("message %d: %v", len(plain)+1, err)
		}
		plain = append(plain, string(out.b))
		putBuffer(out)
	}
	return plain
}

func TestInflateExamplesOfTheRFC(t *testing.T) {
	for _, test := range []struct {
		section  string
		messages []string
		want     []string
	}{
		{"7.2.3.1, one block", []string{"f248 cdc9 c907 00"}, []string{"Hello"}},
		{"7.2.3.2, sharing the window", []string{"f248 cdc9 c907 00", "f200 1100 00"}, []string{"Hello", "Hello"}},
		{"7.2.3.3, a stored block", []string{"0005 00fa ff48 656c 6c6f 00"}, []string{"Hello"}},
		{"7.2.3.4, a final block", []string{"f348 cdc9 c907 0000"}, []string{"Hello"}},
		{"7.2.3.5, two blocks", []string{"f248 0500 0000 ffff cac9 c907 00"}, []string{"Hello"}},
		{"7.2.3.6, an empty message", []string{"00"}, []string{""}},
	} {
		t.Run(test.section, func(t *testing.T) {
			got := inflateAll(t, deflateWindow{bits: 15, takeover: true}, test.messages...)
			if strings.Join(got, "|") != strings.Join(test.want, "|") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestInflateStopsAtTheLimit(t *testing.T) {
	payload := deflateOnce(nil, make([]byte, 1<<20), 15, 9)
	i := inflater{deflateWindow: deflateWindow{bits: 15}}
	if _, err := i.inflate(payload, 1<<20-1); !errors.Is(err, errTooBig) {
		t.Errorf("one byte above the limit: got %v, want %v", err, errTooBig)
	}
	out, err := i.inflate(payload, 1<<20)
	if err != nil || !bytes.Equal(out.b, make([]byte, 1<<20)) {
		t.Errorf("at the limit: got %v", err)
	}
}
