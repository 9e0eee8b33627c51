// Command migration-socketio is a chat that was a Node server with Socket.IO:
// docs/socketio.md has the JavaScript beside it, step by step.
//
//	go run ./examples/migration-socketio
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
)

// Line is what somebody has said in a room.
type Line struct {
	Room string    `json:"room"`
	User string    `json:"user"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// File is what somebody shows to a room.
type File struct {
	Name  string `json:"name"`
	Bytes []byte `json:"bytes"`
}

// Votes is what a room has answered.
type Votes struct {
	Answers []string `json:"answers"`
	All     bool     `json:"all"` // everyone has
}

// Said is what a room is told of a line.
const Said parley.Event[Line] = "said"

// chat has the handlers of the main namespace. There is one for all sockets.
type chat struct{ hub *parley.Hub }

func newChat() *chat {
	c := &chat{hub: parley.NewHub(nil)}
	c.hub.OnConnect(c.connected)
	c.hub.OnDisconnect(c.disconnected)
	c.hub.Handle("join", parley.Func(c.join))
	c.hub.Handle("leave", parley.Func(c.leave))
	c.hub.Handle("say", parley.Func(c.say))
	c.hub.Handle("typing", parley.Func(c.typing))
	c.hub.Handle("whisper", parley.Func(c.whisper))
	c.hub.Handle("upload", parley.Func(c.upload))
	c.hub.Handle("vote", parley.Func(c.vote))
	c.hub.Use(logged)
	c.hub.UseSend(logSent)
	return c
}

// site is the chat behind its address. The clients' own files are in folder.
func site(c *chat, admins *parley.Hub, folder string) http.Handler {
	mux := http.NewServeMux()
	socketio.Mount(mux, "/socket.io/", c.hub, &socketio.Options{
		Namespaces:        map[string]*parley.Hub{"/admin": admins},
		Origins:           []string{"https://chat.example.com"},
		MaxHTTPBufferSize: 2e6,
		Recovery:          &socketio.Recovery{MaxDisconnectionDuration: time.Minute},
		ServeClient:       os.DirFS(folder),
	})
	return mux
}

// user is who a token stands for.
type user struct {
	name  string
	admin bool
}

// lookUp stands for your library for JSON Web Tokens.
func lookUp(token string) (u user, known bool) {
	switch token {
	case "ann's token":
		return user{"Ann", true}, true
	case "ben's token":
		return user{"Ben", false}, true
	}
	return user{}, false
}

// identify looks at what the client gave as its auth.
func identify(conn *parley.Conn) (u user, known bool) {
	var auth struct{ Token string }
	if err := json.Unmarshal(socketio.Auth(conn), &auth); err != nil {
		return user{}, false
	}
	return lookUp(auth.Token)
}

type userKey struct{}

// nameOf is empty while conn is still on its way in.
func nameOf(conn *parley.Conn) string {
	u, _ := conn.Value(userKey{}).(user)
	return u.name
}

func (c *chat) connected(ctx context.Context, conn *parley.Conn) error {
	u, known := identify(conn)
	if !known {
		return &parley.Error{Code: "unauthorized", Message: "Who are you?", Data: map[string]string{"token": "unknown"}}
	}
	conn.Set(userKey{}, u)
	if conn.Recovered() {
		c.tell(ctx, conn, "came")
	}
	return nil
}

func (c *chat) disconnected(ctx context.Context, conn *parley.Conn, _ error) {
	c.tell(ctx, conn, "went")
}

// tell tells the rooms of conn what it does.
func (c *chat) tell(ctx context.Context, conn *parley.Conn, event string) {
	for _, room := range conn.Groups() {
		c.hub.Group(room).Except(conn).Send(ctx, event, room, nameOf(conn))
	}
}

func (c *chat) join(ctx context.Context, conn *parley.Conn, room string) ([]string, error) {
	if err := conn.Join(room); err != nil {
		return nil, err
	}
	c.hub.Group(room).Except(conn).Send(ctx, "came", room, nameOf(conn))
	var members []string
	for _, member := range c.hub.Group(room).Conns() {
		members = append(members, nameOf(member))
	}
	slices.Sort(members)
	return members, nil
}

func (c *chat) leave(ctx context.Context, conn *parley.Conn, room string) error {
	conn.Leave(room)
	return c.hub.Group(room).Send(ctx, "went", room, nameOf(conn))
}

func (c *chat) say(ctx context.Context, conn *parley.Conn, room, text string) error {
	if !slices.Contains(conn.Groups(), room) {
		return parley.Errorf("outside", "You are not in %s.", room)
	}
	return Said.Send(ctx, c.hub.Group(room), Line{room, nameOf(conn), text, time.Now().UTC()})
}

func (c *chat) typing(ctx context.Context, conn *parley.Conn, room string) error {
	return c.hub.Group(room).Except(conn).Volatile().Send(ctx, "typing", room, nameOf(conn))
}

func (c *chat) whisper(ctx context.Context, conn *parley.Conn, id, text string) error {
	err := c.hub.Client(id).Send(ctx, "whispered", conn.ID(), nameOf(conn), text)
	if errors.Is(err, parley.ErrClosed) {
		return nil // nobody of that name is there
	}
	return err
}

func (c *chat) upload(ctx context.Context, conn *parley.Conn, room string, f File) (int, error) {
	return len(f.Bytes), c.hub.Group(room).Except(conn).Send(ctx, "file", room, nameOf(conn), f)
}

func (c *chat) vote(ctx context.Context, conn *parley.Conn, room, question string) (Votes, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	answers, err := c.hub.Group(room).Except(conn).Call(ctx, "question", question)
	votes := Votes{Answers: []string{}, All: err == nil}
	for _, answer := range answers {
		var text string
		if err := answer.Scan(&text); err != nil {
			votes.All = false // it has left, or said something else
			continue
		}
		votes.Answers = append(votes.Answers, text)
	}
	if errors.Is(err, parley.ErrTimeout) {
		err = nil
	}
	return votes, err
}

func logged(next parley.Handler) parley.Handler {
	return parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		log.Printf("%s: %s", nameOf(call.Conn()), call.Name)
		return next.Handle(ctx, call)
	})
}

func logSent(next parley.SendFunc) parley.SendFunc {
	return func(ctx context.Context, to parley.Audience, name string, args []any) error {
		for _, conn := range to.Conns() {
			log.Printf("to %s: %s", nameOf(conn), name)
		}
		return next(ctx, to, name, args)
	}
}

func newAdmins(hub *parley.Hub) *parley.Hub {
	admins := parley.NewHub(&parley.HubOptions{Name: "admins"})
	admins.OnConnect(func(_ context.Context, conn *parley.Conn) error {
		if u, _ := identify(conn); !u.admin {
			return parley.Errorf("forbidden", "Admins only.")
		}
		return nil
	})
	admins.Handle("announce", parley.Func(func(ctx context.Context, text string) error {
		return hub.Send(ctx, "announced", text)
	}))
	admins.Handle("kick", parley.Func(func(ctx context.Context, id string) error {
		return hub.Client(id).Close(ctx, "")
	}))
	admins.Handle("count", parley.Func(func() int { return hub.Stats().Conns }))
	return admins
}

// ring tells everyone the time, until ctx ends.
func ring(ctx context.Context, hub *parley.Hub) {
	for {
		select {
		case now := <-time.After(time.Minute):
			hub.Audience().Volatile().Send(ctx, "announced", "It is "+now.UTC().Format("15:04")+".")
		case <-ctx.Done():
			return
		}
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:5000", "the address to listen on")
	client := flag.String("client", "node_modules/socket.io-client/dist", "the folder of the client that pages load")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *client); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends, and then says goodbye to everyone.
func run(ctx context.Context, listen, client string) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("chat: http://%s\n", listener.Addr())
	c := newChat()
	admins := newAdmins(c.hub)
	server := &http.Server{Handler: site(c, admins, client), ReadHeaderTimeout: 10 * time.Second}
	go ring(ctx, c.hub)       // run's own; ends with ctx
	go server.Serve(listener) // likewise, with Shutdown
	<-ctx.Done()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(c.hub.Shutdown(ctx), admins.Shutdown(ctx), server.Shutdown(ctx))
}
