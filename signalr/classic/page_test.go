package classic_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr/classic"
	"github.com/parley-go/parley/websocket"
)

// This file has a client of ASP.NET SignalR 2 for tests, over real HTTP: it sends what jquery.signalR sends, and
// keeps all it receives until a test asks for it.

// patience is how long tests wait for what must come.
const patience = 30 * time.Second

var transports = []string{"webSockets", "serverSentEvents", "foreverFrame", "longPolling"}

// overEach runs a test over each transport.
func overEach(t *testing.T, test func(t *testing.T, transport string)) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) { test(t, transport) })
	}
}

// serve mounts hubs at /signalr and returns that address. The hubs are shut down with the test.
func serve(t *testing.T, hubs map[string]*parley.Hub, o *classic.Options) string {
	t.Helper()
	mux := http.NewServeMux()
	classic.Mount(mux, "/signalr", hubs, o)
	return serveMux(t, mux, hubs) + "/signalr"
}

func serveMux(t *testing.T, handler http.Handler, hubs map[string]*parley.Hub) string {
	t.Helper()
	server := httptest.NewUnstartedServer(asUser(handler))
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		c.(*net.TCPConn).SetWriteBuffer(32 << 10) // so that who does not read is found out soon
		return ctx
	}
	server.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for name, hub := range hubs {
			if err := hub.Shutdown(ctx); err != nil {
				t.Errorf("hub %s: Shutdown: %v", name, err)
			}
		}
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// asUser lets the header X-User say who makes a request.
func asUser(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user := r.Header.Get("X-User"); user != "" {
			r = r.WithContext(parley.WithUser(r.Context(), user))
		}
		next.ServeHTTP(w, r)
	})
}

// page is a client of one endpoint over one transport.
type page struct {
	t         *testing.T
	base      string // the address of the endpoint
	transport string
	query     url.Values // of every request
	header    http.Header
	client    *http.Client

	token, id string // from negotiate
	calls     int

	mu      sync.Mutex
	cursor  string
	groups  string
	kept    []element     // of M, that nobody has asked for
	errors  []string      // E of envelopes
	changed chan struct{} // closed when anything above changes
	stream  *stream
}

// stream is what one connect or reconnect has opened.
type stream struct {
	cancel context.CancelFunc
	init   chan struct{} // closed by S
	done   chan struct{} // closed when it has ended
	err    error         // how; fixed when done is closed
	ws     *websocket.Conn
}

// newPage makes a client that has not negotiated. hubs are those that it has functions for.
func newPage(t *testing.T, base, transport string, hubs ...string) *page {
	p := &page{t: t, base: base, transport: transport, header: http.Header{}, client: &http.Client{Transport: &http.Transport{}}, changed: make(chan struct{})}
	p.query = url.Values{"clientProtocol": {"2.1"}, "transport": {transport}}
	if len(hubs) > 0 {
		p.query.Set("connectionData", connectionData(hubs...))
	}
	t.Cleanup(func() {
		p.drop()
		p.client.CloseIdleConnections()
	})
	return p
}

func connectionData(hubs ...string) string {
	type hub struct {
		Name string `json:"name"`
	}
	list := make([]hub, len(hubs))
	for i, name := range hubs {
		list[i].Name = name
	}
	data, _ := json.Marshal(list)
	return string(data)
}

// open makes a client that is connected.
func open(t *testing.T, base, transport string, hubs ...string) *page {
	t.Helper()
	return newPage(t, base, transport, hubs...).open()
}

func (p *page) open() *page {
	p.t.Helper()
	p.negotiate()
	p.connect("connect")
	p.started()
	return p
}

func (p *page) negotiate() map[string]any {
	p.t.Helper()
	status, body := p.get("negotiate", nil)
	var answer map[string]any
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		p.t.Fatalf("negotiate: %d %s", status, body)
	}
	p.token, _ = answer["ConnectionToken"].(string)
	p.id, _ = answer["ConnectionId"].(string)
	if p.token == "" || p.id == "" {
		p.t.Fatalf("negotiate: no token or no ID: %s", body)
	}
	return answer
}

