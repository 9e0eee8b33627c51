package websocket

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// extendedConnectOn is what switches extended CONNECT on in net/http, as it starts.
const extendedConnectOn = "http2xconnect=1"

// inHTTP2 runs a test in a process of its own whose net/http offers extended
// CONNECT.
func inHTTP2(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if strings.Contains(os.Getenv("GODEBUG"), extendedConnectOn) {
		f(t)
		return
	}
	inOwnProcess(t, "GODEBUG="+strings.Trim(os.Getenv("GODEBUG")+","+extendedConnectOn, ","))
}

// inOwnProcess runs the test once more, in a process with env in its environment.
func inOwnProcess(t *testing.T, env ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(append(os.Environ(), env...), "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")) {
		t.Fatalf("with %s: %v\n%s", env, err, out)
	}
}

// secureServer serves h over TLS, with HTTP/2 besides HTTP/1.1, and returns options
// that trust it.
func secureServer(t *testing.T, h http.Handler) (*httptest.Server, *DialOptions) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, &DialOptions{HTTP2: true, TLSConfig: trusting(s)}
}

func trusting(s *httptest.Server) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{RootCAs: roots}
}

func dialed(t *testing.T, url string, o *DialOptions) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func TestEchoOverHTTP2(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		requests := make(chan string, 1)
		var stats Stats
		echo := echoHandler(&AcceptOptions{Subprotocols: []string{"chat"}, Compression: &Compression{}, Stats: &stats})
		s, o := secureServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests <- strings.Join([]string{r.Proto, r.Method, r.URL.RequestURI(), r.Host, r.Header.Get("Cookie"), r.Header.Get("Sec-Websocket-Key")}, " ")
			http.SetCookie(w, &http.Cookie{Name: "set", Value: "by the handler"})
			w.Header().Set("Connection", "close") // must not end the connection
			echo.ServeHTTP(w, r)
		}))
		jar := newJar(t)
		o.Subprotocols, o.Jar, o.Compression = []string{"talk", "chat"}, jar, &Compression{}
		o.Header = http.Header{"Cookie": {"a=b; c=d"}}
		ctx, cancel := context.WithCancel(t.Context())
		c, err := Dial(ctx, s.URL+"/path?q=1", o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		cancel() // ends Dial, not the connection
		host := strings.TrimPrefix(s.URL, "https://")
		if got, want := <-requests, "HTTP/2.0 CONNECT /path?q=1 "+host+" a=b; c=d "; got != want {
			t.Errorf("the server saw %q, want %q", got, want)
		}
		if got := c.Subprotocol(); got != "chat" {
			t.Errorf("Subprotocol: got %q, want chat", got)
		}
		if got := c.RemoteAddr().String(); got != host {
			t.Errorf("RemoteAddr: got %q, want %q", got, host)
		}
		if got := jar.names(t, s.URL); got != "set" {
			t.Errorf("cookies: got %q, want set", got)
		}
		for _, size := range []int{0, 1, 125, 126, 70_000, 1 << 20} {
			want := strings.Repeat("x", size)
			go c.Write(context.Background(), Message{Text, []byte(want)})
			wantMessage(t, c, Text, want)
		}
		if err := c.Close(StatusNormalClosure, "bye"); err != nil {
			t.Errorf("Close: %v", err)
		}
		if got := stats.Snapshot(); got.MessagesIn != 6 || got.BytesIn > 100_000 {
			t.Errorf("the server saw %d messages in %d bytes, want 6, compressed", got.MessagesIn, got.BytesIn)
		}
	})
}

// TestWithoutExtendedConnect runs where net/http does not offer it: the server takes
// HTTP/2, and Dial comes again.
func TestWithoutExtendedConnect(t *testing.T) {
	seen := make(chan string, 1)
	echo := echoHandler(nil)
	s, o := secureServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Proto
		echo.ServeHTTP(w, r)
	}))
	dials := 0
	o.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials++
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	c := dialed(t, s.URL, o)
	if got := <-seen; got != "HTTP/1.1" || dials != 2 {
		t.Errorf("got %s after %d connections, want HTTP/1.1 after 2", got, dials)
	}
	c.Write(t.Context(), Message{Text, []byte("hello")})
	wantMessage(t, c, Text, "hello")

	plain := httptest.NewTLSServer(echo) // has no HTTP/2 at all
	t.Cleanup(plain.Close)
	dials = 0
	o.TLSConfig = trusting(plain)
	if dialed(t, plain.URL, o); dials != 1 {
		t.Errorf("without HTTP/2: got %d connections, want 1", dials)
	}
}

