package plain

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// newRoom serves a small hub on loopback.
func newRoom(t *testing.T, o *Options, l parley.Limits) (*parley.Hub, string) {
	t.Helper()
	hub := parley.NewHub(&parley.HubOptions{Log: slog.New(slog.DiscardHandler), Limits: l})
	hub.OnConnect(func(_ context.Context, c *parley.Conn) error {
		if why := c.Request().URL.Query().Get("refuse"); why != "" {
			return parley.Errorf("refused", "%s", why)
		}
		return c.Join("room")
	})
	hub.Handle("echo", parley.Func(func(v json.RawMessage) json.RawMessage { return v }))
	hub.Handle("nothing", parley.Func(func() {}))
	hub.Handle("several", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error { return call.Reply(1, "two") }))
	hub.Handle("fail", parley.Func(func() error { return &parley.Error{Code: "full", Message: "no seats", Data: []int{0}} }))
	hub.Handle("broken", parley.Func(func() error { return errors.New("secret") }))
	hub.Handle("tell", parley.Func(func(ctx context.Context, text string) error { return hub.Group("room").Send(ctx, "told", text) }))
	hub.Handle("ask", parley.Func(func(ctx context.Context, c *parley.Conn) (bool, error) {
		var yes bool
		err := c.Call(ctx, "sure?", &yes, "really")
		return yes, err
	}))
	hub.Handle("kick", parley.Func(func(c *parley.Conn) { c.Close("enough") }))
	hub.Handle("count", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
		var n int
		if err := call.Scan(&n); err != nil {
			return err
		}
		for i := range n {
			if err := call.Send(i + 1); err != nil {
				return err
			}
		}
		return nil
	}))
	hub.Handle("forever", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		if err := call.Send("first"); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}))
	server := httptest.NewServer(Handler(hub, o))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := hub.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		server.Close()
	})
	return hub, server.URL
}

// patience bounds each wait; it is reached only by a test that fails.
const patience = 20 * time.Second

// talker is a client without a library, over one of the transports.
type talker struct {
	t    *testing.T
	send func(message string) (status int)
	next func() (message string, ok bool) // ok is false at the end

	kept []string // messages that were read while waiting for another
}

// hears waits for a message that contains part; others are kept.
func (c *talker) hears(part string) string {
	c.t.Helper()
	for i, m := range c.kept {
		if strings.Contains(m, part) {
			c.kept = slices.Delete(c.kept, i, i+1)
			return m
		}
	}
	for {
		m, ok := c.next()
		if !ok {
			c.t.Fatalf("the end came before %s; kept %q", part, c.kept)
		}
		if strings.Contains(m, part) {
			return m
		}
		c.kept = append(c.kept, m)
	}
}

// ends waits for the end of the connection.
func (c *talker) ends() {
	for {
		if _, ok := c.next(); !ok {
			return
		}
	}
}

func overWebSocket(t *testing.T, address, query string) *talker {
	conn, err := websocket.Dial(t.Context(), address+"/?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return &talker{
		t: t,
		send: func(m string) int {
			if conn.Write(t.Context(), websocket.Message{Type: websocket.Text, Data: []byte(m)}) != nil {
				return http.StatusNotFound
			}
			return http.StatusAccepted
		},
		next: func() (string, bool) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			m, err := conn.Read(ctx)
			return string(m.Data), err == nil
		},
	}
}

func overEvents(t *testing.T, address, query string) *talker {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, address+"/?"+query, nil)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	c := &talker{t: t}
	c.next = func() (string, bool) {
		for lines.Scan() {
			if m, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return m, true
			}
		}
		return "", false
	}
	c.post(address)
	return c
}

func overPolls(t *testing.T, address, query string) *talker {
	c := &talker{t: t}
	var waiting []json.RawMessage
	url := address + "/?transport=poll&" + query
	c.next = func() (string, bool) {
		for len(waiting) == 0 {
			status, body := do(t, http.MethodGet, url, "")
			if status != http.StatusOK || json.Unmarshal([]byte(body), &waiting) != nil {
				return "", false
			}
		}
		m := string(waiting[0])
		waiting = waiting[1:]
		return m, true
	}
	token := c.post(address)
	url = address + "/?transport=poll&session=" + token
	t.Cleanup(func() {
		r, _ := http.NewRequest(http.MethodDelete, url, nil)
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
		}
	})
	return c
}

// post reads the open message and makes the talker send by POST.
func (c *talker) post(address string) (token string) {
	var first struct{ Session string }
	m, ok := c.next()
	if !ok || json.Unmarshal([]byte(m), &first) != nil {
		c.t.Fatalf("first message is %q", m)
	}
	c.kept = append(c.kept, m)
	c.send = func(m string) int {
		status, _ := do(c.t, http.MethodPost, address+"/?session="+first.Session, m)
		return status
	}
	return first.Session
}

