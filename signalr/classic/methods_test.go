package classic_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr/classic"
)

// TestStateGoesRound: what a page keeps in its proxy's state is with each of its calls, and what the method changes
// comes back with the answer, or with what the handler sends to the caller.
func TestStateGoesRound(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		p := open(t, serve(t, newRoom().hubs(), nil), transport, "chathub")
		a := p.answer(p.callWith("chathub", "count", map[string]any{"count": 4, "name": "ann"}))
		if string(a.R) != "5" || string(a.S) != `{"count":5}` {
			t.Errorf("got %s", a.raw)
		}
		if a = p.answer(p.call("chathub", "count")); string(a.R) != "1" || string(a.S) != `{"count":1}` {
			t.Errorf("without a state: got %s", a.raw)
		}
		id := p.callWith("chathub", "me", map[string]any{"told": false})
		if e := p.take("the event", isEvent("me")); string(e.S) != `{"told":true}` {
			t.Errorf("an event for the caller: got %s", e.raw)
		}
		if a = p.answer(id); string(a.S) != `{"told":true}` {
			t.Errorf("its answer: got %s", a.raw)
		}
		id = p.callWith("chathub", "me", map[string]any{"told": true})
		if a = p.answer(id); a.S != nil {
			t.Errorf("nothing changed: got %s", a.raw)
		}
		id = p.callWith("chathub", "all", map[string]any{"told": true}, "hi")
		if e := p.take("the event", isEvent("all")); e.S != nil {
			t.Errorf("an event for everybody: got %s", e.raw)
		}
		p.answer(id)
	})
}

// TestProgressComesBeforeTheResult: jQuery takes none behind it.
func TestProgressComesBeforeTheResult(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		p := open(t, serve(t, newRoom().hubs(), nil), transport, "chathub")
		const steps = 25
		id := p.call("chathub", "work", steps)
		for i := range steps {
			e := p.take("progress or result", func(e element) bool { return e.P != nil || e.I == id })
			if e.P == nil || e.I != "P|"+id || e.P.I != id || string(e.P.D) != fmt.Sprint(i) {
				t.Fatalf("step %d: got %s", i, e.raw)
			}
		}
		if a := p.answer(id); string(a.R) != `"done"` {
			t.Errorf("got %s", a.raw)
		}
	})
}

// TestProgressAfterTheEnd is an error of the handler's, and reaches nobody.
func TestProgressAfterTheEnd(t *testing.T) {
	r := newRoom()
	late := make(chan error, 1)
	release := make(chan struct{})
	r.Handle("Late", parley.Func(func(ctx context.Context) {
		go func() { // ends when the test lets it
			<-release
			late <- parley.Progress(ctx, 1)
		}()
	}))
	p := open(t, serve(t, r.hubs(), nil), "webSockets", "chathub")
	p.invoke("chathub", "late")
	close(release)
	if err := next(t, "the error", late); err == nil {
		t.Error("progress was reported after the end of the call")
	}
	quiet(p)
	p.heardNothing(func(e element) bool { return e.P != nil })
}

// TestErrorsOfMethods: what callers are told, with and without detailed errors.
func TestErrorsOfMethods(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		for _, detailed := range []bool{false, true} {
			p := open(t, serve(t, newRoom().hubs(), &classic.Options{DetailedErrors: detailed}), transport, "chathub")
			failed := "There was an error invoking Hub method 'chathub.fail'."
			if detailed {
				failed = "the disk is full"
			}
			for _, c := range []struct {
				method string
				args   []any
				want   string
			}{
				{"fail", nil, `"E":"` + failed + `"`},
				{"refuse", nil, `"H":true,"E":"too late","D":{"by":3}`},
				{"missing", nil, `"E":"'missing' method could not be resolved. No method found with that name."`},
				{"join", []any{"a", "b"}, `"E":"'join' method could not be resolved. Potential candidates are: \njoin(arg1)"`},
				{"Admin", nil, `"E":"Caller is not authorized to invoke the Admin method on chathub."`},
			} {
				id := p.call("chathub", c.method, c.args...)
				if a, want := p.answer(id), fmt.Sprintf(`{"I":"%s",%s}`, id, c.want); a.raw != want {
					t.Errorf("%s, detailed %t:\n got %s\nwant %s", c.method, detailed, a.raw, want)
				}
			}
			quiet(p)
		}
	})
}

// TestResultOfNothing: null and void are no R.
func TestResultOfNothing(t *testing.T) {
	p := open(t, serve(t, newRoom().hubs(), nil), "webSockets", "chathub")
	for _, method := range []string{"nothing", "echo"} {
		args := []any{nil}
		if method == "nothing" {
			args = nil
		}
		id := p.call("chathub", method, args...)
		if a := p.answer(id); a.raw != `{"I":"`+id+`"}` {
			t.Errorf("%s: got %s", method, a.raw)
		}
	}
}

// TestStartFails when OnConnect refuses: that client goes no further, and is told why.
func TestStartFails(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		r := newRoom()
		p := newPage(t, serve(t, r.hubs(), nil), transport, "chathub")
		p.query.Set("refuse", "1")
		p.negotiate()
		p.connect("connect")
		status, body := p.get("start", nil)
		if status != http.StatusInternalServerError || !strings.Contains(body, "not you") {
			t.Errorf("got %d %s, want 500", status, body)
		}
		if len(r.connects) > 0 || r.Stats().Conns != 0 {
			t.Errorf("%d connections", r.Stats().Conns)
		}
	})
}

