package engineio

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/parley-go/parley/websocket"
)

// bubble is an echoing server and a client of it in memory, on a fake clock.
type bubble struct {
	*testing.T
	engine *Server
	client *http.Client
	closed chan error
	conns  chan net.Conn
	over   chan struct{} // closed when the server takes none any more
}

func (b *bubble) Accept() (net.Conn, error) {
	select {
	case c := <-b.conns:
		return c, nil
	case <-b.over:
		return nil, net.ErrClosed
	}
}

func (b *bubble) Close() error {
	close(b.over)
	return nil
}

func (b *bubble) Addr() net.Addr { return &net.UnixAddr{} }

func inBubble(t *testing.T, change func(*Options), test func(*bubble)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{T: t, closed: make(chan error, 10), conns: make(chan net.Conn), over: make(chan struct{})}
		o := Options{PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second, UpgradeTimeout: 10 * time.Second, MaxHTTPBufferSize: 1e6, MaxSessions: 10}
		o.New = func(s *Socket) Upper { return &echo{socket: s, closed: b.closed} }
		if change != nil {
			change(&o)
		}
		b.engine = NewServer(o)
		b.client = &http.Client{Transport: &http.Transport{DialContext: b.dial}}
		server := &http.Server{Handler: b.engine}
		go server.Serve(b) // ends with the test
		test(b)
		cutAll(b.engine)
		b.client.CloseIdleConnections()
		server.Close()
		time.Sleep(time.Minute) // for the wheel
	})
}

func (b *bubble) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case b.conns <- server:
		return client, nil
	case <-b.over:
		return nil, net.ErrClosed
	}
}

func (b *bubble) do(method, path, body string) string {
	r, _ := http.NewRequest(method, "http://memory"+path, strings.NewReader(body))
	resp, err := b.client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	return resp.Status[:4] + string(data)
}

// get begins a poll, which waits when get returns unless it has been answered.
func (b *bubble) get(path string) (answer chan string) {
	answer = make(chan string, 1)
	go func() { answer <- b.do("GET", path, "") }() // ends with the poll
	synctest.Wait()
	return answer
}

func (b *bubble) open() (sid string) {
	_, id, _ := strings.Cut(b.do("GET", polls, ""), `"sid":"`)
	return "&sid=" + id[:idBytes]
}

func (b *bubble) webSocket(path string) *websocket.Conn {
	c, err := websocket.Dial(b.Context(), "http://memory"+path, &websocket.DialOptions{NetDial: b.dial})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func (b *bubble) want(what, got, want string) {
	b.Helper()
	if got != want {
		b.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func (b *bubble) wantEnd(want error) {
	b.Helper()
	synctest.Wait()
	select {
	case got := <-b.closed:
		if !errors.Is(got, want) {
			b.Errorf("ended with %v, want %v", got, want)
		}
	default:
		b.Errorf("not ended, want %v", want)
	}
}

const refused400, unknown400 = "400 " + noMatch, "400 " + noSession

func TestAPollCrossesTheUpgrade(t *testing.T) {
	for _, late := range []time.Duration{0, probeTick - time.Millisecond, 2 * probeTick} {
		inBubble(t, nil, func(b *bubble) {
			sid := b.open()
			c := b.webSocket(webSocket + sid)
			defer c.CloseNow()
			send(b.T, c, "2probe")
			wantFrame(b.T, c, "3probe")
			time.Sleep(70 * time.Millisecond) // whatever the phase of the wheel
			answer := b.get(polls + sid)
			time.Sleep(late)
			send(b.T, c, "5")
			want := refused400
			if late > probeTick {
				want = "200 6"
			}
			b.want("the poll that crossed", <-answer, want)
			send(b.T, c, "4x")
			wantFrame(b.T, c, "4x")
		})
	}
}

func TestAPollCrossesTheGoodbye(t *testing.T) {
	for late, want := range map[time.Duration]string{0: "200 6", lingerTime - time.Millisecond: "200 6", 2 * lingerTime: unknown400} {
		inBubble(t, nil, func(b *bubble) {
			sid := b.open()
			b.want("the goodbye", b.do("POST", polls+sid, "1"), "200 ok")
			b.wantEnd(ErrTransportClose)
			time.Sleep(late)
			b.want("the poll that crossed", b.do("GET", polls+sid, ""), want)
			b.want("another poll", b.do("GET", polls+sid, ""), unknown400)
		})
	}
}

func TestAnUpgradeThatIsNotFinishedLeavesThePolls(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		sid := b.open()
		c := b.webSocket(webSocket + sid)
		send(b.T, c, "2probe")
		wantFrame(b.T, c, "3probe")
		began := time.Now()
		wantClose(b.T, c, websocket.StatusNoStatus)
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			b.Errorf("given up after %v, want 10 s", took)
		}
		b.want("a POST", b.do("POST", polls+sid, "4x"), "200 ok")
		b.want("a poll", b.do("GET", polls+sid, ""), "200 4x")
		synctest.Wait()                  // for the server to see the end, too
		c = b.webSocket(webSocket + sid) // and another is let in
		send(b.T, c, "5")
		send(b.T, c, "4x")
		wantFrame(b.T, c, "4x")
		c.CloseNow()
	})
}

