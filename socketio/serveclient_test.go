package socketio_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
)

// watchedFS notes what is opened in it.
type watchedFS struct {
	fs.FS
	mu     sync.Mutex
	opened []string
}

func (w *watchedFS) Open(name string) (fs.File, error) {
	w.mu.Lock()
	w.opened = append(w.opened, name)
	w.mu.Unlock()
	return w.FS.Open(name)
}

// packageFolder looks like npm's folder of the client.
func packageFolder() fstest.MapFS {
	files := fstest.MapFS{
		"package.json":          {Data: []byte(`{"name":"socket.io-client","version":"4.8.4"}`)},
		"dist/broadcast.js":     {Data: []byte("not for everybody")},
		"dist/socket.io.js":     {Data: []byte(strings.Repeat("io();", 1000))},
		"dist/socket.io.js.map": {Data: []byte(`{"version":3}`)},
	}
	for _, name := range []string{"socket.io.min.js", "socket.io.msgpack.min.js", "socket.io.esm.min.js"} {
		files["dist/"+name] = &fstest.MapFile{Data: []byte("/* " + name + " */")}
		files["dist/"+name+".map"] = &fstest.MapFile{Data: []byte(`{"of":"` + name + `"}`)}
	}
	return files
}

func serving(t *testing.T, files fs.FS, o socketio.Options) http.Handler {
	t.Helper()
	hub := parley.NewHub(nil)
	t.Cleanup(func() { hub.Shutdown(t.Context()) })
	mux := http.NewServeMux()
	o.ServeClient = files
	socketio.Mount(mux, "/socket.io/", hub, &o)
	return mux
}

func ask(h http.Handler, method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r io.Reader) string {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTheEightScriptsAreServedAndNothingElse(t *testing.T) {
	files := &watchedFS{FS: packageFolder()}
	h := serving(t, files, socketio.Options{})
	names := []string{"socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js", "socket.io.esm.min.js"}
	for _, name := range names {
		for suffix, kind := range map[string]string{"": "application/javascript; charset=utf-8", ".map": "application/json; charset=utf-8"} {
			want, err := fs.ReadFile(packageFolder(), "dist/"+name+suffix)
			if err != nil {
				t.Fatal(err)
			}
			resp := ask(h, "GET", "/socket.io/"+name+suffix)
			if got := text(t, resp.Body); resp.StatusCode != 200 || got != string(want) {
				t.Errorf("%s: %d %.50q", name+suffix, resp.StatusCode, got)
			}
			for field, want := range map[string]string{"Content-Type": kind, "ETag": `"4.8.4"`, "Cache-Control": "public, max-age=0", "Content-Encoding": ""} {
				if got := resp.Header.Get(field); got != want {
					t.Errorf("%s: %s is %q, want %q", name+suffix, field, got, want)
				}
			}
		}
	}
	for _, path := range []string{"broadcast.js", "socket.io.slim.js", "index.js", "socket.io.js.map.map", "socket.io.min.js/x.js", "%2e%2e%2fpackage.js", `..%5csocket.io.js`} {
		if resp := ask(h, "GET", "/socket.io/"+path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", path, resp.StatusCode)
		}
	}
	for _, path := range []string{"package.json", "..%2fpackage.json", "socket.io.js%00", "socket.io.js.br", "README.md", "SOCKET.IO.JS"} {
		if resp := ask(h, "GET", "/socket.io/"+path); resp.StatusCode < 400 {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
	}
	for _, name := range files.opened {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(name, "dist/"), ".br"), ".map")
		if name != "package.json" && !slices.Contains(names, base) {
			t.Errorf("%s was opened", name)
		}
	}
	before := len(files.opened)
	ask(h, "GET", "/socket.io/socket.io.js")
	if len(files.opened) != before {
		t.Errorf("what is kept was opened again: %q", files.opened[before:])
	}
	if resp := ask(serving(t, nil, socketio.Options{}), "GET", "/socket.io/socket.io.js"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without a folder: status %d, want the engine's own 400", resp.StatusCode)
	}
}