func TestRefusalsOverHTTP2(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		s, o := secureServer(t, echoHandler(nil))
		tests := []struct {
			name, method, protocol, version, origin string
			want                                    int
			says                                    string
		}{
			{"no WebSocket at all", "GET", "", "13", "", 426, "extended CONNECT of RFC 8441\n"},
			{"another protocol", "CONNECT", "connect-udp", "13", "", 426, "extended CONNECT of RFC 8441\n"},
			{"no version", "CONNECT", "websocket", "", "", 426, "version 13"},
			{"another version", "CONNECT", "websocket", "8", "", 426, "version 13"},
			{"another page", "CONNECT", "websocket", "13", "https://evil.test", 403, `origin "https://evil.test" is not allowed`},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				resp := askStream(t, s, o, func(r *http.Request) {
					r.Method = tt.method
					r.Header = http.Header{}
					for name, value := range map[string]string{":protocol": tt.protocol, "Sec-Websocket-Version": tt.version, "Origin": tt.origin} {
						if value != "" {
							r.Header[name] = []string{value}
						}
					}
				})
				body, _ := io.ReadAll(resp.Body)
				if resp.StatusCode != tt.want || !strings.Contains(string(body), tt.says) {
					t.Errorf("got %d %q, want %d and %q", resp.StatusCode, body, tt.want, tt.says)
				}
				if got := resp.Header.Get("Sec-WebSocket-Version"); (got == "13") != (tt.want == 426) || resp.Header.Get("Upgrade") != "" {
					t.Errorf("got headers %v", resp.Header)
				}
			})
		}
	})
}

func TestTheRefusalSaysHowToSwitchHTTP2On(t *testing.T) {
	r := httptest.NewRequest("GET", "https://chat.test/", nil)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	_, err := Accept(httptest.NewRecorder(), r, nil)
	if err == nil || !strings.Contains(err.Error(), "GODEBUG="+extendedConnectOn) {
		t.Errorf("got %v, want it to name the switch", err)
	}
}

// askStream sends a request over HTTP/2 and returns the answer.
func askStream(t *testing.T, s *httptest.Server, o *DialOptions, change func(r *http.Request)) *http.Response {
	t.Helper()
	config := clientTLS(o, "127.0.0.1", true)
	nc, err := tls.Dial("tcp", s.Listener.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	client, err := http2Client(nc, s.Listener.Addr().String(), o)
	if err != nil {
		t.Fatal(err)
	}
	body, ours := io.Pipe()
	t.Cleanup(func() { ours.Close() })
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	change(r)
	resp, err := client.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// TestBadServersOverHTTP2 has handlers that answer a WebSocket as they should not.
func TestBadServersOverHTTP2(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		tests := []struct {
			name   string
			answer func(w http.ResponseWriter)
			status int    // of the response that comes with the error; 0: there is none
			body   int    // bytes of it
			says   string // the error does
		}{
			{"not found", func(w http.ResponseWriter) { http.Error(w, "nobody here", 404) }, 404, 12, `answered "404 Not Found", not 200`},
			{"another success", func(w http.ResponseWriter) { w.WriteHeader(204) }, 204, 0, "not 200"},
			{"a long refusal", func(w http.ResponseWriter) {
				w.WriteHeader(401)
				for i := 0; i < 1<<10; i++ {
					io.WriteString(w, strings.Repeat("no", 512))
				}
			}, 401, maxBodyBytes, "not 200"},
			{"an endless refusal", func(w http.ResponseWriter) {
				w.WriteHeader(401)
				for {
					if _, err := io.WriteString(w, strings.Repeat("no", 512)); err != nil {
						return
					}
				}
			}, 401, maxBodyBytes, "not 200"},
			{"a subprotocol nobody offered", func(w http.ResponseWriter) {
				w.Header().Set("Sec-WebSocket-Protocol", "other")
				w.WriteHeader(200)
			}, 200, 0, "subprotocol that was not offered"},
			{"an extension nobody offered", func(w http.ResponseWriter) {
				w.Header().Set("Sec-WebSocket-Extensions", "permessage-deflate")
				w.WriteHeader(200)
			}, 200, 0, "not offered"},
			{"interim answers without end", func(w http.ResponseWriter) {
				for i := 0; i < 1000; i++ {
					w.WriteHeader(103)
				}
			}, 0, 0, "over HTTP"},
			{"a header longer than allowed", func(w http.ResponseWriter) {
				w.Header().Set("X", strings.Repeat("y", 40<<10))
			}, 0, 0, "over HTTP"},
			{"an answer broken off", func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }, 0, 0, "over HTTP"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				s, o := secureServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.ProtoMajor != 2 {
						http.Error(w, "over HTTP/1.1", 400) // what Dial falls back to without an answer
						return
					}
					tt.answer(w)
				}))
				o.Subprotocols, o.Stats = []string{"chat"}, &Stats{}
				_, err := Dial(t.Context(), s.URL, o)
				var failed *HandshakeError
				if !errors.As(err, &failed) || failed.Response == nil {
					t.Fatalf("got %v, want a HandshakeError with a response", err)
				}
				body, _ := io.ReadAll(failed.Response.Body)
				if tt.status == 0 {
					tt.status, tt.body, tt.says = 400, len("over HTTP/1.1\n"), "not 101"
				}
				if failed.Response.StatusCode != tt.status || len(body) != tt.body || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %v with %d and %d bytes, want %q with %d and %d bytes", err, failed.Response.StatusCode, len(body), tt.says, tt.status, tt.body)
				}
				if got := o.Stats.Snapshot().Drops["handshake"]; got != 1 {
					t.Errorf("drops: got %d, want 1", got)
				}
			})
		}
	})
}