// started asks for the start.
func (p *page) started() {
	p.t.Helper()
	if status, body := p.get("start", nil); status != http.StatusOK || strings.TrimSpace(body) != `{"Response":"started"}` && strings.TrimSpace(body) != `{ "Response": "started" }` {
		p.t.Fatalf("start: %d %s", status, body)
	}
}

// url is the address of a request; more replaces parameters, and an empty value takes one away.
func (p *page) url(verb string, more url.Values) string {
	query := url.Values{}
	for name, values := range p.query {
		query[name] = values
	}
	if p.token != "" {
		query.Set("connectionToken", p.token)
	}
	for name, values := range more {
		if query[name] = values; values[0] == "" {
			delete(query, name)
		}
	}
	return p.base + "/" + verb + "?" + query.Encode()
}

func (p *page) get(verb string, more url.Values) (status int, body string) {
	p.t.Helper()
	return p.do(http.MethodGet, p.url(verb, more), nil, "")
}

// post sends a form as jquery.signalR does.
func (p *page) post(verb string, form, more url.Values) (status int, body string) {
	p.t.Helper()
	return p.do(http.MethodPost, p.url(verb, more), strings.NewReader(form.Encode()), "application/x-www-form-urlencoded; charset=UTF-8")
}

func (p *page) do(method, address string, body io.Reader, contentType string) (status int, answer string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	resp, err := p.request(ctx, method, address, body, contentType)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, address, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, address, err)
	}
	return resp.StatusCode, string(data)
}

func (p *page) request(ctx context.Context, method, address string, body io.Reader, contentType string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	r.Header = p.header.Clone()
	p.mu.Unlock()
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return p.client.Do(r)
}

// connect opens a stream, by connect or reconnect, and after connect waits for its init.
func (p *page) connect(verb string) {
	p.t.Helper()
	s := p.openStream(verb)
	if verb != "connect" {
		return
	}
	select {
	case <-s.init:
	case <-s.done:
		p.t.Fatalf("%s ended before the init message: %v", verb, s.err)
	case <-time.After(patience):
		p.t.Fatalf("no init message on %s", p.transport)
	}
}

// openStream opens a stream and waits for nothing.
func (p *page) openStream(verb string) *stream {
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{cancel: cancel, init: make(chan struct{}), done: make(chan struct{})}
	p.mu.Lock()
	p.stream = s
	more := url.Values{"messageId": {p.cursor}, "groupsToken": {p.groups}, "tid": {"7"}}
	p.mu.Unlock()
	if p.transport == "foreverFrame" {
		more.Set("frameId", "3")
	}
	if p.transport == "webSockets" {
		s.ws, s.err = websocket.Dial(ctx, p.url(verb, more), &websocket.DialOptions{Header: p.header.Clone(), Limits: &websocket.Limits{MessageBytes: 16 << 20}})
		if s.err != nil {
			close(s.done)
			return s
		}
	}
	go func() { // ends when the stream does, at the latest with drop
		s.err = p.run(ctx, s, verb, more)
		close(s.done)
	}()
	return s
}

func (p *page) run(ctx context.Context, s *stream, verb string, more url.Values) error {
	switch p.transport {
	case "webSockets":
		for m, err := range s.ws.Messages(ctx) {
			if err != nil {
				return err
			}
			p.envelope(s, m.Data)
		}
		return nil
	case "longPolling":
		return p.poll(ctx, s, verb)
	}
	resp, err := p.request(ctx, http.MethodGet, p.url(verb, more), nil, "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %d %s", verb, resp.StatusCode, body)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		p.line(s, lines.Bytes())
	}
	return lines.Err()
}

