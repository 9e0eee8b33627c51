package websocket

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
)

// members serves a set of n connections and returns it with the clients' ends, in
// the order of the members.
func (n network) members(t *testing.T, count int, o *AcceptOptions) (*Set, []*Conn, []*Conn) {
	t.Helper()
	set, opened := &Set{}, make(chan *Conn, 1)
	url := n.serve(t, &Handler{Options: o, OnOpen: func(c *Conn, _ *http.Request) {
		set.Add(c)
		opened <- c
	}})
	var servers, clients []*Conn
	for range count {
		clients = append(clients, n.dial(t, url))
		servers = append(servers, <-opened)
	}
	return set, servers, clients
}

func TestASetSendsToItsMembers(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		set, servers, clients := n.members(t, 4, nil)
		set.Broadcast(Message{Text, []byte("all")})
		set.Send(Prepare(Message{Text, []byte("but the second")}), servers[1])
		set.Remove(servers[2])
		set.Broadcast(Message{Text, []byte("but the third")})
		set.Add(servers[2])
		set.Broadcast(Message{Text, []byte("the end")})
		for i, c := range clients {
			wantMessage(t, c, Text, "all")
			if i != 1 {
				wantMessage(t, c, Text, "but the second")
			}
			if i != 2 {
				wantMessage(t, c, Text, "but the third")
			}
			wantMessage(t, c, Text, "the end")
		}
	})
}

func TestASetKnowsItsMembers(t *testing.T) {
	set, servers, _ := networks[0].members(t, 3, nil)
	if set.Add(servers[0]) {
		t.Error("Add of a member: got true, want false")
	}
	if !set.Remove(servers[0]) || set.Remove(servers[0]) {
		t.Error("Remove, twice: got anything but true, then false")
	}
	if got := slices.Collect(set.All()); set.Len() != 2 || len(got) != 2 || slices.Contains(got, servers[0]) {
		t.Errorf("got %d members, %v among them, want the two others", set.Len(), servers[0])
	}
	for range set.All() { // leaving early is allowed, and so is changing the set meanwhile
		set.Remove(servers[1])
		break
	}
	if set.Len() != 1 {
		t.Errorf("got %d members, want 1", set.Len())
	}
	servers[2].CloseNow()
	if set.Len() != 0 || set.Add(servers[2]) {
		t.Errorf("a connection that has ended: %d members, want none, and none to be added", set.Len())
	}
}

// Send, Add and Remove may meet in any way.
func TestASetChangesWhileItIsSentTo(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		set, servers, clients := n.members(t, 4, nil)
		for _, c := range clients {
			go func() {
				for range c.Messages(context.Background()) {
				}
			}()
		}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for range 500 {
					switch c := servers[i%4]; i % 4 {
					case 0, 1:
						set.Remove(c)
						set.Add(c)
					default:
						set.Broadcast(Message{Text, []byte("hi")})
					}
				}
			})
		}
		all.Wait()
		if set.Len() != 4 {
			t.Errorf("got %d members, want 4", set.Len())
		}
	})
}

// The connection that sends to its own set finds out at that very moment that it
// has been lost.
func TestASetIsLeftInTheMiddleOfSending(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		set, ended := &Set{}, make(chan struct{})
		handling, gone := make(chan struct{}), make(chan struct{})
		peer := n.raw(t, n.serve(t, &Handler{
			Options: &AcceptOptions{Limits: &Limits{QueueBytes: 64 << 20}},
			OnOpen:  func(c *Conn, _ *http.Request) { set.Add(c) },
			OnMessage: func(c *Conn, _ Message) {
				close(handling)
				<-gone
				p := Prepare(Message{Binary, make([]byte, 16<<10)})
				for range 1000 {
					set.Send(p)
				}
			},
			OnClose: func(*Conn, StatusCode, string) { close(ended) },
		}))
		peer.send(maskedText("go"))
		<-handling
		peer.nc.Close()
		close(gone)
		<-ended
		if set.Len() != 0 {
			t.Errorf("got %d members, want none", set.Len())
		}
	})
}

func TestASetFramesAndCompressesOnce(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		t.Run(fmt.Sprintf("takeover %v", takeover), func(t *testing.T) {
			overEach(t, func(t *testing.T, n network) {
				o := &Compression{ContextTakeover: takeover}
				set, _, plain := n.members(t, 2, &AcceptOptions{Compression: o})
				p := Prepare(Message{Text, bytes.Repeat([]byte("compressible "), 100)})
				set.Send(p)
				for _, c := range plain {
					wantMessage(t, c, Text, string(p.payload()))
				}
			})
		})
	}
}
