package transport

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAdmit(t *testing.T) {
	const page, other = "https://page.example", "https://other.example"
	listed := &Options{Origins: []string{page}}
	for _, c := range []struct {
		name           string
		o              *Options
		method         string
		origin, site   string
		status         int // zero: let in
		allowedForPage string
	}{
		{"no browser", &Options{}, "GET", "", "", 0, ""},
		{"the same host", &Options{}, "POST", "http://hub.example", "same-origin", 0, "http://hub.example"},
		{"a listed origin", listed, "POST", page, "cross-site", 0, page},
		{"another origin", listed, "POST", other, "cross-site", 403, ""},
		{"another origin's preflight", listed, "OPTIONS", other, "cross-site", 403, ""},
		{"another origin's delete", listed, "DELETE", other, "cross-site", 403, ""},
		{"a sandboxed frame", listed, "GET", "null", "cross-site", 403, ""},
		{"an image elsewhere", listed, "GET", "", "cross-site", 403, ""},
		{"an image on a sister host", listed, "GET", "", "same-site", 403, ""},
		{"typed into the address bar", &Options{}, "GET", "", "none", 0, ""},
		{"any origin", &Options{InsecureAnyOrigin: true}, "GET", other, "cross-site", 0, other},
		{"a listed origin's preflight", listed, "OPTIONS", page, "cross-site", 204, page},
	} {
		r := httptest.NewRequest(c.method, "http://hub.example/ws", nil)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		w := httptest.NewRecorder()
		in := Admit(w, r, c.o, "GET, POST")
		if want := c.status == 0; in != want || !in && w.Code != c.status {
			t.Errorf("%s: got %v with status %d, want %v with %d", c.name, in, w.Code, want, c.status)
		}
		h := w.Header()
		if got := h.Get("Access-Control-Allow-Origin"); got != c.allowedForPage {
			t.Errorf("%s: Access-Control-Allow-Origin: got %q, want %q", c.name, got, c.allowedForPage)
		}
		if got, want := h.Get("Access-Control-Allow-Credentials") == "true", c.allowedForPage != ""; got != want {
			t.Errorf("%s: credentials allowed: got %v, want %v", c.name, got, want)
		}
		if !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
			t.Errorf("%s: a cache may confuse origins: Vary is %q", c.name, h.Values("Vary"))
		}
	}
}

func TestPreflight(t *testing.T) {
	r := httptest.NewRequest("OPTIONS", "http://hub.example/ws", nil)
	r.Header.Set("Origin", "https://page.example")
	r.Header.Set("Access-Control-Request-Method", "DELETE")
	r.Header.Set("Access-Control-Request-Headers", "content-type, x-token")
	w := httptest.NewRecorder()
	Admit(w, r, &Options{Origins: []string{"page.example"}}, "GET, POST, DELETE")
	for name, want := range map[string]string{
		"Access-Control-Allow-Methods": "GET, POST, DELETE",
		"Access-Control-Allow-Headers": "content-type, x-token",
		"Access-Control-Max-Age":       "600",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestReadBody(t *testing.T) {
	for _, c := range []struct {
		body  string
		known bool // the length is announced
		want  error
	}{
		{"", true, nil},
		{"12345678", true, nil},
		{"12345678", false, nil},
		{"123456789", true, ErrTooLarge},
		{"123456789", false, ErrTooLarge},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
		if !c.known {
			r.ContentLength = -1
		}
		got, err := ReadBody(httptest.NewRecorder(), r, &Options{MaxMessageBytes: 8})
		if !errors.Is(err, c.want) || err == nil && string(got) != c.body {
			t.Errorf("ReadBody(%q): got %q, %v, want %v", c.body, got, err, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	table := NewTable[string](2)
	first, err := table.Add("a")
	if err != nil || len(first) < 26 {
		t.Fatalf("Add: got %q, %v, want a token of 26 letters", first, err)
	}
	second, _ := table.Add("b")
	if first == second {
		t.Error("two sessions have one token")
	}
	if _, err := table.Add("c"); err != ErrFull {
		t.Errorf("Add beyond the limit: got %v, want %v", err, ErrFull)
	}
	if v, ok := table.Get(first); v != "a" || !ok {
		t.Errorf("Get: got %q, %v", v, ok)
	}
	table.Remove(first)
	table.Remove(first)
	if _, ok := table.Get(first); ok || table.Len() != 1 {
		t.Error("a removed session is still there")
	}
	if _, err := table.Add("c"); err != nil {
		t.Errorf("Add after Remove: %v", err)
	}
}