// A client that has been answered its probe has paused its polls, and does not
// fetch the goodbye by one.
func TestTheServersGoodbyeCrossesTheUpgrade(t *testing.T) {
	for _, upgrades := range []bool{true, false} {
		inBubble(t, nil, func(b *bubble) {
			sid := b.open()
			c := b.webSocket(webSocket + sid)
			defer c.CloseNow()
			send(b.T, c, "2probe")
			wantFrame(b.T, c, "3probe")
			b.want("POST", b.do("POST", polls+sid, "4last"), "200 ok")
			b.engine.find(strings.TrimPrefix(sid, "&sid=")).Close(0, "")
			if upgrades {
				begun := time.Now()
				send(b.T, c, "5")
				wantFrame(b.T, c, "4last")
				wantClose(b.T, c, websocket.StatusNoStatus)
				b.wantEnd(nil)
				if took := time.Since(begun); took != 0 {
					b.Errorf("the goodbye took %v", took)
				}
				return
			}
			b.want("poll", <-b.get(polls+sid), "200 4last") // its probe has failed, as it sees it
			b.want("poll", <-b.get(polls+sid), "200 1")
			b.wantEnd(nil)
			if _, err := c.Read(b.Context()); err == nil {
				b.Error("the probe lives on")
			}
		})
	}
}

func TestAGoodbyeThatNoPollFetchesWaitsForAHeartbeatAtMost(t *testing.T) {
	for beats, want := range map[time.Duration]time.Duration{2 * time.Second: 4 * time.Second, 20 * time.Second: 30 * time.Second} {
		inBubble(t, func(o *Options) { o.PingInterval, o.PingTimeout = beats, beats }, func(b *bubble) {
			sid := b.open()
			b.engine.find(strings.TrimPrefix(sid, "&sid=")).Close(0, "")
			time.Sleep(want - time.Millisecond)
			synctest.Wait()
			if len(b.closed) > 0 {
				b.Errorf("heartbeats of %v: the goodbye did not wait for a poll", beats)
			}
			time.Sleep(time.Millisecond)
			b.wantEnd(nil)
		})
	}
}

func TestTheHeartbeatsOfProtocol4(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		sid := b.open()
		began := time.Now()
		for i := range 3 {
			b.want("the ping", b.do("GET", polls+sid, ""), "200 2")
			if at := time.Since(began); at < 25*time.Second || at > 25*time.Second+probeTick {
				b.Errorf("ping %d after %v, want 25 s", i, at)
			}
			began = time.Now()
			b.want("the pong", b.do("POST", polls+sid, "3"), "200 ok")
		}
		b.want("the ping", b.do("GET", polls+sid, ""), "200 2")
		time.Sleep(15 * time.Second)
		b.want("another packet", b.do("POST", polls+sid, "4x"), "200 ok") // prolongs the wait once
		time.Sleep(15 * time.Second)
		b.want("another packet", b.do("POST", polls+sid, "4x"), "200 ok")
		time.Sleep(5*time.Second + probeTick)
		b.wantEnd(ErrPingTimeout)
		b.want("a poll afterwards", b.do("GET", polls+sid, ""), unknown400)
	})
}

