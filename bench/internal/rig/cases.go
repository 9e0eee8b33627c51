//go:build linux

package rig

import (
	"fmt"
	"slices"
	"time"
)

// Cases returns all cases in the order of the report. Short ones are measured for
// less time, and some are extra.
func Cases(short bool) []Case {
	cases := slices.Concat(echoCases(), twoCoreCases(), broadcastCases(), deflateCases(), otherCases(), hubCases())
	for i := range cases {
		c := &cases[i]
		if c.Cores == 0 {
			c.Cores = 1
		}
		if c.Warm == 0 {
			c.Warm = 150 * time.Millisecond
		}
		if c.Measure == 0 {
			c.Measure = 500 * time.Millisecond
		}
		if short {
			c.Warm /= 2
			c.Measure /= 2
			c.Extra = c.Extra || c.Kind == Echo && (c.Size == 16 || c.Size != 125 && c.Conns == 1000)
		}
	}
	return cases
}

// The servers of most cases: the bare echoes, Parley in two ways, and the field.
var (
	floors = []string{floor, floorNet}
	ours   = []string{parley, parleyAccept}
	field  = []string{gws, gorilla, coder, gobwas, gobwasEpoll, nodeWS}
	hubs   = []string{hubJSON, hubMsgpack, hubSocketIO}
)

// echoCases are messages of all sizes, few connections and many, one message in
// flight on each or sixteen.
func echoCases() (cases []Case) {
	for _, depth := range []int{1, 16} {
		for _, size := range []int{16, 125, 1 << 10, 16 << 10} {
			for _, conns := range []int{100, 1000} {
				cases = append(cases, echo(size, conns, depth, slices.Concat(floors, ours, field)))
			}
		}
	}
	for _, conns := range []int{100, 1000} {
		c := echo(1<<20, conns, 1, slices.Concat(floors, ours, field))
		c.Measure = max(time.Second, time.Duration(conns)*5*time.Millisecond/2) // each connection has several turns
		c.Extra = conns == 1000
		cases = append(cases, c)
	}
	return cases
}

func echo(size, conns, depth int, servers []string) Case {
	return Case{Name: fmt.Sprintf("echo/%s/c%d/d%d", bytes(size), conns, depth), Kind: Echo,
		Size: size, Conns: conns, Depth: depth, Servers: servers}
}

func twoCoreCases() (cases []Case) {
	for _, conns := range []int{100, 1000} {
		c := echo(125, conns, 1, slices.Concat(floors, ours, []string{gws, gorilla, coder, gobwas, gobwasEpoll}))
		c.Name = fmt.Sprintf("two-cores/125B/c%d/d1", conns)
		c.Cores = 2
		cases = append(cases, c)
	}
	return cases
}

func broadcastCases() (cases []Case) {
	for _, burst := range []int{1, 16} {
		cases = append(cases, Case{Name: fmt.Sprintf("broadcast/125B/c5000/burst%d", burst), Kind: Broadcast,
			Size: 125, Conns: 5000, Depth: burst, Servers: slices.Concat(ours, field),
			Warm: 300 * time.Millisecond, Measure: 700 * time.Millisecond})
	}
	return cases
}

// deflateCases are compressed echoes, and what their connections keep.
func deflateCases() (cases []Case) {
	for _, context := range []string{"fresh", "takeover"} {
		c := echo(1<<10, 100, 1, slices.Concat(ours, []string{gws, gorilla, coder, gobwas, nodeWS}))
		c.Name, c.Deflate = "deflate/"+context, context
		cases = append(cases, c)
	}
	return append(cases, Case{Name: "idle/takeover/c1000", Kind: Idle, Size: 1 << 10, Conns: 1000, Depth: 4,
		Deflate: "takeover", Servers: slices.Concat(ours, []string{gws, gorilla, coder, nodeWS})})
}

func otherCases() []Case {
	calls := echo(125, 100, 1, slices.Concat(floors, ours, field))
	calls.Name, calls.Kind, calls.Once = "calls/125B/c100/d1", Calls, true
	calls16 := calls
	calls16.Name, calls16.Depth = "calls/125B/c100/d16", 16
	return []Case{
		{Name: "handshake", Kind: Handshake, Conns: 64, Servers: slices.Concat(ours, field)},
		{Name: "busy/125B/c1000", Kind: Busy, Size: 125, Conns: 1000, Depth: 1, Servers: slices.Concat(floors, ours),
			Warm: 300 * time.Millisecond, Measure: 1500 * time.Millisecond},
		{Name: "idle/c10000", Kind: Idle, Size: 125, Conns: 10000, Depth: 1, Servers: slices.Concat(ours, field)},
		calls, calls16,
	}
}

// hubCases are what a hub does beside the bare WebSocket that it stands on, and beside
// what Node has of both.
func hubCases() (cases []Case) {
	besideHubs := slices.Concat([]string{parley}, hubs, []string{nodeWS, nodeSocketIO})
	for _, depth := range []int{1, 16} {
		for _, conns := range []int{100, 1000} {
			c := echo(125, conns, depth, besideHubs)
			c.Name = "hub/" + c.Name
			cases = append(cases, c)
		}
	}
	for _, burst := range []int{1, 16} {
		cases = append(cases, Case{Name: fmt.Sprintf("hub/broadcast/125B/c1000/burst%d", burst), Kind: Broadcast,
			Size: 125, Conns: 1000, Depth: burst, Servers: besideHubs})
	}
	for _, depth := range []int{1, 16} {
		c := echo(125, 100, depth, besideHubs)
		c.Name, c.Kind, c.Once = fmt.Sprintf("hub/calls/125B/c100/d%d", depth), Calls, true
		cases = append(cases, c)
	}
	return append(cases, Case{Name: "hub/idle/c5000", Kind: Idle, Size: 125, Conns: 5000, Depth: 1, Servers: besideHubs})
}
