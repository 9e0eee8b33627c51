package transport

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
)

// FuzzEvents reads whatever a server may stream: events within the limit, none
// of which has a carriage return, and the same however it is cut.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		":\r\n\r\ndata: {}\x1e\r\n\r\n", "data: a\ndata: b\n\n", "data\rdata\r\r", "event: x\ndata: a\n\n", "data:a\n\r\n", "\ufeffdata: a\n\n",
	} {
		f.Add(seed, 1)
	}
	f.Fuzz(func(t *testing.T, stream string, size int) {
		whole := readAll(t, strings.NewReader(stream))
		pieces := readAll(t, &pieces{stream, min(max(size, 1), 100)})
		if whole != pieces {
			t.Errorf("in pieces of %d: got %q, want %q", size, pieces, whole)
		}
	})
}

func readAll(t *testing.T, r io.Reader) (all string) {
	events := eventReader{r: bufio.NewReaderSize(r, 16), limit: 50}
	for {
		data, err := events.next()
		if err != nil {
			return all + err.Error()
		}
		if len(data) > 50 || bytes.ContainsRune(data, '\r') {
			t.Fatalf("an event of %q", data)
		}
		all += string(data) + "\x00"
	}
}
