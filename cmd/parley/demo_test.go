package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/examples/chat"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
	"github.com/parley-go/parley/websocket"
)

// startDemo runs the demo command on a free port until the test ends.
func startDemo(t *testing.T, args ...string) (address string) {
	t.Helper()
	ctx, interrupt := context.WithCancel(context.Background())
	out := &gate{lines: make(chan string, 10)}
	done := make(chan error, 1)
	go func() { done <- demo(ctx, append([]string{"--listen", "127.0.0.1:0"}, args...), out, io.Discard) }()
	t.Cleanup(func() {
		interrupt()
		if err := <-done; err != nil {
			t.Errorf("demo ends with %v", err)
		}
	})
	select {
	case line := <-out.lines:
		address, ok := strings.CutPrefix(line, "parley demo: ")
		if !ok {
			t.Fatalf("first line is %q", line)
		}
		return strings.TrimSuffix(address, "/")
	case err := <-done:
		done <- err
		t.Fatalf("demo does not start: %v", err)
	}
	return ""
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestFixedAddressesAnswer(t *testing.T) {
	npm := t.TempDir()
	for name, text := range map[string]string{
		"@microsoft/signalr/dist/browser/signalr.min.js": "/* signalr */",
		"socket.io-client/package.json":                  `{"version":"4.8.4"}`,
		"socket.io-client/dist/socket.io.min.js":         "/* socket.io */",
	} {
		file := filepath.Join(npm, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := startDemo(t, "--npm", npm)
	tests := []struct {
		path   string
		status int
		has    string
	}{
		{"/", 200, "<html"},
		{"/chat/", 200, "<html"},
		{"/paint/", 200, "<html"},
		{"/clock/", 200, "<html"},
		{"/duplex/", 200, "<html"},
		{"/clock/period.html", 200, "<html"},
		{"/paint/period.html", 200, "<html"},
		{"/clock/socket.io/1/", 200, ":websocket,xhr-polling"},
		{"/period/chat/", 200, "<html"},
		{"/period/webapi/", 200, "<html"},
		{"/period/greeter/", 200, "<html"},
		{"/period/log/", 200, "<html"},
		{"/api/chat?username=user1", 426, ""},
		{"/IDGWeb/IDGHandler.ashx", 400, ""},
		{"/IDGWeb/api/IDGWebSocket", 400, ""},
		{"/period/log/socket", 426, ""},
		{"/web/style.css", 200, "{"},
		{"/web/dialects.js", 200, "export"},
		{"/healthz", 200, "ok"},
		{"/echo", 426, ""},
		{"/signalr/negotiate?clientProtocol=2.1", 200, `"ConnectionToken":`},
		{"/signalr/hubs", 200, "chatHub"},
		{"/clock/signalr/negotiate?clientProtocol=2.1", 200, `"Url":"/clock/signalr"`},
		{"/paint/signalr/hubs", 200, "drawClick"},
		{"/npm/status", 200, `{"classic":false,"signalr":true,"socketio":true,"socketio09":false}`},
		{"/npm/signalr.min.js", 200, "/* signalr */"},
		{"/npm/socket.io-0.9.js", 404, ""},
		{"/socket.io/socket.io.min.js", 200, "/* socket.io */"},
		{"/clock/socket.io/socket.io.min.js", 200, "/* socket.io */"},
		{"/paint/socket.io/socket.io.js", 404, ""},
		{"/nowhere", 404, ""},
		{"/socket.io/?EIO=4&transport=polling", 200, `0{"sid":`},
		{"/clock/socket.io/?EIO=4&transport=polling", 200, `0{"sid":`},
		{"/paint/socket.io/?EIO=4&transport=polling", 200, `0{"sid":`},
		{"/hub/plain?transport=poll", 200, `"open"`},
		{"/clock/hub/plain?transport=poll", 200, `"open"`},
		{"/paint/hub/plain?transport=poll", 200, `"open"`},
	}
	for _, tt := range tests {
		status, body := get(t, server+tt.path)
		if status != tt.status || !strings.Contains(body, tt.has) {
			t.Errorf("GET %s: %d %.80q, want %d with %q", tt.path, status, body, tt.status, tt.has)
		}
	}
	for _, hub := range []string{"/hub", "/clock/hub", "/paint/hub", "", "/clock", "/paint"} {
		resp, err := http.Post(server+hub+"/signalr/negotiate?negotiateVersion=1", "", nil)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("negotiate at %s: %v %v", hub, resp, err)
		}
		resp.Body.Close()
	}
}

func TestEcho(t *testing.T) {
	server := startDemo(t)
	c, err := websocket.Dial(t.Context(), server+"/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for _, want := range []websocket.Message{{Type: websocket.Text, Data: []byte("hé")}, {Type: websocket.Binary, Data: []byte{0, 255}}} {
		if err := c.Write(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		got, err := c.Read(t.Context())
		if err != nil || got.Type != want.Type || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("echo of %v: %v, %v", want, got, err)
		}
	}
}

func TestOneRoomForGoClientsOfAllProtocols(t *testing.T) {
	server := startDemo(t)
	said := make(chan string, 100)
	var clients []*parley.Client
	for i, cl := range []*parley.Client{
		plain.NewClient(server+"/hub/plain?name=plain", nil),
		signalr.NewClient(server+"/hub/signalr?name=signalr", nil),
		socketio.NewClient(server+"/socket.io/?name=socketio", nil),
	} {
		cl.HandleOther(parley.HandlerFunc(func(context.Context, *parley.Call) error { return nil }))
		chat.Said.On(cl, func(_ context.Context, l chat.Line) { said <- fmt.Sprint(i, " hears ", l.From, ": ", l.Text) })
		if err := cl.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cl.Close(context.Background()) })
		if err := chat.Join.Call(t.Context(), cl, "lobby"); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, cl)
	}
	for i, from := range []string{"plain", "signalr", "socketio"} {
		if err := chat.Say.Call(t.Context(), clients[i], chat.Draft{Room: "lobby", Text: "hello"}); err != nil {
			t.Fatal(err)
		}
		heard := map[string]bool{<-said: true, <-said: true, <-said: true}
		for who := range clients {
			if want := fmt.Sprint(who, " hears ", from, ": hello"); !heard[want] {
				t.Errorf("missing %q among %v", want, heard)
			}
		}
	}
}

