//go:build linux

package rig

import (
	"fmt"
	"regexp"
	"strings"
)

// A Target is what Parley is to reach in some cases.
type Target struct {
	About   string // the cases, in words
	Words   string // the target, in words
	Cases   *regexp.Regexp
	Server  string   // which of Parley's ways it is about; empty: both
	Against []string // servers; the figure is the ratio to each
	Beyond  string   // server; the figure is what is above its own; neither this nor Against: it is absolute
	Metric  Metric
	Max     float64
	Below   bool    // it must be less than Max, not just no more
	Stop    float64 // beyond it the target is missed badly; zero: there is none
	Unit    string  // of a figure that is no ratio
}

// level is how far from another's figure one of ours may be to be level with it.
const level = 1.10

var threeRivals = []string{gws, gorilla, coder}

// A group of targets is about the same servers of Parley's.
type group struct {
	title   string
	servers []string
	columns []string // the servers, in words
	targets []Target
}

func groups() []group {
	return []group{
		{"Targets", ours, []string{"Handler", "Accept + Messages"}, Targets()},
		{"Targets of the hub", []string{hubJSON, hubMsgpack}, []string{"SignalR, json", "SignalR, messagepack"}, HubTargets()},
		{"Targets of Socket.IO", []string{hubSocketIO}, []string{"Parley"}, SocketIOTargets()},
	}
}

// Targets are those of the engine, in the order of the report.
//
//house:table
func Targets() []Target {
	cases := regexp.MustCompile
	small1, small16 := cases(`^echo/(16B|125B|1024B)/.*/d1$`), cases(`^echo/(16B|125B|1024B)/.*/d16$`)
	return []Target{
		{About: "echo 16 B–1 KiB, one in flight, 100 and 1,000 connections", Words: "≤ 1.10 × floor (stop at 1.20)",
			Cases: small1, Metric: CPU, Against: []string{floor}, Max: 1.10, Stop: 1.20},
		{About: "the same", Words: "≤ 0.85 × gws, gorilla, coder",
			Cases: small1, Metric: CPU, Against: threeRivals, Max: 0.85},
		{About: "echo 16 B–1 KiB, 16 in flight", Words: "≤ 1.15 × floor",
			Cases: small16, Metric: CPU, Against: []string{floor}, Max: 1.15},
		{About: "the same", Words: "≤ 0.10 × gws, gorilla, coder",
			Cases: small16, Metric: CPU, Against: threeRivals, Max: 0.10},
		{About: "the same", Words: "ahead of gobwas with hand-made batching",
			Cases: small16, Metric: CPU, Against: []string{gobwas}, Max: 1, Below: true},
		{About: "echo 16 KiB, one in flight", Words: "≤ 0.85 × gws",
			Cases: cases(`^echo/16KiB/.*/d1$`), Metric: CPU, Against: []string{gws}, Max: 0.85},
		{About: "echo 16 KiB, 16 in flight", Words: "level with gobwas on epoll",
			Cases: cases(`^echo/16KiB/.*/d16$`), Metric: CPU, Against: []string{gobwasEpoll}, Max: level},
		{About: "echo 1 MiB", Words: "level with the best",
			Cases: cases(`^echo/1MiB/`), Metric: CPU, Against: field, Max: level},
		{About: "broadcast to 5,000, one at a time", Words: "≤ 0.85 × gorilla's prepared messages",
			Cases: cases(`^broadcast/.*burst1$`), Metric: CPU, Against: []string{gorilla}, Max: 0.85},
		{About: "broadcast to 5,000, bursts of 16", Words: "≤ 0.15 × gorilla's prepared messages",
			Cases: cases(`^broadcast/.*burst16$`), Metric: CPU, Against: []string{gorilla}, Max: 0.15},
		{About: "idle, 10,000 connections through net/http, after one message each", Words: "≤ 1 KiB resident with Handler",
			Cases: cases(`^idle/c`), Server: parley, Metric: Resident, Max: 1024, Unit: "B"},
		{About: "the same", Words: "≤ 512 B live heap with Handler",
			Cases: cases(`^idle/c`), Server: parley, Metric: Heap, Max: 512, Unit: "B"},
		{About: "the same", Words: "≤ 4.5 KiB resident with Accept",
			Cases: cases(`^idle/c`), Server: parleyAccept, Metric: Resident, Max: 4.5 * 1024, Unit: "B"},
		{About: "handshake through net/http", Words: "≤ gws and gorilla",
			Cases: cases(`^handshake$`), Metric: CPU, Against: []string{gws, gorilla}, Max: 1},
		{About: "beside a goroutine that keeps the processor busy: median echo latency", Words: "≤ 0.10 × a net.Conn echo",
			Cases: cases(`^busy/`), Metric: Median, Against: []string{floorNet}, Max: 0.10},
		{About: "permessage-deflate, no takeover", Words: "≤ 0.9 × gws",
			Cases: cases(`^deflate/fresh$`), Metric: CPU, Against: []string{gws}, Max: 0.9},
		{About: "permessage-deflate with takeover", Words: "≤ gws",
			Cases: cases(`^deflate/takeover$`), Metric: CPU, Against: []string{gws}, Max: 1},
		{About: "the same, idle after use", Words: "≤ 10 KiB resident",
			Cases: cases(`^idle/takeover`), Metric: Resident, Max: 10 * 1024, Unit: "B"},
		{About: "system calls per echo, one in flight", Words: "≤ 2.1",
			Cases: cases(`^calls/.*/d1$`), Metric: SysCalls, Max: 2.1},
		{About: "system calls per echo, 16 in flight", Words: "≤ 0.15",
			Cases: cases(`^calls/.*/d16$`), Metric: SysCalls, Max: 0.15},
		{About: "two cores, one in flight", Words: "≤ 0.75 × gws, gorilla, coder",
			Cases: cases(`^two-cores/`), Metric: CPU, Against: threeRivals, Max: 0.75},
		{About: "allocations per echoed message", Words: "0",
			Cases: cases(`^echo/(16B|125B|1024B)/`), Metric: Allocs, Max: 0.005},
	}
}

