package signalr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// serveConns runs body with a connection handler at http://hub/chat.
func serveConns(t *testing.T, o *Options, run func(context.Context, *Conn) error, body func(s *server, h *ConnHandler)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if o == nil {
			o = &Options{}
		}
		o.Log = slog.New(slog.DiscardHandler)
		h := NewConnHandler(run, o)
		mux := http.NewServeMux()
		h.Mount(mux, "/chat")
		serveHTTP(t, mux, func(n *network) {
			body(&server{network: n}, h)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := h.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
	})
}

func echo(_ context.Context, c *Conn) error {
	_, err := io.Copy(c, c)
	return err
}

func TestConnHandlerEchoes(t *testing.T) {
	for transport, open := range everyTransport {
		t.Run(transport, func(t *testing.T) {
			serveConns(t, nil, echo, func(s *server, _ *ConnHandler) {
				p := open(s)
				p.send("hello")
				p.want("hello")
				p.send("{}␞" + strings.Repeat("€", 1000))
				p.want("{}␞" + strings.Repeat("€", 1000))
			})
		})
	}
}

// A large message comes back whole, cut between characters.
func TestConnHandlerCutsTextBetweenCharacters(t *testing.T) {
	serveConns(t, nil, echo, func(s *server, _ *ConnHandler) {
		p := s.open("/chat")
		sent := "x" + strings.Repeat("€", 100_000) // io.Copy reads 32 KiB at a time
		done := make(chan struct{})
		go func() { // ends when all is sent
			defer close(done)
			p.write(websocket.Text, sent)
		}()
		var got bytes.Buffer
		for got.Len() < len(sent) {
			m, err := p.conn.Read(s.t.Context()) // fails if it is not UTF-8
			if err != nil || m.Type != websocket.Text {
				t.Fatalf("after %d bytes: got %v, %v", got.Len(), m.Type, err)
			}
			got.Write(m.Data)
		}
		<-done
		if got.String() != sent {
			t.Error("what came back is not what was sent")
		}
	})
}

func TestConnHandlerInBinary(t *testing.T) {
	serveConns(t, &Options{Binary: true}, echo, func(s *server, _ *ConnHandler) {
		p := s.open("/chat")
		p.write(websocket.Binary, "\xff\x00\xfe")
		if m, err := p.conn.Read(s.t.Context()); err != nil || m.Type != websocket.Binary || string(m.Data) != "\xff\x00\xfe" {
			t.Errorf("got %v %q, %v", m.Type, m.Data, err)
		}
		c := s.negotiated()
		got := s.request(s.t.Context(), "GET", c.path(), "", "Accept", "text/event-stream")
		if got.status != 404 || !strings.HasPrefix(got.body, "ServerSentEvents transport not supported") {
			t.Errorf("an event stream of binary data: got %v", got)
		}
		c.want("the first poll", c.poll(), 200, "", octets)
		c.post("\xff\x00")
		c.want("a poll", c.poll(), 200, "\xff\x00", octets)
	})
	serveConns(t, nil, func(_ context.Context, c *Conn) error {
		if _, err := c.Write([]byte("\xff")); err == nil {
			t.Error("text that is not UTF-8 was sent")
		}
		return nil
	}, func(s *server, _ *ConnHandler) { s.open("/chat").wantClose(1000) })
}

// How the function ends is how the WebSocket is closed, after all that was
// written.
func TestConnHandlerEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(context.Context, *Conn) error
		code websocket.StatusCode
	}{
		{"without an error", func(context.Context, *Conn) error { return nil }, 1000},
		{"with an error", func(context.Context, *Conn) error { return errors.New("a secret") }, 1011},
		{"with a panic", func(context.Context, *Conn) error { panic("a secret") }, 1011},
		{"after Close", func(_ context.Context, c *Conn) error {
			c.Close()
			if _, err := c.Write([]byte("x")); err != io.ErrClosedPipe {
				return fmt.Errorf("Write after Close: %w", err)
			}
			if _, err := c.Read(make([]byte, 1)); err != io.ErrClosedPipe {
				return fmt.Errorf("Read after Close: %w", err)
			}
			return nil
		}, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			serveConns(t, nil, func(ctx context.Context, conn *Conn) error {
				conn.Write([]byte("before "))
				conn.Write([]byte("the end"))
				return c.run(ctx, conn)
			}, func(s *server, _ *ConnHandler) {
				p := s.open("/chat")
				p.want("before ", "the end")
				p.wantClose(c.code)

				polls := s.openPolls()
				polls.want("before the end")
				polls.wantEnd()
			})
		})
	}
}