// line reads a line of an event stream or a forever frame.
func (p *page) line(s *stream, line []byte) {
	if data, found := bytes.CutPrefix(line, []byte("data: ")); found && p.transport == "serverSentEvents" {
		if string(data) != "initialized" {
			p.envelope(s, data)
		}
		return
	}
	if _, rest, found := bytes.Cut(line, []byte("<script>r(c, ")); found {
		data, end, found := bytes.Cut(rest, []byte(");</script>"))
		if !found || len(end) > 0 || bytes.ContainsAny(data, "<>") {
			p.complain(fmt.Sprintf("a line of a forever frame: %q", line))
			return
		}
		p.envelope(s, data)
	}
}

// poll polls until the stream is dropped.
func (p *page) poll(ctx context.Context, s *stream, verb string) error {
	for {
		p.mu.Lock()
		form := url.Values{"messageId": {p.cursor}, "groupsToken": {p.groups}}
		p.mu.Unlock()
		resp, err := p.request(ctx, http.MethodPost, p.url(verb, nil), strings.NewReader(form.Encode()), "application/x-www-form-urlencoded; charset=UTF-8")
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %d %s", verb, resp.StatusCode, body)
		}
		if bytes.Contains(body, []byte(`"T":1`)) {
			return io.EOF
		}
		p.envelope(s, body)
		verb = "poll"
	}
}

// envelope reads what the server has sent at once.
func (p *page) envelope(s *stream, data []byte) {
	var e struct {
		C, G, E string
		I       *string
		S       json.RawMessage
		M       []json.RawMessage
	}
	if err := json.Unmarshal(data, &e); err != nil {
		p.complain(fmt.Sprintf("%v: %.300s", err, data))
		return
	}
	if e.I != nil { // an answer that stands by itself
		e.C, e.G, e.E, e.M = "", "", "", []json.RawMessage{bytes.Clone(data)}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.C != "" {
		p.cursor = e.C
	} else if e.M != nil && e.I == nil {
		p.errors = append(p.errors, "an envelope without C: "+string(data))
	}
	if e.G != "" {
		p.groups = e.G
	}
	if e.E != "" {
		p.errors = append(p.errors, e.E)
	}
	for _, raw := range e.M {
		p.kept = append(p.kept, read(raw))
	}
	if string(e.S) == "1" && e.M != nil {
		select {
		case <-s.init:
		default:
			close(s.init)
		}
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *page) complain(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors = append(p.errors, what)
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait waits until what it is told holds.
func (p *page) wait(what string, holds func() bool) {
	p.t.Helper()
	late := time.After(patience)
	for {
		p.mu.Lock()
		ok, changed := holds(), p.changed
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-late:
			p.mu.Lock()
			defer p.mu.Unlock()
			p.t.Fatalf("%s: %s did not come; kept are %.2000s, errors %q", p.transport, what, fmt.Sprint(p.kept), p.errors)
		}
	}
}

// take waits for an element of M and takes it away, with what came before left where it is.
func (p *page) take(what string, match func(element) bool) (found element) {
	p.t.Helper()
	p.wait(what, func() bool {
		for i, e := range p.kept {
			if match(e) {
				found = e
				p.kept = append(p.kept[:i:i], p.kept[i+1:]...)
				return true
			}
		}
		return false
	})
	return found
}

// element is one of M: what a hub calls, or the answer to a call, or a value.
type element struct {
	raw        string
	H, M, I, E string
	hubError   bool
	A          []json.RawMessage
	R, S, D    json.RawMessage
	P          *struct {
		I string
		D json.RawMessage
	}
}

// String implements [fmt.Stringer].
func (e element) String() string { return e.raw }

func read(raw json.RawMessage) (e element) {
	e.raw = string(raw)
	var parts map[string]json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return e
	}
	json.Unmarshal(parts["M"], &e.M)
	json.Unmarshal(parts["I"], &e.I)
	json.Unmarshal(parts["E"], &e.E)
	json.Unmarshal(parts["A"], &e.A)
	json.Unmarshal(parts["P"], &e.P)
	if json.Unmarshal(parts["H"], &e.H) != nil {
		json.Unmarshal(parts["H"], &e.hubError)
	}
	e.R, e.S, e.D = parts["R"], parts["S"], parts["D"]
	return e
}

// args are the arguments of an event, as one text.
func (e element) args() string {
	list := make([]string, len(e.A))
	for i, a := range e.A {
		list[i] = string(a)
	}
	return strings.Join(list, ",")
}

// hears waits for an event and returns its arguments.
func (p *page) hears(name string) string {
	p.t.Helper()
	return p.take("the event "+name, func(e element) bool { return e.M == name }).args()
}

// call sends a call and returns its number.
func (p *page) call(hub, method string, args ...any) string {
	p.t.Helper()
	return p.callWith(hub, method, nil, args...)
}

func (p *page) callWith(hub, method string, state any, args ...any) string {
	p.t.Helper()
	message := map[string]any{"H": hub, "M": method, "A": args, "I": p.calls}
	if args == nil {
		message["A"] = []any{}
	}
	if state != nil {
		message["S"] = state
	}
	data, err := json.Marshal(message)
	if err != nil {
		p.t.Fatal(err)
	}
	p.sends(string(data))
	p.calls++
	return strconv.Itoa(p.calls - 1)
}

// answer waits for the answer to a call.
func (p *page) answer(id string) element {
	p.t.Helper()
	return p.take("the answer "+id, func(e element) bool { return e.I == id })
}

// invoke calls and returns the result; a failure ends the test.
func (p *page) invoke(hub, method string, args ...any) string {
	p.t.Helper()
	a := p.answer(p.call(hub, method, args...))
	if a.E != "" {
		p.t.Fatalf("%s.%s failed: %s", hub, method, a.E)
	}
	return string(a.R)
}

// as changes a header of the requests to come; an empty value takes it away.
func (p *page) as(header, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.header.Del(header)
	if value != "" {
		p.header.Set(header, value)
	}
}

// place is where the client is: the last cursor and groups token.
func (p *page) place() (cursor, groups string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cursor, p.groups
}

// complaints are what the client was told by E, and what was wrong with what it got.
func (p *page) complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.errors...)
}