func do(t *testing.T, method, url, body string, header ...string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(b))
}

// everyTransport runs one body over each transport.
func everyTransport(t *testing.T, test func(t *testing.T, open func(t *testing.T, address, query string) *talker)) {
	for name, open := range map[string]func(*testing.T, string, string) *talker{
		"websocket": overWebSocket, "events": overEvents, "polls": overPolls,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

func TestAConversation(t *testing.T) {
	everyTransport(t, func(t *testing.T, open func(*testing.T, string, string) *talker) {
		_, address := newRoom(t, nil, parley.Limits{})
		c := open(t, address, "")
		c.hears(`"type":"open"`)
		steps := []struct{ say, hear string }{
			{`{"id":"1","name":"echo","args":[{"a":[1,null," "]}]}`, `{"type":"result","id":"1","value":{"a":[1,null," "]}}`},
			{`{"type":"call","id":2,"name":"nothing"}`, `{"type":"result","id":"2","value":null}`},
			{`{"id":"3","name":"several"}`, `{"type":"result","id":"3","values":[1,"two"]}`},
			{`{"id":"4","name":"fail"}`, `{"type":"error","id":"4","code":"full","message":"no seats","data":[0]}`},
			{`{"id":"5","name":"nobody"}`, `{"type":"error","id":"5","code":"not_found"`},
			{`{"id":"6","name":"echo","args":[]}`, `{"type":"error","id":"6","code":"arguments"`},
			{`{"id":"7","name":"count","args":[3]}`, `{"type":"error","id":"7","code":"streaming"`},
			{`{"type":"stream","id":"8","name":"echo","args":[1]}`, `{"type":"error","id":"8","code":"not_stream"`},
			{`{"name":"nobody"}`, `{"type":"error","code":"not_found"`},
			{`{"id":"9","name":"tell","args":["all"]}`, `{"type":"event","name":"told","args":["all"]}`},
			{`{"type":"ping"}`, `{"type":"pong"}`},
			{`{"type":"from another version","x":1}`, ``},
			{`{"type":"stream","id":"10","name":"count","args":[2]}`, `{"type":"end","id":"10"}`},
			{`{"type":"stream","id":"11","name":"forever"}`, `{"type":"item","id":"11","value":"first"}`},
			{`{"type":"cancel","id":"11"}`, `{"type":"end","id":"11"}`},
			{`{"id":"12","name":"ask"}`, `{"type":"call","id":"s1","name":"sure?","args":["really"]}`},
			{`{"type":"result","id":"s1","value":true}`, `{"type":"result","id":"12","value":true}`},
			{`{"id":"13","name":"ask"}`, `{"type":"call","id":"s2"`},
			{`{"type":"error","id":"s2","code":"no","message":"never"}`, `{"type":"error","id":"13","code":"no","message":"never"}`},
		}
		for _, s := range steps {
			if status := c.send(s.say); status != http.StatusAccepted {
				t.Fatalf("sending %s: status %d", s.say, status)
			}
			if s.hear != "" {
				c.hears(s.hear)
			}
		}
		c.hears(`{"type":"item","id":"10","value":1}`)
		c.hears(`{"type":"item","id":"10","value":2}`)
		c.hears(`"id":"9"`)
		if len(c.kept) > 0 {
			t.Errorf("unexpected: %q", c.kept)
		}
	})
}

func TestGoodbyes(t *testing.T) {
	everyTransport(t, func(t *testing.T, open func(*testing.T, string, string) *talker) {
		t.Run("of the hub", func(t *testing.T) {
			_, address := newRoom(t, nil, parley.Limits{})
			c := open(t, address, "")
			c.send(`{"name":"kick"}`)
			c.hears(`{"type":"close","code":1000,"reason":"enough","reconnect":false}`)
			c.ends()
		})
		t.Run("of the client", func(t *testing.T) {
			hub, address := newRoom(t, nil, parley.Limits{})
			gone := make(chan error, 1)
			hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, reason error) { gone <- reason })
			c := open(t, address, "")
			c.hears("open") // who leaves while OnConnect runs was never there
			c.send(`{"type":"close"}`)
			c.ends()
			if err := <-gone; err != nil {
				t.Errorf("OnDisconnect is told %v", err)
			}
		})
		t.Run("of a shutdown", func(t *testing.T) {
			hub, address := newRoom(t, nil, parley.Limits{})
			c := open(t, address, "")
			c.hears("open")
			done := make(chan error, 1)
			go func() { done <- hub.Shutdown(context.Background()) }()
			c.hears(`"code":1001,"reason":"server shutting down","reconnect":true}`)
			c.ends()
			if err := <-done; err != nil {
				t.Errorf("shutdown: %v", err)
			}
		})
	})
	t.Run("of a refusal", func(t *testing.T) {
		_, address := newRoom(t, nil, parley.Limits{})
		c := overWebSocket(t, address, "refuse=banned")
		c.hears(`{"type":"close","code":1008,"reason":"banned","reconnect":false}`)
		c.ends()
	})
}

