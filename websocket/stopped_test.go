//go:build unix

package websocket

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// clientEnv makes the test binary a client of the URL in it: the process that one test
// stops and lets go on.
const clientEnv = "PARLEY_WEBSOCKET_CLIENT"

func TestMain(m *testing.M) {
	if at, url, ok := strings.Cut(os.Getenv(clientEnv), " "); ok {
		beClient(at, url)
		return
	}
	os.Exit(m.Run())
}

// beClient reads until the connection ends, and says so.
func beClient(name, url string) {
	for _, n := range networks {
		if n.name != name {
			continue
		}
		n.small = true
		c, err := Dial(context.Background(), url, n.options())
		if err != nil {
			fmt.Println("Dial:", err)
			return
		}
		c.Write(context.Background(), Message{Text, []byte("I am reading")})
		for _, err := range c.Messages(context.Background()) {
			if err != nil {
				fmt.Println("it ended")
			}
		}
	}
}

// kill -STOP of a client: its kernel takes a little more, and then nothing. Nobody else
// notices, and when it comes to it is told.
func TestAStoppedClientHoldsUpNobody(t *testing.T) {
	overEachSmall(t, func(t *testing.T, n network) {
		stats, reading := &Stats{}, make(chan *Conn, 1)
		o := &AcceptOptions{Stats: stats, Limits: &Limits{QueueBytes: 128 << 10}}
		set, _, clients := n.members(t, 3, o)
		url := n.serve(t, &Handler{
			Options:   o,
			OnOpen:    func(c *Conn, _ *http.Request) { set.Add(c) },
			OnMessage: func(c *Conn, _ Message) { reading <- c },
		})
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), clientEnv+"="+n.name+" "+url)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		defer child.Process.Kill()
		stopped := <-reading
		child.Process.Signal(syscall.SIGSTOP)
		p := Prepare(Message{Binary, make([]byte, 16<<10)})
		for rounds := 0; stopped.ended() == nil; rounds++ {
			if rounds == 10_000 {
				t.Fatal("the client that does not read is still there")
			}
			set.Send(p)
			for _, c := range clients {
				if m, err := c.Read(t.Context()); err != nil || len(m.Data) != 16<<10 {
					t.Fatalf("got %d bytes, %v", len(m.Data), err)
				}
			}
		}
		if stopped.ended() != ErrSlow || set.Len() != 3 || drops(stats)["queue_bytes"] != 1 {
			t.Errorf("it ended with %v, %d members are left, %v was counted", stopped.ended(), set.Len(), drops(stats))
		}
		child.Process.Signal(syscall.SIGCONT)
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "it ended\n" {
			t.Errorf("the client said %q, %v, want that it ended", line, err)
		}
		child.Wait()
	})
}