func TestWhoHasAScriptIsNotSentIt(t *testing.T) {
	h := serving(t, packageFolder(), socketio.Options{})
	for tags, want := range map[string]int{
		`"4.8.4"`: 304, `W/"4.8.4"`: 304, `*`: 304, `"1", W/"4.8.4" , "2"`: 304,
		`"4.8.3"`: 200, `4.8.4`: 200, `""`: 200, `w/"4.8.4"`: 200, "": 200,
	} {
		resp := ask(h, "GET", "/socket.io/socket.io.min.js", "If-None-Match", tags)
		if resp.StatusCode != want || resp.Header.Get("ETag") != `"4.8.4"` || resp.Header.Get("Cache-Control") != "public, max-age=0" {
			t.Errorf("If-None-Match: %s: status %d, want %d; %v", tags, resp.StatusCode, want, resp.Header)
		}
		if body := text(t, resp.Body); want == 304 && body != "" {
			t.Errorf("304 with %d bytes", len(body))
		}
	}
}

// Without package.json the folder is dist, and a hash stands for the version.
func TestADistFolderWillDo(t *testing.T) {
	dist := fstest.MapFS{"socket.io.js": {Data: []byte("one")}, "socket.io.min.js": {Data: []byte("two")}}
	h := serving(t, dist, socketio.Options{})
	one, two := ask(h, "GET", "/socket.io/socket.io.js"), ask(h, "GET", "/socket.io/socket.io.min.js")
	if text(t, one.Body) != "one" || text(t, two.Body) != "two" {
		t.Error("not what is in the folder")
	}
	if a, b := one.Header.Get("ETag"), two.Header.Get("ETag"); a == b || len(a) != 22 || a[0] != '"' {
		t.Errorf("ETags %s and %s", a, b)
	}
	if resp := ask(h, "GET", "/socket.io/socket.io.esm.min.js"); resp.StatusCode != 404 {
		t.Errorf("a file that is not there: %d", resp.StatusCode)
	}
	dist["socket.io.esm.min.js"] = &fstest.MapFile{Data: []byte("later")}
	if resp := ask(h, "GET", "/socket.io/socket.io.esm.min.js"); resp.StatusCode != 200 {
		t.Errorf("a file that has come: %d", resp.StatusCode)
	}
	for _, version := range []string{`"4\"\r\nSet-Cookie: x=1"`, `"a, b"`, `4`} {
		odd := fstest.MapFS{"package.json": {Data: []byte(`{"version":` + version + `}`)}, "dist/socket.io.js": {Data: []byte("one")}}
		if got := ask(serving(t, odd, socketio.Options{}), "GET", "/socket.io/socket.io.js").Header.Get("ETag"); got != one.Header.Get("ETag") {
			t.Errorf("version %s: ETag %s", version, got)
		}
	}
	huge := fstest.MapFS{"socket.io.js": {Data: make([]byte, 5<<20)}}
	if resp := ask(serving(t, huge, socketio.Options{}), "GET", "/socket.io/socket.io.js"); resp.StatusCode != 404 {
		t.Errorf("a file of 5 MiB: %d, want 404", resp.StatusCode)
	}
}