func TestUnreadableMessages(t *testing.T) {
	messages := []string{`nonsense`, `[]`, `{"name":1}`, `{"name":"echo","args":1}`, `{"type":"stream","name":"count"}`, "{\"name\":\"\xff\"}"}
	_, address := newRoom(t, nil, parley.Limits{})
	bystander := overWebSocket(t, address, "")
	for _, m := range messages {
		for name, open := range map[string]func(*testing.T, string, string) *talker{"events": overEvents, "polls": overPolls} {
			c := open(t, address, "")
			if status := c.send(m); status != http.StatusBadRequest {
				t.Errorf("%s: POST of %q answered %d, want 400", name, m, status)
			}
			c.send(`{"id":"1","name":"nothing"}`) // the session has survived
			c.hears(`"id":"1"`)
		}
		c := overWebSocket(t, address, "")
		c.hears("open")
		c.send(m)
		if strings.Contains(m, "\xff") {
			c.ends() // a text frame that is not UTF-8 is the transport's to refuse, with 1007
			continue
		}
		c.hears(`{"type":"close","code":1002`)
		c.ends()
	}
	bystander.send(`{"name":"tell","args":["still here"]}`)
	bystander.hears(`"still here"`)
}

func TestLimits(t *testing.T) {
	_, address := newRoom(t, &Options{MaxMessageBytes: 1000, MaxSessions: 2}, parley.Limits{})
	long := `{"name":"echo","args":["` + strings.Repeat("x", 1000) + `"]}`
	a, b := overEvents(t, address, ""), overPolls(t, address, "")
	for _, c := range []*talker{a, b} {
		if status := c.send(long); status != http.StatusRequestEntityTooLarge {
			t.Errorf("long POST answered %d, want 413", status)
		}
	}
	if status, _ := do(t, http.MethodGet, address+"/?transport=poll", ""); status != http.StatusServiceUnavailable {
		t.Errorf("third session answered %d, want 503", status)
	}
	conn, err := websocket.Dial(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.Write(t.Context(), websocket.Message{Type: websocket.Text, Data: []byte(long)})
	var closed *websocket.CloseError
	for _, err := range conn.Messages(t.Context()) {
		errors.As(err, &closed)
	}
	if closed == nil || closed.Code != websocket.StatusMessageTooBig {
		t.Errorf("long message: %v, want 1009", closed)
	}
}

func TestAClientThatNeverReadsIsClosedAndNobodyElseNotices(t *testing.T) {
	for _, opened := range []string{"", "?transport=poll"} {
		hub, address := newRoom(t, &Options{CloseTimeout: 10 * time.Millisecond, WriteTimeout: 3 * time.Second}, parley.Limits{QueueBytes: 1 << 20, QueueMessages: 1000})
		ends := make(chan error, 10)
		hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, reason error) { ends <- reason })
		healthy := overWebSocket(t, address, "")
		healthy.hears("open")
		resp, err := http.Get(address + "/" + opened) // and never read, or polled, again
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for len(hub.Audience().Conns()) < 2 {
			healthy.send(`{"id":"wait","name":"nothing"}`)
			healthy.hears(`"wait"`)
		}
		filler := strings.Repeat("x", 50_000)
		for i := 0; len(ends) == 0 && i < 5000; i++ {
			if err := hub.Send(t.Context(), "told", fmt.Sprint(i), filler); err != nil {
				t.Fatal(err)
			}
			healthy.hears(fmt.Sprintf(`"args":["%d"`, i))
		}
		if err := <-ends; !errors.Is(err, parley.ErrSlow) {
			t.Errorf("%q ended with %v, want ErrSlow", opened, err)
		}
	}
}

