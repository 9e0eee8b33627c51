package signalr

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
)

// script is a server that plays its part in the conversation of golden.mjs, and
// writes down what it is sent.
type script struct {
	*strange
	conns chan *websocket.Conn

	mu   sync.Mutex
	sent []byte
}

// taken is what was sent since the last call.
func (s *script) taken() []byte {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

// open accepts the next WebSocket and listens to it until it ends.
func (s *script) open() *websocket.Conn {
	c := <-s.conns
	s.run(func() { // ends with the WebSocket
		for m, err := range c.Messages(context.Background()) {
			if err != nil {
				return
			}
			s.mu.Lock()
			s.sent = append(s.sent, m.Data...)
			s.mu.Unlock()
		}
	})
	return c
}

func (s *script) say(c *websocket.Conn, typ websocket.MessageType, words string) {
	s.t.Helper()
	if err := c.Write(context.Background(), websocket.Message{Type: typ, Data: []byte(words)}); err != nil {
		s.t.Fatal(err)
	}
}

// act runs body with a client that has connected, and what it said until then.
func act(t *testing.T, protocol string, body func(s *script, cl *parley.Client, c *websocket.Conn)) {
	t.Helper()
	sc := &script{conns: make(chan *websocket.Conn, 1)}
	meetStrange(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			io.WriteString(w, `{"useStatefulReconnect":true,`+offersAll[1:])
			return
		}
		if c, err := websocket.Accept(w, r, nil); err == nil {
			sc.conns <- c
		}
	}, func(s *strange) {
		sc.strange = s
		cl := s.client(ClientOptions{Protocol: protocol, StatefulReconnect: true, KeepAlive: time.Hour, ServerTimeout: time.Hour})
		connected := background(func() error { return cl.Connect(s.t.Context()) })
		c := sc.open()
		synctest.Wait() // for the handshake
		sc.say(c, websocket.Text, "{}\x1e")
		if err := <-connected; err != nil {
			s.t.Fatal(err)
		}
		body(sc, cl, c)
	})
}

// subject is an upload that does something at times, as those of golden.mjs do.
func subject(steps ...func(yield func(any, error) bool) bool) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for _, step := range steps {
			if !step(yield) {
				return
			}
		}
	}
}

func next(v any) func(func(any, error) bool) bool {
	return func(yield func(any, error) bool) bool { return yield(v, nil) }
}

func fails(text string) func(func(any, error) bool) bool {
	return func(yield func(any, error) bool) bool { return yield(nil, parley.Errorf("", "%s", text)) }
}

func at(d time.Duration) func(func(any, error) bool) bool {
	return func(func(any, error) bool) bool { pass(d); return true }
}

// goldenActs is what the client does in each step.
func goldenActs(s *script, cl *parley.Client) map[string]func() {
	ctx := s.t.Context()
	invoke := func(name string, args ...any) { go cl.Call(ctx, name, nil, args...) } // ends with the connection
	send := func(name string, args ...any) { cl.Send(ctx, name, args...) }
	stream := func(leave bool, name string, args ...any) {
		ctx, cancel := context.WithCancel(ctx)
		s.run(func() { // ends with the connection
			for range cl.Stream(ctx, name, args...) {
			}
			cancel()
		})
		if synctest.Wait(); leave {
			cancel()
		}
	}
	return map[string]func(){
		"handshake":                func() {},
		"invoke":                   func() { invoke("add", 1, 2) },
		"invoke without arguments": func() { invoke("nothing") },
		"send":                     func() { send("say", "lobby", "héllo <&> \"\\\u2028 😀\x1e", nil, true) },
		"numbers": func() {
			send("numbers", 0, -1, 127, 128, -33, 65536, 1<<31, 1<<32, 1<<53-1, -(1<<53 - 1), 1.5, 1e300, 0.1)
		},
		"objects": func() {
			send("objects", map[string]any{"userName": "ann", "list": []any{1, []any{}, map[string]any{}, nil}, "none": nil}, []any{}, strings.Repeat("x", 300))
		},
		"binary": func() {
			ms := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
			send("binary", []byte{1, 2, 255}, ms(0), ms(1500), time.Date(2600, 1, 1, 0, 0, 0, 0, time.UTC), ms(-1000))
		},
		"stream": func() { stream(false, "count", 3) },
		"cancel": func() { stream(true, "endless") },
		"upload": func() {
			one := subject(next(1), next(nil), at(2))
			two := subject(at(1), next(map[string]string{"text": "x"}), at(2), fails("lost"))
			send("upload", one, "with", two)
			pass(5)
		},
		"upload with a result": func() { invoke("sum", subject()) },
		"ack":                  func() { pass(1200 * time.Millisecond) },
		"stop":                 func() {},
	}
}