// HubTargets are those of the hub and its protocols, in the order of the report. What
// they cost stands above the engine's echo of the same text.
func HubTargets() []Target {
	cases := regexp.MustCompile
	return []Target{
		{About: "invocation of 125 B, one in flight, 100 and 1,000 connections", Words: "≤ 3 µs beyond a raw echo",
			Cases: cases(`^hub/echo/.*/d1$`), Metric: CPU, Beyond: parley, Max: 3000, Unit: "ns"},
		{About: "the same", Words: "≤ 10 allocations beyond a raw echo",
			Cases: cases(`^hub/echo/.*/d1$`), Metric: Allocs, Beyond: parley, Max: 10},
		{About: "invocation of 125 B, 16 in flight", Words: "≤ 2.5 µs in all",
			Cases: cases(`^hub/echo/.*/d16$`), Metric: CPU, Max: 2500, Unit: "ns"},
		{About: "delivery to a group of 1,000, bursts of 16", Words: "≤ 1 µs in all",
			Cases: cases(`^hub/broadcast/.*burst16$`), Metric: CPU, Max: 1000, Unit: "ns"},
		{About: "idle, 5,000 connections, after one invocation each", Words: "≤ 2 KiB resident beyond a raw WebSocket, at once",
			Cases: cases(`^hub/idle/`), Metric: Resident, Beyond: parley, Max: 2048, Unit: "B"},
		{About: "the same", Words: "≤ 2 KiB resident beyond a raw WebSocket, settled",
			Cases: cases(`^hub/idle/`), Metric: Settled, Beyond: parley, Max: 2048, Unit: "B"},
	}
}

