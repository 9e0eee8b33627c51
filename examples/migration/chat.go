// Command migration is a chat that was a hub of ASP.NET Core SignalR:
// docs/signalr.md has the C# beside it, step by step.
//
//	go run ./examples/migration
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/wire"
)

// Line is what somebody has said in a room.
type Line struct {
	Room, User, Text string
	SentAt           time.Time
}

// What clients are told, and asked.
const (
	Said      parley.Event[Line]       = "Said"
	Came      parley.Event[string]     = "Came"
	Went      parley.Event[string]     = "Went"
	Announced parley.Event[string]     = "Announced"
	Confirm   parley.Ask[string, bool] = "Confirm"
)

// chat has the methods that clients call. There is one for all calls.
type chat struct {
	hub     *parley.Hub
	history *history
}

func newHub(kept *history) *parley.Hub {
	hub := parley.NewHub(&parley.HubOptions{Limits: parley.Limits{UploadItems: 20}})
	c := &chat{hub, kept}
	hub.OnConnect(c.connected)
	hub.OnDisconnect(c.disconnected)
	hub.Handle("Say", parley.Func(c.say))
	hub.Handle("Replay", parley.Func(c.replay))
	hub.Handle("Import", parley.Func(c.bring))
	hub.Handle("Clear", parley.Func(c.clear))
	hub.Handle("Announce", parley.Func(c.announce))
	hub.Use(onlyFor("admin", "Announce"))
	return hub
}

type roomKey struct{}

func (c *chat) connected(ctx context.Context, conn *parley.Conn) error {
	room := conn.Request().URL.Query().Get("room")
	if room == "" {
		return parley.Errorf("room", "Which room?")
	}
	conn.Set(roomKey{}, room)
	if err := conn.Join(room); err != nil {
		return err
	}
	return Came.Send(ctx, c.hub.Group(room).Except(conn), conn.User())
}

func (c *chat) disconnected(ctx context.Context, conn *parley.Conn, _ error) {
	room := conn.Value(roomKey{}).(string)
	Went.Send(ctx, c.hub.Group(room), conn.User())
}

func (c *chat) say(ctx context.Context, conn *parley.Conn, room, text string) error {
	if len(text) > 500 {
		return parley.Errorf("too_long", "That is too long.")
	}
	line := Line{room, conn.User(), text, time.Now().UTC()}
	c.history.add(line)
	return Said.Send(ctx, c.hub.Group(room), line)
}

func (c *chat) announce(ctx context.Context, text string) error {
	return Announced.Send(ctx, c.hub, text)
}

func (c *chat) replay(room string) iter.Seq[Line] {
	return slices.Values(c.history.of(room))
}

func (c *chat) bring(conn *parley.Conn, room string, texts iter.Seq2[string, error]) (int, error) {
	n := 0
	for text, err := range texts {
		if err != nil {
			return n, err
		}
		c.history.add(Line{room, conn.User(), text, time.Now().UTC()})
		n++
	}
	return n, nil
}

func (c *chat) clear(ctx context.Context, conn *parley.Conn, room string) (bool, error) {
	yes, err := Confirm.Call(ctx, conn, "Forget all of "+room+"?")
	if err != nil || !yes {
		return false, err
	}
	c.history.clear(room)
	return true, nil
}

// history keeps the lines of each room.
type history struct {
	mu    sync.Mutex
	lines map[string][]Line
}

func (h *history) add(l Line) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lines == nil {
		h.lines = make(map[string][]Line)
	}
	h.lines[l.Room] = append(h.lines[l.Room], l)
}

func (h *history) of(room string) []Line {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lines[room])
}

func (h *history) clear(room string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.lines, room)
}

// visitor is who a token stands for.
type visitor struct {
	name  string
	roles []string
	until time.Time
}

type visitorKey struct{}

// authenticate lets in whoever has a token that check knows.
func authenticate(check func(token string) (visitor, error), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions { // a browser asks beforehand, without a token
			next.ServeHTTP(w, r)
			return
		}
		v, err := check(signalr.Token(r))
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized) // with a body, clients would not say "Unauthorized"
			return
		}
		ctx := context.WithValue(r.Context(), visitorKey{}, v)
		ctx = parley.WithExpiry(parley.WithUser(ctx, v.name), v.until)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// onlyFor turns away whoever calls one of methods without the role.
func onlyFor(role string, methods ...string) func(parley.Handler) parley.Handler {
	return func(next parley.Handler) parley.Handler {
		return parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
			if slices.Contains(methods, call.Name) && !has(role, call.Conn()) {
				return parley.Errorf(wire.CodeUnauthorized, "only for the role %s", role)
			}
			return next.Handle(ctx, call)
		})
	}
}

func has(role string, c *parley.Conn) bool {
	v, _ := c.Request().Context().Value(visitorKey{}).(visitor)
	return slices.Contains(v.roles, role)
}

// ring tells everyone the time, until ctx ends.
func ring(ctx context.Context, hub *parley.Hub) {
	for {
		select {
		case now := <-time.After(time.Minute):
			Announced.Send(ctx, hub, "It is "+now.UTC().Format("15:04")+".")
		case <-ctx.Done():
			return
		}
	}
}

// site is the hub behind its address, for those who have a token.
func site(hub *parley.Hub, check func(token string) (visitor, error)) http.Handler {
	mux := http.NewServeMux()
	signalr.Mount(mux, "/chat", hub, &signalr.Options{
		DetailedErrors:         os.Getenv("CHAT_DEBUG") != "",
		MaxMessageBytes:        64 << 10,
		ClientTimeout:          time.Minute,
		AllowStatefulReconnect: true,
		CloseOnExpiry:          true,
		Origins:                []string{"https://chat.example.com"},
	})
	return authenticate(check, mux)
}

// checkToken stands for your library for JSON Web Tokens.
func checkToken(token string) (visitor, error) {
	switch token {
	case "ann's token":
		return visitor{"Ann", []string{"admin"}, time.Now().Add(time.Hour)}, nil
	case "ben's token":
		return visitor{"Ben", nil, time.Now().Add(time.Hour)}, nil
	}
	return visitor{}, errors.New("nobody's token")
}

func main() {
	listen := flag.String("listen", "127.0.0.1:5000", "the address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends, and then says goodbye to everyone.
func run(ctx context.Context, listen string) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("chat: http://%s/chat\n", listener.Addr())
	hub := newHub(&history{})
	server := &http.Server{Handler: site(hub, checkToken), ReadHeaderTimeout: 10 * time.Second}
	go ring(ctx, hub)         // run's own; ends with ctx
	go server.Serve(listener) // likewise, with Shutdown
	<-ctx.Done()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(hub.Shutdown(ctx), server.Shutdown(ctx))
}