func TestScriptsAreCompressedAsTheirReaderLikes(t *testing.T) {
	files := packageFolder()
	files["dist/socket.io.min.js.br"] = &fstest.MapFile{Data: []byte("brotli")}
	h := serving(t, files, socketio.Options{})
	tests := []struct{ file, accept, want string }{
		{"socket.io.js", "", ""},
		{"socket.io.js", "identity", ""},
		{"socket.io.js", "gzip, deflate, br", "gzip"},
		{"socket.io.js", "x-gzip", "gzip"},
		{"socket.io.js", "GZIP", "gzip"},
		{"socket.io.js", "deflate", "deflate"},
		{"socket.io.js", "gzip;q=0.5, deflate;q=0.8", "deflate"},
		{"socket.io.js", "gzip;q=0, deflate ; q=0.001", "deflate"},
		{"socket.io.js", "gzip;q=0", ""},
		{"socket.io.js", "*", "gzip"},
		{"socket.io.js", "*;q=0", ""},
		{"socket.io.js", "gzip;q=0, *", "deflate"},
		{"socket.io.js", "identity, gzip;q=0.5", ""},
		{"socket.io.js", "identity;q=0.5, gzip;q=0.5", "gzip"},
		{"socket.io.js", "gzip;q=nan", ""},
		{"socket.io.js", "gzip;q=-1", ""},
		{"socket.io.js", "gzip;q=", ""},
		{"socket.io.js", "gzip;q=2", ""},
		{"socket.io.js", ";;;,,=q;gzip", ""},
		{"socket.io.js", "br", ""},
		{"socket.io.min.js", "gzip, deflate, br", "br"},
		{"socket.io.min.js", "gzip, br;q=0.9", "gzip"},
	}
	for _, tt := range tests {
		resp := ask(h, "GET", "/socket.io/"+tt.file, "Accept-Encoding", tt.accept)
		if got := resp.Header.Get("Content-Encoding"); got != tt.want || !slices.Contains(resp.Header.Values("Vary"), "Accept-Encoding") {
			t.Errorf("%s with %q: encoding %q, want %q; Vary %q", tt.file, tt.accept, got, tt.want, resp.Header.Values("Vary"))
			continue
		}
		want := string(files["dist/"+tt.file].Data)
		if tt.want == "br" {
			want = "brotli"
		}
		if got := text(t, decoded(t, tt.want, resp.Body)); got != want {
			t.Errorf("%s as %q: %.50q", tt.file, tt.want, got)
		}
	}
}

func decoded(t *testing.T, encoding string, body io.Reader) io.Reader {
	t.Helper()
	var err error
	switch encoding {
	case "gzip":
		body, err = gzip.NewReader(body)
	case "deflate":
		body, err = zlib.NewReader(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestScriptsAreReadByAllowedOriginsAndRunByAll(t *testing.T) {
	h := serving(t, packageFolder(), socketio.Options{Origins: []string{"https://friend.example"}})
	friend := ask(h, "GET", "/socket.io/socket.io.js", "Origin", "https://friend.example")
	if friend.StatusCode != 200 || friend.Header.Get("Access-Control-Allow-Origin") != "https://friend.example" {
		t.Errorf("a friend: %d %v", friend.StatusCode, friend.Header)
	}
	foe := ask(h, "GET", "/socket.io/socket.io.js", "Origin", "https://foe.example")
	if foe.StatusCode != 200 || foe.Header.Get("Access-Control-Allow-Origin") != "" || !slices.Contains(foe.Header.Values("Vary"), "Origin") {
		t.Errorf("a stranger: %d %v", foe.StatusCode, foe.Header)
	}
	if resp := ask(h, "GET", "/socket.io/socket.io.js", "Sec-Fetch-Site", "cross-site"); resp.StatusCode != 200 {
		t.Errorf("a script element of a page elsewhere: %d", resp.StatusCode)
	}
	asked := ask(h, "OPTIONS", "/socket.io/socket.io.js", "Origin", "https://friend.example", "Access-Control-Request-Method", "GET")
	if asked.StatusCode != 204 || asked.Header.Get("Access-Control-Allow-Methods") != "GET, HEAD" {
		t.Errorf("a preflight: %d %v", asked.StatusCode, asked.Header)
	}
	if resp := ask(h, "POST", "/socket.io/socket.io.js"); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", resp.StatusCode, resp.Header)
	}
}

func TestHeadTellsTheLength(t *testing.T) {
	server := httptest.NewServer(serving(t, packageFolder(), socketio.Options{}))
	defer server.Close()
	resp, err := http.Head(server.URL + "/socket.io/socket.io.js")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body := text(t, resp.Body); resp.StatusCode != 200 || resp.ContentLength != 5000 && resp.Header.Get("Content-Encoding") == "" || body != "" {
		t.Errorf("HEAD: %d, %d bytes told, %d sent", resp.StatusCode, resp.ContentLength, len(body))
	}
	get, err := http.Get(server.URL + "/socket.io/socket.io.js") // asks for gzip, and undoes it
	if err != nil {
		t.Fatal(err)
	}
	defer get.Body.Close()
	if body := text(t, get.Body); !get.Uncompressed || !bytes.HasPrefix([]byte(body), []byte("io();")) {
		t.Errorf("GET: %.50q", body)
	}
}