// SocketIOTargets are those of Socket.IO's protocol, next to the reference server.
func SocketIOTargets() []Target {
	cases := regexp.MustCompile
	reference := []string{nodeSocketIO}
	return []Target{
		{About: "event of 125 B with an acknowledgement, one in flight, 100 and 1,000 connections", Words: "≤ 0.75 × the reference",
			Cases: cases(`^hub/echo/.*/d1$`), Metric: CPU, Against: reference, Max: 0.75},
		{About: "the same, 16 in flight", Words: "≤ 0.20 × the reference",
			Cases: cases(`^hub/echo/.*/d16$`), Metric: CPU, Against: reference, Max: 0.20},
		{About: "delivery to a room of 1,000, one at a time", Words: "≤ 0.65 × the reference",
			Cases: cases(`^hub/broadcast/.*burst1$`), Metric: CPU, Against: reference, Max: 0.65},
		{About: "the same, bursts of 16", Words: "≤ 0.12 × the reference",
			Cases: cases(`^hub/broadcast/.*burst16$`), Metric: CPU, Against: reference, Max: 0.12},
		{About: "idle, 5,000 connections, after one event each", Words: "≤ 0.15 × the reference, resident at once",
			Cases: cases(`^hub/idle/`), Metric: Resident, Against: reference, Max: 0.15},
		{About: "the same", Words: "≤ 0.15 × the reference, resident settled",
			Cases: cases(`^hub/idle/`), Metric: Settled, Against: reference, Max: 0.15},
	}
}

// Verdict is how one of Parley's servers stands to a target.
type Verdict struct {
	Figures int     // that were compared; none if nothing ran
	Missed  int     // of those, the ones that are over the target
	Failed  int     // runs of which there is no figure
	Worst   float64 // figure
	At      string  // the case and rival of the worst
}

// judge compares a server's figures with a target.
func (t *Target) judge(r Results, cases []Case, server string) (v Verdict) {
	for i := range cases {
		c := &cases[i]
		if !t.Cases.MatchString(c.Name) || t.Server != "" && t.Server != server {
			continue
		}
		v.Failed += len(r.Failures(c.Name, server))
		for _, f := range t.figures(r, c, server) {
			v.Figures++
			if t.misses(f.value) {
				v.Missed++
			}
			if v.Figures == 1 || f.value > v.Worst {
				v.Worst, v.At = f.value, f.at
			}
		}
	}
	return v
}

type figure struct {
	value float64
	at    string
}

// figures returns what a target compares in one case.
func (t *Target) figures(r Results, c *Case, server string) (figures []figure) {
	if len(t.Against) == 0 {
		value, ok := r.Median(c.Name, server, t.Metric)
		if t.Beyond != "" {
			value, ok = r.Beyond(c.Name, server, t.Beyond, t.Metric)
		}
		if ok {
			figures = append(figures, figure{value, c.Name})
		}
	}
	for _, rival := range t.Against {
		if ratio, ok := r.Ratio(c.Name, server, rival, t.Metric); ok {
			figures = append(figures, figure{ratio, c.Name + " to " + rival})
		}
	}
	return figures
}

func (t *Target) misses(figure float64) bool {
	return figure > t.Max || t.Below && figure == t.Max
}

// say puts a verdict in words.
func (t *Target) say(v Verdict) string {
	switch {
	case v.Figures == 0 && v.Failed > 0:
		return fmt.Sprintf("unknown: %d runs failed", v.Failed)
	case v.Figures == 0:
		return ""
	}
	var b strings.Builder
	switch {
	case v.Missed == 0:
		fmt.Fprintf(&b, "met: %s", t.format(v.Worst))
	default:
		fmt.Fprintf(&b, "missed by %s: %s", t.format(v.Worst-t.Max), t.format(v.Worst))
	}
	if t.Stop > 0 && v.Worst > t.Stop {
		b.WriteString(", beyond the stop")
	}
	switch {
	case v.Figures == 1:
	case v.Missed == 0:
		fmt.Fprintf(&b, ", the worst of %d (%s)", v.Figures, v.At)
	default:
		fmt.Fprintf(&b, " (%s; %d of %d missed)", v.At, v.Missed, v.Figures)
	}
	if v.Failed > 0 {
		fmt.Fprintf(&b, "; %d runs failed", v.Failed)
	}
	return b.String()
}

func (t *Target) format(figure float64) string {
	if t.Unit != "" {
		return fmt.Sprintf("%.0f %s", figure, t.Unit)
	}
	return fmt.Sprintf("%.2f", figure)
}