// shifted numbers the client's own calls as Microsoft's client does, which
// begins with 0.
func shifted(said []string) []string {
	own := regexp.MustCompile(`^\d (call|stream|item|end|cancel) \d+| up \[[\d ]+\]`)
	last := regexp.MustCompile(`\d+\b`)
	for i := range said {
		said[i] = own.ReplaceAllStringFunc(said[i], func(found string) string {
			kind, ids := "", found
			if !strings.HasPrefix(found, " up") {
				kind, ids = found[:1], found[1:]
			}
			return kind + last.ReplaceAllStringFunc(ids, func(id string) string {
				n, _ := strconv.Atoi(id)
				return strconv.Itoa(n - 1)
			})
		})
	}
	return said
}

// TestGoldenGoClient holds what the Go client says to what the newest of
// Microsoft's clients says when it does the same.
func TestGoldenGoClient(t *testing.T) {
	for _, version := range []string{"8", "10"} {
		for protocol, d := range map[string]dialect{"json": protocol{}, "messagepack": packed{}} {
			var g golden
			readGolden(t, "testdata/golden/"+version+"."+protocol+".json", &g)
			act(t, protocol, func(s *script, cl *parley.Client, c *websocket.Conn) {
				cl.On("sure", func(question string) (any, error) {
					if question == "throw" {
						return nil, parley.Errorf("", "Error: no!")
					}
					return map[string]any{"yes": true}[question], nil
				})
				acts := goldenActs(s, cl)
				for _, step := range g.Steps {
					question, asked := strings.CutPrefix(step.Name, "client result: ")
					switch {
					case asked:
						s.ask(c, d, question)
					case step.Name == "resend":
						c.CloseNow()
						c = s.open()
					case step.Name == "stop":
						closed := background(func() error { return cl.Close(s.t.Context()) })
						defer func() { <-closed }()
					default:
						acts[step.Name]()
					}
					s.compare(&g, d, step.Name, s.taken(), g.sent(s.t, step.Sent))
				}
				c.CloseNow()
			})
		}
	}
}

// ask calls the client. To a question without an answer there is no handler.
func (s *script) ask(c *websocket.Conn, d dialect, question string) {
	s.t.Helper()
	name := "sure"
	if question == "nothing" {
		name = "unsure"
	}
	typ := websocket.Text
	if d.Binary() {
		typ = websocket.Binary
	}
	s.say(c, typ, string(wrote(s.t, d, wire.Message{Kind: wire.Call, ID: "s1", Name: name}, []any{question})))
}

// compare holds got, of the Go client, to want.
func (s *script) compare(g *golden, d dialect, step string, got, want []byte) {
	s.t.Helper()
	if step == "handshake" {
		mine, rest, _ := (&records{limit: 1000}).next(got)
		theirs, wanted, _ := (&records{limit: 1000}).next(want)
		if string(mine) != string(theirs) {
			s.t.Errorf("%s: handshake %s, want %s", g.Client, mine, theirs)
		}
		got, want = rest, wanted
	}
	mine, theirs := shifted(tellAll(s.t, d, got)), tellAll(s.t, d, want)
	if step == "resend" && g.Protocol == "json" { // theirs has no binary step
		mine = slices.DeleteFunc(mine, func(m string) bool { return strings.Contains(m, `"binary"`) })
	}
	if !slices.Equal(mine, theirs) {
		s.t.Errorf("%s, %s, %s:\ngot  %q\nwant %q", g.Client, g.Protocol, step, mine, theirs)
	}
	if g.Protocol == "json" && !reflect.DeepEqual(properties(s.t, got), properties(s.t, want)) {
		s.t.Errorf("%s, %s:\ngot  %q\nwant %q, but for the order", g.Client, step, got, want)
	}
}

// properties are the messages of a stream, but for what the call is named.
func properties(t *testing.T, stream []byte) (all []map[string]any) {
	t.Helper()
	for record := range bytes.SplitSeq(bytes.TrimSuffix(stream, []byte{separator}), []byte{separator}) {
		var m map[string]any
		if err := json.Unmarshal(record, &m); err != nil {
			t.Errorf("%q: %v", record, err)
		}
		for _, name := range []string{"invocationId", "streamIds"} {
			if m[name] != nil {
				m[name] = true
			}
		}
		all = append(all, m)
	}
	return all
}
