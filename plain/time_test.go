package plain

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
)

// ends hands out the reasons of OnDisconnect.
func ends(hub *parley.Hub) <-chan error {
	reasons := make(chan error, 10)
	hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, reason error) { reasons <- reason })
	return reasons
}

func TestHalfOpenWebSocket(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, hub *parley.Hub, m *memory) {
		reasons, began := ends(hub), time.Now()
		conn, err := m.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go io.Copy(io.Discard, conn) // the network takes everything, and nobody answers; ends with conn
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: memory\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n")
		if err := <-reasons; !errors.Is(err, parley.ErrIdle) {
			t.Errorf("OnDisconnect: got %v, want %v", err, parley.ErrIdle)
		}
		if took := time.Since(began); took < 45*time.Second || took > 60*time.Second {
			t.Errorf("it took %v, want 45 s and the time of a goodbye", took)
		}
	})
}

func TestClientThatStopsPolling(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, hub *parley.Hub, m *memory) {
		reasons := ends(hub)
		token := m.openSession()
		if _, body := m.get("?transport=poll&session=" + token); body != "[]" { // after 25 s
			t.Errorf("a poll without a message: got %q, want %q", body, "[]")
		}
		time.Sleep(29 * time.Second)
		if _, body := m.get("?transport=poll&session=" + token); body != "[]" {
			t.Errorf("a late poll: got %q, want %q", body, "[]")
		}
		stopped := time.Now()
		if err := <-reasons; !errors.Is(err, parley.ErrIdle) {
			t.Errorf("OnDisconnect: got %v, want %v", err, parley.ErrIdle)
		}
		if got, want := time.Since(stopped), 30*time.Second; got != want {
			t.Errorf("it took %v, want %v", got, want)
		}
		if status, _ := m.get("?transport=poll&session=" + token); status != http.StatusNotFound {
			t.Errorf("a poll after the end: got %d, want 404", status)
		}
	})
}

func TestSecondPollTakesThePlaceOfTheFirst(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, hub *parley.Hub, m *memory) {
		token := m.openSession()
		answers := make(chan string, 2)
		poll := func() { _, body := m.get("?transport=poll&session=" + token); answers <- body }
		go poll() // both end with their answer
		synctest.Wait()
		go poll()
		if got := <-answers; got != "[]" {
			t.Errorf("the first poll: got %q, want %q", got, "[]")
		}
		synctest.Wait()
		hub.Send(t.Context(), "said", "hi")
		if got, want := <-answers, `[{"type":"event","name":"said","args":["hi"]}]`; got != want {
			t.Errorf("the second poll: got %q, want %q", got, want)
		}
	})
}

// TestEventStreamStaysOpen: over HTTP/1.1 and HTTP/2, comments come every 15 s,
// silence is no fault, and the write timeout counts only while something is
// written.
func TestEventStreamStaysOpen(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		inBubble(t, nil, func(t *testing.T, hub *parley.Hub, m *memory) {
			protocols := new(http.Protocols)
			protocols.SetHTTP1(!http2)
			protocols.SetUnencryptedHTTP2(http2)
			m.client.Transport.(*http.Transport).Protocols = protocols
			resp, lines := m.listen("")
			defer resp.Body.Close()
			if got := resp.ProtoMajor == 2; got != http2 {
				t.Fatalf("the answer came over %s", resp.Proto)
			}
			go func() { // ends after the hour
				time.Sleep(time.Hour)
				hub.Send(context.Background(), "said", "hi")
			}()
			comments := 0
			for lines.Scan() && !strings.Contains(lines.Text(), "said") {
				if lines.Text() == ":" {
					comments++
				}
			}
			if err := lines.Err(); err != nil {
				t.Errorf("%s: %v", resp.Proto, err)
			}
			if most := 1 + 3600/15; comments < most-10 || comments > most {
				t.Errorf("%s: got %d comments in an hour, want about %d", resp.Proto, comments, most)
			}
		})
	}
}

