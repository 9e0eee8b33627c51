package websocket

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestClosing(t *testing.T) {
	tests := []struct {
		name   string
		code   StatusCode
		reason string
		want   CloseError
	}{
		{"normally", StatusNormalClosure, "bye", CloseError{StatusNormalClosure, "bye"}},
		{"with an empty frame", StatusNoStatus, "unsaid", CloseError{StatusNoStatus, ""}},
		{"with a code of one's own", 4999, "", CloseError{4999, ""}},
		{"with the longest reason", StatusGoingAway, strings.Repeat("x", 123), CloseError{StatusGoingAway, strings.Repeat("x", 123)}},
		{"with a reason too long", StatusGoingAway, strings.Repeat("x", 124), CloseError{StatusGoingAway, strings.Repeat("x", 123)}},
		{"with a character on the edge", StatusGoingAway, strings.Repeat("x", 121) + "\u20AC", CloseError{StatusGoingAway, strings.Repeat("x", 121)}},
	}
	for _, tt := range tests {
		for _, reading := range []bool{false, true} {
			for _, fromServer := range []bool{false, true} {
				t.Run(tt.name, func(t *testing.T) {
					inBubble(t, func(t *testing.T) {
						closer, other := pair(t, 1000, nil)
						if !fromServer {
							closer, other = other, closer
						}
						readers := make(chan struct{}, 2)
						if reading {
							go func() { wantCloseError(t, closer, tt.want.Code, ""); readers <- struct{}{} }()
						}
						go func() { wantCloseError(t, other, tt.want.Code, tt.want.Reason); readers <- struct{}{} }()
						synctest.Wait()
						start := time.Now()
						if err := closer.Close(tt.code, tt.reason); err != nil {
							t.Errorf("Close: %v", err)
						}
						if got := time.Since(start); got != 0 {
							t.Errorf("Close took %v between willing peers", got)
						}
						if reading {
							<-readers
						}
						<-readers
						if err := closer.Write(context.Background(), Message{Text, nil}); err == nil {
							t.Error("Write after Close: got no error")
						}
						if err := other.Close(StatusNormalClosure, ""); err != nil {
							t.Errorf("Close after the peer's: %v", err)
						}
					})
				})
			}
		}
	}
}

func TestThePeersStatusIsEchoed(t *testing.T) {
	always1000 := func(StatusCode) StatusCode { return StatusNormalClosure }
	tests := []struct {
		name    string
		payload []byte
		reply   func(StatusCode) StatusCode
		want    StatusCode
		got     CloseError
	}{
		{"a status", closePayload(3001, "moving"), nil, 3001, CloseError{3001, "moving"}},
		{"no status", nil, nil, StatusNoStatus, CloseError{StatusNoStatus, ""}},
		{"a status, always 1000", closePayload(1001, ""), always1000, 1000, CloseError{1001, ""}},
		{"no status, always 1000", nil, always1000, 1000, CloseError{StatusNoStatus, ""}},
		{"a reply that must not be sent", closePayload(1001, ""), func(StatusCode) StatusCode { return 1006 }, 1001, CloseError{1001, ""}},
		{"an empty reply", closePayload(1001, ""), func(StatusCode) StatusCode { return StatusNoStatus }, StatusNoStatus, CloseError{1001, ""}},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		tests = append(tests, struct {
			name    string
			payload []byte
			reply   func(StatusCode) StatusCode
			want    StatusCode
			got     CloseError
		}{"valid status", closePayload(code, ""), nil, StatusCode(code), CloseError{StatusCode(code), ""}})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, peer := serveRaw(t, nil)
				c.replies = &replies{closeReply: tt.reply}
				peer.send(masked(0x88, tt.payload))
				wantCloseError(t, c, tt.got.Code, tt.got.Reason)
				if got, _ := peer.receiveClose(); got != tt.want {
					t.Errorf("answer: got %d, want %d", got, tt.want)
				}
				peer.expectEnd()
			})
		})
	}
}

func TestAServerHangsUpFirst(t *testing.T) {
	inBubble(t, func(t *testing.T) { // RFC 6455 §7.1.1
		a, b := memoryNetwork(1000)
		client := newConn(a, true, nil, nil)
		defer client.CloseNow()
		server := &rawPeer{t, b}
		server.send([]byte{0x88, 0x02, 0x03, 0xE8})
		read := make(chan struct{})
		go func() { wantCloseError(t, client, StatusNormalClosure, ""); close(read) }()
		synctest.Wait()
		if client.ended() != nil {
			t.Error("the client hung up before the server")
		}
		b.Close()
		<-read
	})
}

func TestCloseWaitsForTheAnswerOnlySoLong(t *testing.T) {
	for _, reading := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			c, peer := serveRaw(t, &Limits{CloseTimeout: 3 * time.Second})
			readers := make(chan error, 1)
			if reading {
				go func() {
					_, err := c.Read(context.Background())
					readers <- err
				}()
				synctest.Wait()
			}
			start := time.Now()
			err := c.Close(StatusNormalClosure, "")
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("Close: got %v, want ErrClosed", err)
			}
			if got := time.Since(start); got != 3*time.Second {
				t.Errorf("Close waited %v, want 3 s", got)
			}
			if reading {
				if got := <-readers; got != err {
					t.Errorf("Read: got %v, want %v", got, err)
				}
			}
			peer.receiveClose()
		})
	}
}

