package socketio

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

func TestDisconnectReasons(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		err          error // what OnDisconnect is told
		end          func(w *world, s *socket)
	}{
		{"the client leaves", "transport close", nil, func(w *world, s *socket) { s.conn.Close(websocket.StatusNoStatus, "") }},
		{"the client says so", "transport close", nil, func(w *world, s *socket) { s.send("1") }},
		{"a ping of the client", "transport error", parley.ErrProtocol, func(w *world, s *socket) { s.send("2") }},
		{"no pong", "ping timeout", parley.ErrIdle, func(w *world, s *socket) { w.sleep(50 * time.Second) }},
		{"no packet of Engine.IO", "parse error", parley.ErrProtocol, func(w *world, s *socket) { s.send("x") }},
		{"no packet of Socket.IO", "forced close", parley.ErrProtocol, func(w *world, s *socket) { s.send("4x") }},
		{"an event without a name", "forced close", parley.ErrProtocol, func(w *world, s *socket) { s.send("42[]") }},
		{"a namespace that was not joined", "forced server close", parley.ErrProtocol, func(w *world, s *socket) { s.send(`42/other,["x"]`) }},
		{"CONNECT_ERROR from a client", "forced server close", parley.ErrProtocol, func(w *world, s *socket) { s.send(`44{"message":"x"}`) }},
		{"expired credentials", "forced server close", parley.ErrExpired, func(w *world, s *socket) {
			w.hub.Audience().Conns()[0].Expire(time.Now())
			s.want("closed") // not 41, after which it would stay away
		}},
		{"no goodbye", "forced server close", parley.ErrClosed, func(w *world, s *socket) { w.hub.Audience().Conns()[0].CloseNow() }},
		{"a client that does not read", "forced server close", parley.ErrSlow, func(w *world, s *socket) {
			w.hub.Audience().Conns()[0].Pipe().(*space).Close(1013, "too slow")
		}},
		{"Shutdown", "server shutting down", parley.ErrShutdown, func(w *world, s *socket) { w.hub.Shutdown(w.Context()) }},
		{"DISCONNECT", "client namespace disconnect", nil, func(w *world, s *socket) { s.send("41") }},
		{"Conn.Close", "server namespace disconnect", nil, func(w *world, s *socket) {
			w.hub.Audience().Conns()[0].Close("")
			s.want("41")
		}},
		{"Disconnect", "server namespace disconnect", nil, func(w *world, s *socket) {
			Disconnect(w.hub.Audience().Conns()[0])
			s.want("41", "closed")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var reasons []string
			inWorld(t, nil, func(w *world) {
				w.hub.OnDisconnect(func(_ context.Context, conn *parley.Conn, err error) {
					reasons = append(reasons, DisconnectReason(conn))
					if !errors.Is(err, c.err) && c.name != "a client that does not read" {
						t.Errorf("OnDisconnect was told %v, want %v", err, c.err)
					}
				})
			}, func(w *world) {
				s := w.join()
				if got := DisconnectReason(w.hub.Audience().Conns()[0]); got != "" {
					t.Errorf("before the end: %q", got)
				}
				c.end(w, s)
				synctest.Wait()
				if !slices.Equal(reasons, []string{c.reason}) {
					t.Errorf("reasons %q, want %q", reasons, c.reason)
				}
			})
		})
	}
}

func TestDisconnectEndsAllNamespaces(t *testing.T) {
	var reasons []string
	inWorld(t, nil, func(w *world) {
		withAdmin(w)
		w.further[0].OnDisconnect(func(_ context.Context, c *parley.Conn, err error) {
			reasons = append(reasons, DisconnectReason(c))
		})
	}, func(w *world) {
		s := w.join()
		s.send("40/admin")
		s.wantMatch("^40/admin,")
		Disconnect(w.hub.Audience().Conns()[0])
		s.want("41", "41/admin,", "closed")
		w.wantEnds(nil)
		if !slices.Equal(reasons, []string{"server namespace disconnect"}) {
			t.Errorf("the other namespace was told %q", reasons)
		}
	})
}

// What ends one namespace for another's sake is told to it, too.
func TestReasonsInOtherNamespaces(t *testing.T) {
	var told string
	inWorld(t, nil, func(w *world) {
		withAdmin(w)
		w.further[0].OnDisconnect(func(_ context.Context, c *parley.Conn, err error) {
			told = DisconnectReason(c)
			if err != nil {
				t.Errorf("told %v", err)
			}
		})
	}, func(w *world) {
		s := w.join()
		s.send("40/admin")
		s.wantMatch("^40/admin,")
		w.hub.Shutdown(w.Context())
		s.want("closed")
		synctest.Wait()
		w.want(told, "server shutting down")
	})
}