func TestEventStreamClientLeaves(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, hub *parley.Hub, m *memory) {
		reasons := ends(hub)
		resp, lines := m.listen("")
		for lines.Scan() && !strings.Contains(lines.Text(), "open") {
		}
		resp.Body.Close()
		if err := <-reasons; err != nil {
			t.Errorf("OnDisconnect: got %v, want nil", err)
		}
	})
}

func TestNobodyGetsInAfterShutdown(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, hub *parley.Hub, m *memory) {
		hub.Shutdown(context.Background())
		for _, path := range []string{"", "?transport=poll"} {
			if status, body := m.get(path); status != http.StatusServiceUnavailable || !strings.Contains(body, `"code":"shutdown"`) {
				t.Errorf("GET %q: got %d %s, want 503", path, status, body)
			}
		}
		resp, err := m.client.Post("http://memory/", "", strings.NewReader(`{"name":"echo"}`))
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("POST: got %v, %v, want 503", resp, err)
		}
		resp.Body.Close()
		cl := NewClient("http://memory/", &ClientOptions{NetDial: m.Dial})
		if err := cl.Connect(t.Context()); err == nil {
			t.Error("a client connected")
		}
		cl.Close(context.Background())
	})
}

func TestShutdownDuringASinglePost(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, hub *parley.Hub, m *memory) {
		hub.Handle("wait", parley.Func(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
		status := make(chan int, 1)
		go func() { // ends with the answer
			resp, err := m.client.Post("http://memory/", "", strings.NewReader(`{"name":"wait"}`))
			if err != nil {
				t.Errorf("POST: %v", err)
				return
			}
			resp.Body.Close()
			status <- resp.StatusCode
		}()
		synctest.Wait()
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if got := <-status; got != http.StatusServiceUnavailable {
			t.Errorf("status: got %d, want 503", got)
		}
	})
}

// TestSinglePostStreams: each value leaves when it is there, however long the
// next one takes, and a client that hangs up cancels the stream.
func TestSinglePostStreams(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, hub *parley.Hub, m *memory) {
		ended := make(chan struct{})
		hub.Handle("ticks", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
			defer close(ended)
			for i := 0; ; i++ {
				if err := call.Send(i); err != nil {
					return err
				}
				select {
				case <-time.After(time.Minute):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}))
		resp, err := m.client.Post("http://memory/", "", strings.NewReader(`{"type":"stream","name":"ticks"}`))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		for _, want := range []string{"0", "1", "2"} {
			if want = `{"type":"item","id":"1","value":` + want + "}"; !lines.Scan() || lines.Text() != want {
				t.Errorf("got %q, want %q", lines.Text(), want)
			}
		}
		resp.Body.Close()
		<-ended
	})
}

func TestSinglePostCannotBeAsked(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, hub *parley.Hub, m *memory) {
		began := time.Now()
		hub.Handle("ask", parley.Func(func(ctx context.Context, c *parley.Conn) error { return c.Call(ctx, "sure?", nil) }))
		resp, err := m.client.Post("http://memory/", "", strings.NewReader(`{"name":"ask"}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if took := time.Since(began); resp.StatusCode != http.StatusInternalServerError || took > 0 {
			t.Errorf("got status %d after %v, want 500 at once", resp.StatusCode, took)
		}
	})
}

func TestGoClientComesBack(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, hub *parley.Hub, m *memory) {
		hub.Handle("drop", parley.Func(func(c *parley.Conn) { c.CloseNow() }))
		hub.Handle("leave", parley.Func(func(c *parley.Conn) { c.Close("enough") }))
		connected := make(chan struct{}, 10)
		o := &ClientOptions{NetDial: m.Dial}
		o.OnConnect = func(context.Context) { connected <- struct{}{} }
		cl := NewClient("ws://memory/", o)
		if err := cl.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-connected
		if err := cl.Call(t.Context(), "drop", nil); !errors.Is(err, parley.ErrClosed) {
			t.Errorf("a call whose connection is lost: got %v, want %v", err, parley.ErrClosed)
		}
		<-connected
		cl.Call(t.Context(), "leave", nil)
		<-cl.Done()
		if err := cl.Err(); err != nil {
			t.Errorf("after the hub's goodbye: got %v, want nil", err)
		}
		if err := cl.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}
