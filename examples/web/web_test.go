package web

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func TestPagesAreReadOnlyAndKeepToTheirServer(t *testing.T) {
	pages := Pages(fstest.MapFS{"index.html": {Data: []byte("<html>")}})
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405} {
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", method, w.Code, want)
		}
		if got := w.Header().Get("Content-Security-Policy"); want == 200 && !strings.HasPrefix(got, "default-src 'self'") {
			t.Errorf("%s: policy %q", method, got)
		}
	}
}

// npm may finish while the server runs: what is there is looked up each time.
func TestBundlesAreServedOnceTheyAreInstalled(t *testing.T) {
	modules := t.TempDir()
	mux := http.NewServeMux()
	MountShared(mux, modules)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	if code, body := get("/npm/status"); code != 200 || body != `{"classic":false,"signalr":false,"socketio":false,"socketio09":false}` {
		t.Errorf("before: %d %s", code, body)
	}
	if code, body := get("/npm/signalr.min.js"); code != 404 || !strings.Contains(body, "make demo") {
		t.Errorf("before: %d %s", code, body)
	}
	file := filepath.Join(modules, filepath.FromSlash("@microsoft/signalr/dist/browser/signalr.min.js"))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("signalr()"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, body := get("/npm/status"); code != 200 || body != `{"classic":false,"signalr":true,"socketio":false,"socketio09":false}` {
		t.Errorf("after: %d %s", code, body)
	}
	if code, body := get("/npm/signalr.min.js"); code != 200 || body != "signalr()" {
		t.Errorf("after: %d %s", code, body)
	}
}

func TestNoFolderMeansNoBundles(t *testing.T) {
	mux := http.NewServeMux()
	MountShared(mux, "")
	for _, b := range bundles() {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", "/npm/"+b.at, nil))
		if w.Code != 404 {
			t.Errorf("%s: status %d, want 404", b.dialect, w.Code)
		}
	}
}
