package engineio

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// squeezer compresses the answers to polls, as far as clients accept it. The zero
// value is ready, and safe for concurrent use.
type squeezer struct{ gzips, deflates sync.Pool }

// resettable is a compressor that can be used again.
type resettable interface {
	io.WriteCloser
	Reset(io.Writer)
}

// squeeze returns body in an encoding that the client accepts, and its name, or
// body itself when there is none, or nothing is gained.
func (sq *squeezer) squeeze(h http.Header, body []byte) (squeezed []byte, encoding string) {
	var pool *sync.Pool
	switch encoding = acceptedEncoding(h.Values("Accept-Encoding")); encoding {
	case "gzip":
		pool = &sq.gzips
	case "deflate":
		pool = &sq.deflates
	default:
		return body, ""
	}
	c, _ := pool.Get().(resettable)
	if c == nil {
		c = newCompressor(encoding)
	}
	defer pool.Put(c)
	var buf bytes.Buffer
	c.Reset(&buf)
	c.Write(body) // a bytes.Buffer cannot fail
	c.Close()
	if buf.Len() >= len(body) {
		return body, ""
	}
	return buf.Bytes(), encoding
}

func newCompressor(encoding string) resettable {
	if encoding == "gzip" {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level that exists
		return w
	}
	w, _ := zlib.NewWriterLevel(nil, zlib.BestSpeed) // RFC 9110 §8.4.1.2: deflate is zlib's format
	return w
}

// acceptedEncoding chooses gzip before deflate (RFC 9110 §12.5.3).
func acceptedEncoding(values []string) string {
	accepts := map[string]bool{}
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			name, params, _ := strings.Cut(part, ";")
			accepts[strings.ToLower(strings.TrimSpace(name))] = !excluded(params)
		}
	}
	for _, name := range []string{"gzip", "deflate"} {
		accepted, named := accepts[name]
		if accepted || !named && accepts["*"] {
			return name
		}
	}
	return ""
}

// excluded tells whether the parameters say q=0.
func excluded(params string) bool {
	q, found := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q=")
	weight, err := strconv.ParseFloat(q, 64)
	return found && (err != nil || weight <= 0)
}