func TestConnHandlerHearsTheClientLeave(t *testing.T) {
	for transport, leave := range map[string]func(s *server) error{
		"websocket": func(s *server) error { return s.open("/chat").conn.Close(websocket.StatusNoStatus, "") },
		"sse":       func(s *server) error { s.openEvents().leave(); return nil },
		"polling":   func(s *server) error { s.openPolls().delete(); return nil },
	} {
		t.Run(transport, func(t *testing.T) {
			ended := make(chan error, 1)
			ctxs := make(chan context.Context, 1)
			serveConns(t, nil, func(ctx context.Context, c *Conn) error {
				_, err := c.Read(make([]byte, 10))
				ctxs <- ctx
				ended <- err
				return err
			}, func(s *server, _ *ConnHandler) {
				ended, ctxs = make(chan error, 1), make(chan context.Context, 1)
				if err := leave(s); err != nil {
					t.Fatal(err)
				}
				if err := <-ended; err != io.EOF {
					t.Errorf("Read: got %v, want io.EOF", err)
				}
				<-(<-ctxs).Done()
			})
		})
	}
}

func TestConnHandlerTellsWho(t *testing.T) {
	serveConns(t, nil, func(_ context.Context, c *Conn) error {
		_, err := fmt.Fprintf(c, "%d %s %s", len(c.ID()), c.Transport(), c.Request().URL)
		return err
	}, func(s *server, _ *ConnHandler) {
		s.open("/chat?name=Ann&access_token=x").want("22 websocket /chat?name=Ann")
		s.openEvents().want("22 sse /chat?name=Ann")
	})
}

// Neither side can make the other keep more than the limits.
func TestConnHandlerBackPressure(t *testing.T) {
	t.Run("a client that sends", func(t *testing.T) {
		read := make(chan struct{})
		total := make(chan int64, 1)
		serveConns(t, &Options{InputBuffer: 1 << 10}, func(_ context.Context, c *Conn) error {
			<-read
			n, err := io.Copy(io.Discard, c)
			total <- n
			return err
		}, func(s *server, _ *ConnHandler) {
			read, total = make(chan struct{}), make(chan int64, 1)
			c := s.negotiated()
			c.poll()
			piece := strings.Repeat("x", 1<<10)
			c.want("what fits", c.post(piece), 200, "", plainText)
			waiting := make(chan reply, 1)
			go func() { waiting <- c.post(piece) }() // ends with its answer
			synctest.Wait()
			if len(waiting) > 0 {
				t.Errorf("beyond the limit: got %v, want it to wait", <-waiting)
			}
			close(read)
			c.want("once it is read", <-waiting, 200, "", plainText)
			c.delete()
			if got := <-total; got != 2<<10 {
				t.Errorf("read %d bytes, want 2,048", got)
			}
		})
	})
	t.Run("a function that writes", func(t *testing.T) {
		wrote := make(chan int, 100)
		serveConns(t, &Options{OutputBuffer: 1 << 10}, func(_ context.Context, c *Conn) error {
			for i := range 4 {
				if _, err := c.Write(make([]byte, 600)); err != nil {
					return err
				}
				wrote <- i
			}
			return nil
		}, func(s *server, _ *ConnHandler) {
			wrote = make(chan int, 100)
			c := s.negotiated()
			c.poll()
			for want := 1; want <= 4; want++ {
				synctest.Wait()
				if len(wrote) != want {
					t.Errorf("%d writes returned, want %d", len(wrote), want)
				}
				if got := c.poll(); len(got.body) != 600 {
					t.Errorf("got %d bytes, want 600", len(got.body))
				}
			}
			c.want("the end", c.poll(), 204, "", plainText)
		})
	})
}

func TestConnHandlerShutdown(t *testing.T) {
	ended := make(chan error, 3)
	serveConns(t, nil, func(ctx context.Context, c *Conn) error {
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil
	}, func(s *server, h *ConnHandler) {
		ended = make(chan error, 3)
		p, polls, late := s.open("/chat"), s.openPolls(), s.negotiated()
		waiting := polls.polling()
		shut := make(chan error, 1)
		go func() { shut <- h.Shutdown(s.t.Context()) }() // ends with the connections
		p.wantClose(1000)
		polls.connected.want("the poll", <-waiting, 204, "", plainText)
		if err := <-shut; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, parley.ErrShutdown) {
				t.Errorf("the context ended with %v, want ErrShutdown", err)
			}
		}
		if got := late.poll(); got.status != 503 {
			t.Errorf("a connection after Shutdown: got %v, want 503", got)
		}
	})
}

// A function that does not end is waited for no longer than ctx allows.
func TestConnHandlerShutdownGivesUp(t *testing.T) {
	let := make(chan struct{})
	serveConns(t, nil, func(context.Context, *Conn) error { <-let; return nil }, func(s *server, h *ConnHandler) {
		let = make(chan struct{})
		s.openPolls()
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		close(let)
	})
}

func TestConnHandlerCloseOnExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewConnHandler(echo, &Options{CloseOnExpiry: true})
		serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(parley.WithExpiry(r.Context(), time.Now().Add(time.Minute))))
		}), func(n *network) {
			start := time.Now()
			n.open("/chat").wantClose(1000)
			if took := time.Since(start); took != time.Minute {
				t.Errorf("closed after %v, want a minute", took)
			}
			if err := h.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}
