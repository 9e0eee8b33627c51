//go:build unix

package websocket

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

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