func TestTheHeartbeatsOfProtocol3(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		c := b.webSocket("/?EIO=3&transport=websocket")
		defer c.CloseNow()
		c.Read(b.Context())
		for range 5 {
			time.Sleep(40 * time.Second)
			send(b.T, c, "2")
			wantFrame(b.T, c, "3")
		}
		time.Sleep(30 * time.Second)
		send(b.T, c, "4x") // is no ping
		wantFrame(b.T, c, "4x")
		began := time.Now()
		wantClose(b.T, c, websocket.StatusNoStatus)
		if took := time.Since(began); took < 15*time.Second || took > 15*time.Second+2*probeTick {
			b.Errorf("closed after %v, want 15 s", took)
		}
		b.wantEnd(ErrPingTimeout)
		c = b.webSocket("/?EIO=3&transport=websocket")
		send(b.T, c, "3")
		wantClose(b.T, c, websocket.StatusNoStatus)
		b.wantEnd(ErrTransportError)
	})
}

// The wheel is coarse, and a request that comes behind the time knows better.
func TestSilenceEndsTheSessionToTheMillisecond(t *testing.T) {
	for _, query := range []string{polls, polls3} {
		for late, want := range map[time.Duration]string{-time.Millisecond: "200 ok", 0: unknown400} {
			inBubble(t, nil, func(b *bubble) {
				_, id, _ := strings.Cut(b.do("GET", query, ""), `"sid":"`)
				time.Sleep(45*time.Second + late)
				b.want("a POST", b.do("POST", query+"&sid="+id[:idBytes], map[string]string{polls: "3", polls3: "1:2"}[query]), want)
			})
		}
	}
}

func TestASessionIsNotLateBeforeItBegins(t *testing.T) {
	s := serveEcho(t, nil)
	s.engine.began = s.engine.began.Add(-time.Hour)
	if s.engine.newSocket(4).lapsed() {
		t.Error("a session whose 101 is on its way is late")
	}
}

func TestPongsDoNotPileUp(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		_, id, _ := strings.Cut(b.do("GET", polls3, ""), `"sid":"`)
		sid := "&sid=" + id[:idBytes]
		b.want("many pings", b.do("POST", polls3+sid, strings.Repeat("1:2", 10_000)), "200 ok")
		b.want("their pong", b.do("GET", polls3+sid, ""), "200 1:3")
	})
}

func TestTheOpenPacketLeavesWithThe101(t *testing.T) {
	s := serveEcho(t, func(o *Options) { o.InitialPacket = "2[\"hi\"]" })
	nc, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(nc, "GET "+webSocket+" HTTP/1.1\r\nHost: "+s.Listener.Addr().String()+
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	buf := make([]byte, 64<<10)
	n, err := nc.Read(buf) // one write of the server's, one read
	if got := string(buf[:n]); err != nil || !strings.HasPrefix(got, "HTTP/1.1 101 ") || !strings.Contains(got, "0{\"sid\":") || !strings.HasSuffix(got, "\x81\x0842[\"hi\"]") {
		t.Errorf("one read brought %q, %v", got, err)
	}
}

func TestTheUpgradeLeavesNothingOfThePolls(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	socket := s.engine.find(strings.TrimPrefix(sid, "&sid="))
	socket.mu.Lock()
	pipe := weak.Make(socket.polls.pipe)
	change := weak.Make(socket.polls)
	socket.mu.Unlock()
	c := s.webSocket(webSocket + sid)
	send(t, c, "2probe")
	wantFrame(t, c, "3probe")
	s.wantDo("GET", polls+sid, "", 200, "6")
	send(t, c, "5")
	send(t, c, "4x")
	wantFrame(t, c, "4x")
	http.DefaultClient.CloseIdleConnections()
	for deadline := time.Now().Add(20 * time.Second); pipe.Value() != nil || change.Value() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the polls are still there")
		}
		runtime.GC()
	}
	runtime.KeepAlive(socket)
}

func TestManyWebSocketsForOneSession(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	var all sync.WaitGroup
	carries := make(chan *websocket.Conn, 20)
	for range 20 {
		c := s.webSocket(webSocket + sid)
		all.Go(func() { // ends with the answer, or the close
			send(t, c, "5")
			c.Write(t.Context(), websocket.Message{Type: websocket.Text, Data: []byte("4x")})
			if m, err := c.Read(t.Context()); err == nil && string(m.Data) == "4x" {
				carries <- c
			}
		})
	}
	all.Wait()
	if len(carries) != 1 {
		t.Errorf("%d WebSockets carry the session, want 1", len(carries))
	}
}