func TestDemoRefusesWhatItCannotDo(t *testing.T) {
	taken := strings.TrimPrefix(startDemo(t), "http://")
	for _, args := range [][]string{{"--listen", taken}, {"--listen", "nonsense"}, {"extra"}, {"--no-such-flag"}} {
		if err := demo(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("demo %q: no error", args)
		}
	}
	if err := demo(t.Context(), []string{"--listen", taken}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a taken port: %v, want a way out", err)
	}
}

func TestRunPicksTheCommand(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"version"}, nil, &out, io.Discard); err != nil || !strings.HasPrefix(out.String(), "parley ") {
		t.Errorf("version: %q, %v", out.String(), err)
	}
	if err := run(t.Context(), []string{"help"}, nil, &out, io.Discard); err != nil || !strings.Contains(out.String(), "parley demo") {
		t.Errorf("help: %v", err)
	}
	for _, args := range [][]string{nil, {"dance"}} {
		if err := run(t.Context(), args, nil, io.Discard, io.Discard); err == nil {
			t.Errorf("run %q: no error", args)
		}
	}
}

// Whoever is there when the demo ends is told so, and asked to come back.
func TestEveryoneHearsGoodbye(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := "http://" + l.Addr().String()
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- demoServer("").serve(ctx, l) }() // ends below

	bye := make(chan string, 3)
	options := func(name string) parley.ClientOptions {
		return parley.ClientOptions{OnDisconnect: func(err error, again bool) { bye <- fmt.Sprint(name, " ", again) }}
	}
	for _, cl := range []*parley.Client{
		plain.NewClient(server+"/hub/plain", &plain.ClientOptions{ClientOptions: options("plain")}),
		signalr.NewClient(server+"/clock/hub/signalr", &signalr.ClientOptions{ClientOptions: options("signalr")}),
		socketio.NewClient(server+"/paint/socket.io/", &socketio.ClientOptions{ClientOptions: options("socketio")}),
	} {
		cl.HandleOther(parley.HandlerFunc(func(context.Context, *parley.Call) error { return nil }))
		if err := cl.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cl.Close(context.Background()) })
	}
	echo, err := websocket.Dial(t.Context(), server+"/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer echo.CloseNow()

	interrupt()
	got := []string{<-bye, <-bye, <-bye}
	slices.Sort(got)
	if want := []string{"plain true", "signalr true", "socketio true"}; !slices.Equal(got, want) {
		t.Errorf("goodbyes %q, want %q", got, want)
	}
	var closed *websocket.CloseError
	if _, err := echo.Read(t.Context()); !errors.As(err, &closed) || closed.Code != websocket.StatusGoingAway {
		t.Errorf("the echo ends with %v, want status 1001", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the demo ends with %v", err)
	}
}
