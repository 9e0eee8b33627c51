package socketio

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/parley-go/parley/internal/transport"
)

// isClientFile tells whether a name is one of the eight that the Node.js server
// serves, of all the files in the client's package.
func isClientFile(name string) bool {
	switch strings.TrimSuffix(name, ".map") {
	case "socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js", "socket.io.esm.min.js":
		return true
	}
	return false
}

const (
	maxClientFile = 4 << 20  // bytes of a file that is served
	maxManifest   = 64 << 10 // bytes of package.json
)

// clientFiles serves the browser's client, from a folder of the application's.
// What it has read and compressed it keeps: at most eight files, each in four
// encodings.
type clientFiles struct {
	// fixed after construction
	from    fs.FS
	origins *transport.Options

	mu   sync.Mutex
	kept map[string]*clientFile
}

// clientFile is one file, as it goes out.
type clientFile struct {
	etag    string
	bodies  map[string][]byte // by encoding; "" is the file as it is. Guarded by clientFiles.mu
	hasType string
}

// newClientFiles returns nil when there is no folder.
func newClientFiles(from fs.FS, origins *transport.Options) *clientFiles {
	if from == nil {
		return nil
	}
	return &clientFiles{from: from, origins: origins, kept: make(map[string]*clientFile)}
}

// serve answers a request for a script, and tells whether r was one. Only the
// last element of the path counts, as the handler does not know where it is
// mounted.
func (c *clientFiles) serve(w http.ResponseWriter, r *http.Request) bool {
	name := path.Base(r.URL.Path)
	if c == nil || !strings.HasSuffix(name, ".js") && !strings.HasSuffix(name, ".map") {
		return false
	}
	// A page elsewhere may run the script, which is public, but only one of an
	// allowed origin may read it.
	w.Header().Add("Vary", "Accept-Encoding")
	if transport.CheckOrigin(r, c.origins) != nil {
		w.Header().Add("Vary", "Origin")
	} else if !transport.Admit(w, r, c.origins, "GET, HEAD") {
		return true
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "scripts are read, nothing else", http.StatusMethodNotAllowed)
		return true
	}
	file, err := c.find(name)
	if err != nil {
		http.Error(w, "no such script", http.StatusNotFound)
		return true
	}
	c.write(w, r, name, file)
	return true
}

// find reads a file when it is first asked for. One that is not there is looked
// for again the next time.
func (c *clientFiles) find(name string) (*clientFile, error) {
	if !isClientFile(name) {
		return nil, fs.ErrNotExist
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if file := c.kept[name]; file != nil {
		return file, nil
	}
	folder, version := c.manifest()
	data, err := readClientFile(c.from, path.Join(folder, name), maxClientFile)
	if err != nil {
		return nil, err
	}
	if version == "" {
		sum := sha256.Sum256(data)
		version = hex.EncodeToString(sum[:10])
	}
	file := &clientFile{etag: strconv.Quote(version), bodies: map[string][]byte{"": data}, hasType: "application/javascript; charset=utf-8"}
	if strings.HasSuffix(name, ".map") {
		file.hasType = "application/json; charset=utf-8"
	}
	if br, err := readClientFile(c.from, path.Join(folder, name+".br"), maxClientFile); err == nil {
		file.bodies["br"] = br
	}
	c.kept[name] = file
	return file, nil
}

// manifest finds out whether the folder is that of the whole package, whose
// package.json tells the version, or only its dist.
func (c *clientFiles) manifest() (folder, version string) {
	data, err := readClientFile(c.from, "package.json", maxManifest)
	if err != nil {
		return ".", ""
	}
	var about struct{ Version string }
	if json.Unmarshal(data, &about) != nil || strings.ContainsFunc(about.Version, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' || r == ',' }) {
		return "dist", "" // the version goes into a header, in quotes and in lists
	}
	return "dist", about.Version
}

func readClientFile(from fs.FS, name string, limit int64) ([]byte, error) {
	file, err := from.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = errors.New("socketio: " + name + " is too long to be served")
	}
	return data, err
}

// write answers with the file, or with 304 to who has it.
func (c *clientFiles) write(w http.ResponseWriter, r *http.Request, name string, file *clientFile) {
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=0")
	h.Set("ETag", file.etag)
	if matches(r.Header.Values("If-None-Match"), file.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	encoding, body := c.encoded(file, r.Header.Values("Accept-Encoding"))
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Type", file.hasType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) // net/http leaves it out of the answer to HEAD
}

// matches tells whether a list of entity tags has ours; one that is weak will do
// (RFC 9110 §13.1.2).
func matches(fields []string, etag string) bool {
	for tag := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

// encoded finds the form of a file that its reader likes best, and compresses
// it the first time. Brotli there is only where the application has done it.
func (c *clientFiles) encoded(file *clientFile, accept []string) (encoding string, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	weights := encodingWeights(accept)
	best, plain := 0.0, weights("identity")
	for _, e := range []string{"br", "gzip", "deflate"} {
		if q := weights(e); q > best && q >= plain && (e != "br" || file.bodies["br"] != nil) {
			encoding, best = e, q
		}
	}
	if file.bodies[encoding] == nil {
		file.bodies[encoding] = compress(encoding, file.bodies[""])
	}
	return encoding, file.bodies[encoding]
}

// encodingWeights reads Accept-Encoding (RFC 9110 §12.5.3). A weight that cannot
// be read counts as zero, and so does what is not named.
func encodingWeights(fields []string) func(encoding string) float64 {
	weights := make(map[string]float64)
	for item := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		encoding, params, _ := strings.Cut(item, ";")
		q := 1.0
		if name, value, ok := strings.Cut(strings.TrimSpace(params), "="); ok && strings.EqualFold(strings.TrimSpace(name), "q") {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || !(v >= 0 && v <= 1) {
				v = 0
			}
			q = v
		}
		encoding = strings.ToLower(strings.TrimSpace(encoding))
		weights[strings.TrimPrefix(encoding, "x-")] = q
	}
	return func(encoding string) float64 {
		if q, named := weights[encoding]; named {
			return q
		}
		return weights["*"]
	}
}

// compress writes data as gzip, or as what HTTP calls deflate: a zlib stream.
func compress(encoding string, data []byte) []byte {
	var out bytes.Buffer
	var z io.WriteCloser = zlib.NewWriter(&out)
	if encoding == "gzip" {
		z = gzip.NewWriter(&out)
	}
	z.Write(data) // a buffer takes everything
	z.Close()
	return out.Bytes()
}