// sends sends a message.
func (p *page) sends(text string) {
	p.t.Helper()
	if status, body := p.send(text); status != http.StatusOK || body != "" {
		p.t.Fatalf("send %s: %d %s", text, status, body)
	}
}

// send is sends without a judgement.
func (p *page) send(text string) (status int, body string) {
	p.t.Helper()
	if p.transport != "webSockets" {
		return p.post("send", url.Values{"data": {text}}, nil)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if err := p.stream.ws.Write(ctx, websocket.Message{Type: websocket.Text, Data: []byte(text)}); err != nil {
		return 0, err.Error()
	}
	return http.StatusOK, ""
}

// drop cuts the stream off, as a network does, and waits until it has ended.
func (p *page) drop() {
	p.mu.Lock()
	s := p.stream
	p.mu.Unlock()
	if s == nil {
		return
	}
	if s.ws != nil {
		s.ws.CloseNow()
	}
	s.cancel()
	<-s.done
}

// reconnect comes back after a drop.
func (p *page) reconnect() { p.openStream("reconnect") }

// ended waits for the end of the stream and tells how it ended.
func (p *page) ended() error {
	p.t.Helper()
	select {
	case <-p.stream.done:
	case <-time.After(patience):
		p.t.Fatalf("the stream did not end")
	}
	return p.stream.err
}

// heardNothing tells that nothing is left of what has come, an answer to a call being the last thing that did.
func (p *page) heardNothing(match func(element) bool) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.kept {
		if match(e) {
			p.t.Errorf("%s: unexpected: %s", p.transport, e.raw)
		}
	}
}

// isEvent matches events of that name.
func isEvent(name string) func(element) bool {
	return func(e element) bool { return e.M == name }
}

// parseText reads a string of JSON.
func parseText(raw string, into *string) error { return json.Unmarshal([]byte(raw), into) }

// object reads an object of strings.
func object(t *testing.T, raw string) (o map[string]string) {
	t.Helper()
	if err := json.Unmarshal([]byte(raw), &o); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return o
}