// TestHubsScript: it is there under both names, with and without a slash behind it, whatever the case.
func TestHubsScript(t *testing.T) {
	base := serve(t, newRoom().hubs(), nil)
	p := newPage(t, base, "webSockets")
	for _, path := range []string{"hubs", "js", "hubs/", "js/", "Hubs", "JS"} {
		resp, err := http.Get(base + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		status, body := p.do(http.MethodGet, base+"/"+path, nil, "")
		if got := resp.Header.Get("Content-Type"); status != http.StatusOK || got != "application/javascript; charset=UTF-8" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got %d %s", path, status, got)
		}
		for _, want := range []string{`$.hubConnection("/signalr", { useDefaultPath: false })`, `add("chatHub", "ChatHub", [["admin", "Admin"], ["all", "All"]`} {
			if !strings.Contains(body, want) {
				t.Errorf("%s has no %s", path, want)
			}
		}
	}
	base = serve(t, newRoom().hubs(), &classic.Options{DisableProxies: true})
	if status, body := p.do(http.MethodGet, base+"/hubs", nil, ""); status != http.StatusOK || !strings.HasPrefix(body, `throw new Error("SignalR: JavaScript Hub proxy generation has been disabled.`) {
		t.Errorf("disabled: got %d %s", status, body)
	}
}

// TestPersistentConnectionOverHTTP: values each way, groups, users, everyone.
func TestPersistentConnectionOverHTTP(t *testing.T) {
	overEach(t, func(t *testing.T, transport string) {
		hub := parley.NewHub(nil)
		hub.Handle(classic.Message, parley.Func(func(ctx context.Context, c *parley.Conn, text string) error {
			if group, found := strings.CutPrefix(text, "join "); found {
				return c.Join(group)
			}
			return hub.Send(ctx, classic.Message, map[string]string{"from": c.User(), "text": text})
		}))
		mux := http.NewServeMux()
		classic.MountPersistent(mux, "/echo", hub, nil)
		base := serveMux(t, mux, map[string]*parley.Hub{"": hub}) + "/echo"
		p := newPage(t, base, transport)
		p.as("X-User", "ann")
		p.open()
		for _, text := range []string{"hello", `{"a":[1,2]}`, `"quoted"`, "żółć \u2028 </script>", "7"} {
			p.sends(text)
			e := p.take("the value", func(e element) bool { return strings.Contains(e.raw, "from") })
			want := map[string]string{"from": "ann", "text": text}
			if got := object(t, e.raw); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		p.sends("join lobby")
		p.sends("now")
		p.take("an echo", func(e element) bool { return strings.Contains(e.raw, `"now"`) })
		for value, to := range map[string]parley.Audience{"to the group": hub.Group("lobby"), "to ann": hub.User("ann"), "to you": hub.Client(p.id)} {
			if err := to.Send(t.Context(), classic.Message, value); err != nil {
				t.Error(err)
			}
			p.take(value, func(e element) bool { return e.raw == `"`+value+`"` })
		}
		if err := hub.Send(t.Context(), "other", "x"); err != nil {
			t.Error(err)
		}
		p.sends("last")
		p.take("an echo", func(e element) bool { return strings.Contains(e.raw, `"last"`) })
		p.heardNothing(func(e element) bool { return true })
	})
}

// TestJSONP: a conversation in scripts.
func TestJSONP(t *testing.T) {
	p := newPage(t, serve(t, newRoom().hubs(), &classic.Options{EnableJSONP: true}), "longPolling", "chathub")
	p.as("Referer", p.base)
	p.negotiate()
	script := func(verb string, more url.Values) string {
		t.Helper()
		if more == nil {
			more = url.Values{}
		}
		more.Set("callback", "cb_1")
		status, body := p.get(verb, more)
		inside, found := strings.CutPrefix(strings.TrimSpace(body), "cb_1(")
		inside, closed := strings.CutSuffix(inside, ");")
		if body != "" && (status != http.StatusOK || !found || !closed) {
			t.Fatalf("%s: got %d %q", verb, status, body)
		}
		return inside
	}
	stream := &stream{init: make(chan struct{}), done: make(chan struct{})}
	p.envelope(stream, []byte(script("connect", nil)))
	<-stream.init
	if got := script("start", nil); !strings.Contains(got, "started") {
		t.Errorf("start: got %s", got)
	}
	if got := script("send", url.Values{"data": {`{"H":"chathub","M":"Echo","A":["</script>\u2028"],"I":0}`}}); got != "" && got != "{}" && got != "null" {
		t.Errorf("send: got %s", got)
	}
	for range 10 {
		cursor, _ := p.place()
		p.envelope(stream, []byte(script("poll", url.Values{"messageId": {cursor}})))
		if len(p.kept) > 0 && p.kept[len(p.kept)-1].I == "0" {
			break
		}
	}
	a := p.answer("0")
	var got string
	if err := parseText(string(a.R), &got); err != nil || got != "</script>\u2028" {
		t.Errorf("got %s", a.raw)
	}
}

// TestJSONNames: how the fields of structs are named, in results, events and the state.
func TestJSONNames(t *testing.T) {
	for names, want := range map[classic.JSONNames]string{classic.AsDeclared: `{"UserName":"ann","id":7}`, classic.CamelCase: `{"userName":"ann","id":7}`} {
		type value struct {
			UserName string
			Number   int `json:"id"`
		}
		r := newRoom()
		r.Handle("Value", parley.Func(func(ctx context.Context, in value) (value, error) {
			if err := classic.State(ctx).Set("v", in); err != nil {
				return in, err
			}
			return in, r.Send(ctx, "value", in)
		}))
		p := open(t, serve(t, r.hubs(), &classic.Options{JSONNames: names}), "webSockets", "chathub")
		a := p.answer(p.call("chathub", "value", map[string]any{"username": "ann", "ID": 7}))
		if string(a.R) != want || string(a.S) != `{"v":`+want+`}` || p.hears("value") != want {
			t.Errorf("%d: got %s, want %s", names, a.raw, want)
		}
	}
}