// bubbleServer serves h over TLS and HTTP/2 on a network in memory, so that time
// is fake, and returns the options to dial it.
func bubbleServer(t *testing.T, server *http.Server) *DialOptions {
	t.Helper()
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	certified.Close()
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server.TLSConfig = &tls.Config{Certificates: certified.TLS.Certificates}
	server.ErrorLog = log.New(io.Discard, "", 0)
	go server.ServeTLS(l, "", "")
	t.Cleanup(func() { server.Close() })
	return &DialOptions{
		HTTP2:     true,
		TLSConfig: trusting(certified),
		NetDial: func(context.Context, string, string) (net.Conn, error) {
			a, b := memoryNetwork(1 << 16)
			l.conns <- b
			return a, nil
		},
	}
}

type memoryListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr{} }

// streamPair returns both ends of a WebSocket over HTTP/2. The handler returns when
// the server's end has ended; handled is closed then.
func streamPair(t *testing.T, server *http.Server, accept *AcceptOptions) (s, c *Conn, handled chan struct{}) {
	t.Helper()
	accepted, handled := make(chan *Conn), make(chan struct{})
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(handled)
		c, err := Accept(w, r, accept)
		if err != nil {
			t.Errorf("Accept: %v", err)
			return
		}
		accepted <- c
		c.Hold()
	})
	o := bubbleServer(t, server)
	dialled := make(chan *Conn)
	go func() {
		c, err := Dial(context.Background(), "wss://example.com/", o)
		if err != nil {
			t.Errorf("Dial: %v", err)
		}
		dialled <- c
	}()
	s = <-accepted
	c = <-dialled
	t.Cleanup(func() { c.CloseNow(); s.CloseNow(); <-handled })
	return s, c, handled
}

// TestTimeOverHTTP2 shows that the stream has no deadlines but those of the
// WebSocket, and that an operation that is cancelled fails alone.
func TestTimeOverHTTP2(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			server := &http.Server{ReadTimeout: time.Second, WriteTimeout: time.Second, IdleTimeout: time.Second}
			s, c, handled := streamPair(t, server, nil)
			for _, from := range []*Conn{s, c} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				if _, err := from.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Read: got %v, want DeadlineExceeded", err)
				}
				cancel()
			}
			s.Write(t.Context(), Message{Text, []byte("from the server")})
			wantMessage(t, c, Text, "from the server")
			c.Write(t.Context(), Message{Text, []byte("from the client")})
			wantMessage(t, s, Text, "from the client")

			start := time.Now()
			go c.Read(t.Context())
			if err := s.Close(StatusGoingAway, ""); err != nil {
				t.Errorf("Close: %v", err)
			}
			<-handled
			if got := time.Since(start); got != 0 {
				t.Errorf("closing took %v, want no time", got)
			}
		})
	})
}

// TestAPeerOverHTTP2ThatReadsNothing holds up neither its own handler nor the
// server's other streams for longer than the write timeout.
func TestAPeerOverHTTP2ThatReadsNothing(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, c, handled := streamPair(t, &http.Server{}, nil)
			start := time.Now()
			var err error
			for err == nil { // until every window is full
				err = s.Write(t.Context(), Message{Binary, make([]byte, 1<<20)})
			}
			if got := time.Since(start); got < 10*time.Second || got > 13*time.Second {
				t.Errorf("the write stalled for %v, want the write timeout", got)
			}
			<-handled
			m, err := c.Read(t.Context())
			if err != nil || len(m.Data) != 1<<20 {
				t.Errorf("what had left: got %d bytes, %v", len(m.Data), err)
			}
		})
	})
}