func TestCloseOfAStalledWriter(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		server, _ := pair(t, 100, &Limits{CloseTimeout: time.Second})
		stalled := make(chan error)
		go func() { stalled <- server.Write(context.Background(), Message{Binary, make([]byte, 5000)}) }()
		synctest.Wait()
		start := time.Now()
		if err := server.Close(StatusGoingAway, ""); err == nil {
			t.Error("Close: got no error")
		}
		if got := time.Since(start); got != time.Second {
			t.Errorf("Close took %v, want 1 s", got)
		}
		if err := <-stalled; err == nil {
			t.Error("the stalled Write: got no error")
		}
	})
}

func TestMessagesBeforeTheAnswerGoToTheReaderOrAreDropped(t *testing.T) {
	for _, reading := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			c, peer := serveRaw(t, nil)
			peer.send(maskedText("one"), maskedText("two"))
			first, err := c.Read(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			closed := make(chan error)
			if reading {
				if _, err := c.Read(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			go func() { closed <- c.Close(StatusNormalClosure, "") }()
			peer.receiveClose()
			peer.send(maskedText("three"), masked(0x82, make([]byte, 50_000)), masked(0x89, nil), masked(0x88, closePayload(1000, "")))
			if got := <-closed; got != nil {
				t.Errorf("Close: %v", got)
			}
			if !reading && string(first.Data) != "one" {
				t.Errorf("Close changed a message still held: got %q, want one", first.Data)
			}
			peer.expectEnd() // in particular no pong: RFC 6455 §5.5.1
		})
	}
}

func TestBothCloseAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		server, client := pair(t, 1000, nil)
		done := make(chan error, 3)
		go func() { done <- server.Close(StatusGoingAway, "server") }()
		go func() { done <- client.Close(StatusNormalClosure, "client") }()
		go func() { done <- client.Close(StatusNormalClosure, "client, again") }()
		for range 3 {
			if err := <-done; err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
}

func TestCodesThatMustNotBeSent(t *testing.T) {
	for _, code := range []StatusCode{0, 999, 1004, 1006, 1015, 2999, 5000} {
		inBubble(t, func(t *testing.T) {
			c, peer := serveRaw(t, nil)
			if err := c.Close(code, ""); err == nil {
				t.Errorf("Close(%d): got no error", code)
			}
			peer.expectEnd()
		})
	}
}

func TestCloseNowEndsEverythingThatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		server, _ := pair(t, 100, nil)
		results := make(chan error)
		ctx := t.Context()
		go func() { _, err := server.Read(ctx); results <- err }()
		go func() { results <- server.Ping(ctx) }()
		go func() { results <- server.Write(ctx, Message{Binary, make([]byte, 5000)}) }()
		go func() { results <- server.Write(ctx, Message{Binary, make([]byte, 5000)}) }()
		synctest.Wait()
		server.CloseNow()
		for range 4 {
			if err := <-results; !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v, want ErrClosed", err)
			}
		}
		server.CloseNow()
		if err := server.Ping(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Ping afterwards: got %v, want ErrClosed", err)
		}
	})
}

func TestWhatFollowsACloseFrameDoesNotSwallowTheAnswer(t *testing.T) {
	a, b := tcpPair(t)
	c, peer := newConn(a, false, nil, nil), &rawPeer{t, b}
	defer c.CloseNow()
	peer.send(join(masked(0x88, closePayload(1000, "")), masked(0x82, make([]byte, 20_000))))
	done := make(chan struct{})
	go func() { wantCloseError(t, c, StatusNormalClosure, ""); close(done) }()
	if got, _ := peer.receiveClose(); got != StatusNormalClosure {
		t.Errorf("answer: got %d, want 1000", got)
	}
	b.Close()
	<-done
}

func TestTooMuchDataDoesNotSwallowTheCloseFrame(t *testing.T) {
	a, b := tcpPair(t)
	c, peer := newConn(a, false, &Limits{MessageBytes: 1000}, nil), &rawPeer{t, b}
	defer c.CloseNow()
	go func() {
		peer.send(masked(0x82, make([]byte, 4<<20)))
		b.(*net.TCPConn).CloseWrite()
	}()
	wantProtocolError(t, c, StatusMessageTooBig)
	if got, _ := peer.receiveClose(); got != StatusMessageTooBig {
		t.Errorf("close frame: got %d, want 1009", got)
	}
	b.Close()
}

func TestErrorsAreSentences(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{&CloseError{StatusGoingAway, ""}, "websocket: closed by the peer with status 1001"},
		{&CloseError{4000, "bye\n"}, `websocket: closed by the peer with status 4000: "bye\n"`},
		{&ProtocolError{StatusMessageTooBig, "the message is longer than 10 bytes", dropNone}, "websocket: the message is longer than 10 bytes (status 1009)"},
		{&HandshakeError{Reason: "no answer in time", Err: context.Canceled}, "websocket: dial: no answer in time: context canceled"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}