func TestForeignPagesAreRefused(t *testing.T) {
	_, address := newRoom(t, &Options{Origins: []string{"https://friend.example", "*.friends.example"}}, parley.Limits{})
	requests := []struct{ method, query, body string }{
		{http.MethodGet, "?transport=poll", ""},
		{http.MethodGet, "", ""},
		{http.MethodPost, "", `{"name":"nothing"}`},
		{http.MethodDelete, "?session=x", ""},
		{http.MethodOptions, "", ""},
	}
	for _, origin := range []string{"https://evil.example", "https://evil-friend.example", "https://evilfriends.example", "null", "http://friend.example.evil.example"} {
		for _, r := range requests {
			if status, _ := do(t, r.method, address+"/"+r.query, r.body, "Origin", origin); status != http.StatusForbidden {
				t.Errorf("%s %s from %s: %d, want 403", r.method, r.query, origin, status)
			}
		}
		if _, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{Header: http.Header{"Origin": {origin}}}); err == nil {
			t.Errorf("WebSocket from %s was accepted", origin)
		}
	}
	for _, origin := range []string{"https://friend.example", "https://a.friends.example", address} {
		if status, body := do(t, http.MethodPost, address, `{"name":"nothing"}`, "Origin", origin); status != http.StatusOK {
			t.Errorf("POST from %s: %d %s, want 200", origin, status, body)
		}
	}
}

func TestAWholeConnectionInOnePost(t *testing.T) {
	_, address := newRoom(t, nil, parley.Limits{})
	tests := []struct {
		query, body string
		status      int
		answer      string
	}{
		{"", `{"name":"echo","args":["hi"]}`, 200, `{"type":"result","id":"1","value":"hi"}`},
		{"", `{"id":"mine","name":"nothing"}`, 200, `{"type":"result","id":"mine","value":null}`},
		{"", `{"name":"tell","args":["x"]}`, 200, `{"type":"result","id":"1","value":null}`},
		{"", `{"name":"nobody"}`, 404, `{"type":"error","id":"1","code":"not_found","message":"no handler named \"nobody\""}`},
		{"", `{"name":"echo"}`, 400, `{"type":"error","id":"1","code":"arguments"`},
		{"", `{"name":"broken"}`, 500, `{"type":"error","id":"1","code":"internal"`},
		{"", `{"name":"fail"}`, 422, `{"type":"error","id":"1","code":"full","message":"no seats","data":[0]}`},
		{"?refuse=banned", `{"name":"nothing"}`, 403, `"code":"refused","message":"banned"`},
		{"", `{"type":"stream","name":"count","args":[3]}`, 200, `{"type":"item","id":"1","value":1}` + "\n" + `{"type":"item","id":"1","value":2}` + "\n" + `{"type":"item","id":"1","value":3}` + "\n" + `{"type":"end","id":"1"}`},
		{"", "{\"name\":\"nothing\"}\n{\"name\":\"fail\"}", 200, `{"type":"result","id":"1","value":null}` + "\n" + `{"type":"error","id":"2","code":"full"`},
		{"", `nonsense`, 400, `"code":"malformed"`},
		{"", ``, 400, `"code":"malformed"`},
		{"", `{"type":"ping"}`, 400, `"code":"malformed"`},
		{"?session=unknown", `{"name":"nothing"}`, 404, `"code":"unknown_session"`},
	}
	for _, tt := range tests {
		status, answer := do(t, http.MethodPost, address+"/"+tt.query, tt.body)
		if status != tt.status || !strings.Contains(answer, tt.answer) {
			t.Errorf("POST %s %s: %d %s, want %d %s", tt.query, tt.body, status, answer, tt.status, tt.answer)
		}
	}
}

func TestGoClient(t *testing.T) {
	_, address := newRoom(t, nil, parley.Limits{})
	cl := NewClient(address, nil)
	told := make(chan string, 1)
	cl.On("told", func(text string) { told <- text })
	cl.Handle("sure?", parley.Func(func(string) bool { return true }))
	if err := cl.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer cl.Close(context.Background())
	if err := cl.Call(t.Context(), "tell", nil, "hello"); err != nil || <-told != "hello" {
		t.Errorf("tell: %v", err)
	}
	var yes bool
	if err := cl.Call(t.Context(), "ask", &yes); err != nil || !yes {
		t.Errorf("ask: %v, %v", yes, err)
	}
	n := 0
	for v, err := range cl.Stream(t.Context(), "count", 1000) {
		if n++; err != nil {
			t.Fatal(err)
		}
		var got int
		if v.Scan(&got); got != n {
			t.Fatalf("item %d is %d", n, got)
		}
	}
	if n != 1000 {
		t.Errorf("%d items, want 1000", n)
	}
	var refused *parley.Error
	if err := cl.Call(t.Context(), "fail", nil); !errors.As(err, &refused) || refused.Code != "full" {
		t.Errorf("fail: %v", err)
	}
	unwelcome := NewClient(address+"?refuse=banned", nil)
	if err := unwelcome.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "banned") {
		t.Errorf("refused client: %v", err)
	}
	if err := NewClient("http://127.0.0.1:1", nil).Connect(t.Context()); err == nil {
		t.Error("connected to nobody")
	}
}