// TestCloseNowOverHTTP2 breaks off a write that is stuck.
func TestCloseNowOverHTTP2(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, c, handled := streamPair(t, &http.Server{}, nil)
			stuck := make(chan error)
			go func() {
				var err error
				for err == nil {
					err = s.Write(t.Context(), Message{Binary, make([]byte, 1<<20)})
				}
				stuck <- err
			}()
			time.Sleep(time.Second)
			start := time.Now()
			s.CloseNow()
			if err := <-stuck; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write: got %v, want ErrClosed", err)
			}
			<-handled
			if got := time.Since(start); got != 0 {
				t.Errorf("CloseNow took %v, want no time", got)
			}
			var err error
			for err == nil {
				_, err = c.Read(t.Context())
			}
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the client: got %v, want ErrUnexpectedEOF", err)
			}
		})
	})
}

// TestTheLastWordOverHTTP2 arrives although CloseNow follows at once.
func TestTheLastWordOverHTTP2(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, c, handled := streamPair(t, &http.Server{}, nil)
			s.Write(t.Context(), Message{Text, []byte("last")})
			s.CloseNow()
			<-handled
			wantMessage(t, c, Text, "last")
			if _, err := c.Read(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("then: got %v, want ErrUnexpectedEOF", err)
			}
		})
	})
}

func TestAClientOverHTTP2ThatIsGone(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, c, handled := streamPair(t, &http.Server{}, nil)
			c.CloseNow()
			if _, err := s.Read(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the server: got %v, want ErrUnexpectedEOF", err)
			}
			s.CloseNow()
			<-handled
			if err := s.Write(t.Context(), Message{Text, []byte("x")}); err == nil {
				t.Error("Write afterwards: got no error")
			}
		})
	})
}

// TestARefusedMessageOverHTTP2 shows that the close frame of a failure gets through.
func TestARefusedMessageOverHTTP2(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s, c, _ := streamPair(t, &http.Server{}, &AcceptOptions{Limits: &Limits{MessageBytes: 10}})
			go c.Write(t.Context(), Message{Text, []byte("more than ten bytes")})
			go wantProtocolError(t, s, StatusMessageTooBig)
			for _, err := range c.Messages(t.Context()) {
				var closed *CloseError
				if err != nil && (!errors.As(err, &closed) || closed.Code != StatusMessageTooBig) {
					t.Errorf("the client: got %v, want a CloseError with 1009", err)
				}
			}
		})
	})
}

// TestHandlerOverHTTP2 has ServeHTTP hold the request for as long as the connection
// lives.
func TestHandlerOverHTTP2(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			closed, handled := make(chan StatusCode, 1), make(chan struct{})
			h := &Handler{
				OnMessage: func(c *Conn, m Message) { c.Send(m) },
				OnClose:   func(_ *Conn, code StatusCode, _ string) { closed <- code },
			}
			o := bubbleServer(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r)
				close(handled)
			})})
			c, err := Dial(t.Context(), "wss://example.com/", o)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			for range 3 {
				time.Sleep(time.Hour)
				c.Write(t.Context(), Message{Text, []byte("hello")})
				wantMessage(t, c, Text, "hello")
			}
			if err := c.Close(StatusGoingAway, ""); err != nil {
				t.Errorf("Close: %v", err)
			}
			if got := <-closed; got != StatusGoingAway {
				t.Errorf("OnClose: got %d, want %d", got, StatusGoingAway)
			}
			<-handled
		})
	})
}

// TestAHandlerThatReturnsTooSoon breaks the rules of Accept. What is left is an
// ended connection.
func TestAHandlerThatReturnsTooSoon(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			left := make(chan *Conn, 1)
			o := bubbleServer(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := Accept(w, r, nil)
				if err != nil {
					t.Errorf("Accept: %v", err)
				}
				left <- c
			})})
			c, err := Dial(t.Context(), "wss://example.com/", o)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if _, err := c.Read(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the client: got %v, want ErrUnexpectedEOF", err)
			}
			s := <-left
			synctest.Wait()
			if err := s.Write(t.Context(), Message{Text, []byte("too late")}); err == nil {
				t.Error("Write: got no error")
			}
			s.CloseNow()
		})
	})
}

func TestAddressesOfStreams(t *testing.T) {
	for _, want := range []string{"192.0.2.1:80", "[2001:db8::1]:443", "pipe", ""} {
		if got := parseAddr(want); got.String() != want || got.Network() != "tcp" {
			t.Errorf("parseAddr(%q): got %s %s", want, got.Network(), got)
		}
	}
}
