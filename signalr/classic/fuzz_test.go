package classic

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-go/parley"
)

// FuzzCursor: a cursor is a position, or unknown, or refused; what the server has written is read again.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "d-01234567-0", "d-01234567-42", "d-89ABCDEF-7", "d-01234567-", "d-01234567-+1", "d-01234567-99999999999999999999", "s-0,1|A,2"} {
		f.Add(seed, int64(42))
	}
	f.Fuzz(func(t *testing.T, cursor string, position int64) {
		const epoch = "01234567"
		got, known, err := parseCursor(cursor, epoch)
		if known && (err != nil || got < 0 || !strings.HasPrefix(cursor, "d-"+epoch+"-")) {
			t.Errorf("%q: got %d %v", cursor, got, err)
		}
		if position < 0 {
			return
		}
		written := string(appendCursor(nil, epoch, position))
		if got, known, err = parseCursor(written, epoch); got != position || !known || err != nil {
			t.Errorf("%q: got %d %t %v", written, got, known, err)
		}
		if _, known, err = parseCursor(written, "89ABCDEF"); known || err != nil {
			t.Errorf("%q of another epoch: got %t %v", written, known, err)
		}
	})
}

// FuzzVersion: whatever a client says it speaks, it is answered with a version from 1.2 to 2.0.
func FuzzVersion(f *testing.F) {
	for _, seed := range []string{"", "1.5", "2.1", "1337", "1.2.3.4", "-1.0", "1.99999999999", "1.5.", " 1.5", "1,5", "0x1.5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		q := newRequest(&http.Request{URL: &url.URL{Path: "/signalr/negotiate", RawQuery: url.Values{"clientProtocol": {said}}.Encode()}})
		v := q.speaks()
		major, minor, _ := strings.Cut(v.String(), ".")
		a, errA := strconv.Atoi(major)
		b, errB := strconv.Atoi(minor)
		if errA != nil || errB != nil || a == 1 && b < 2 || a < 1 || a > 2 || a == 2 && b > 0 {
			t.Errorf("%q is answered with %s", said, v)
		}
	})
}

// FuzzRequest: whatever a request says, it is answered: a negotiation with a token, all else with a status, and
// nothing is left behind.
func FuzzRequest(f *testing.F) {
	e := Handler(map[string]*parley.Hub{"ChatHub": newHub(), "Other": newHub()}, &Options{EnableJSONP: true}).(*endpoint)
	token := e.keys.connection(newGUID(), "")
	for _, verb := range []string{"negotiate", "ping", "send", "abort", "hubs", "x", "", "/", "%2e"} {
		f.Add(verb, "webSockets", token, `[{"name":"chathub"}]`, "d-01234567-1", "cb", "data=%7B%7D")
		f.Add(verb, "longPolling", "", `[{"Name":"other"},{"name":7}]`, "", "", "&;=%")
	}
	f.Fuzz(func(t *testing.T, verb, transport, sealed, data, cursor, callback, body string) {
		if v := strings.ToLower(strings.Trim(verb, "/")); v == "start" || v == "connect" || strings.EqualFold(transport, "serverSentEvents") ||
			strings.EqualFold(transport, "foreverFrame") || strings.EqualFold(transport, "longPolling") && v != "send" && v != "abort" {
			return // what waits, other tests try
		}
		q := url.Values{"transport": {transport}, "connectionToken": {sealed}, "messageId": {cursor}, "frameId": {cursor}}
		if data != "" {
			q.Set("connectionData", data)
		}
		if callback != "" {
			q.Set("callback", callback)
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequest(method, "/", strings.NewReader(body))
			r.URL = &url.URL{Path: "/signalr/" + verb, RawQuery: q.Encode()}
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			if w.Code < 200 || w.Code > 503 {
				t.Errorf("%s %q: got %d", method, verb, w.Code)
			}
			answer := w.Body.String()
			if callback != "" && w.Code == http.StatusOK && answer != "" && !strings.HasPrefix(answer, callback+"(") && !strings.Contains(answer, "hubConnection") {
				t.Errorf("%s %q with a callback: got %.100q", method, verb, answer)
			}
			if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") && strings.Contains(answer, "<script") {
				t.Errorf("%s %q: a script in %.200q", method, verb, answer)
			}
		}
		e.table.mu.Lock()
		left := slices.Collect(maps.Values(e.table.entries))
		e.table.mu.Unlock()
		for _, c := range left {
			c.leave()
		}
	})
}
