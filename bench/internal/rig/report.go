//go:build linux

package rig

import (
	_ "embed"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

//go:embed method.md
var method string

// Report is what a comparison showed.
type Report struct {
	Machine     Machine
	Date        time.Time
	Took        time.Duration
	Repetitions int
	Weight      string // what the kernel's scheduler granted, in words
	Cases       []Case
	Results     Results
	LeftOut     []string // what did not run, and why
}

// Write writes the report in Markdown: targets first, then all figures.
func (r *Report) Write(w io.Writer) {
	fmt.Fprint(w, "# Benchmarks\n\nWritten by `make bench`. Read the ratios: the nanoseconds are those of one machine on one day.\n\n")
	r.writeMachine(w)
	r.Figures(w)
	fmt.Fprint(w, method)
}

func (r *Report) writeMachine(w io.Writer) {
	fmt.Fprintf(w, "%s.\n\n", r.circumstances())
	fmt.Fprintf(w, "Compared: %s.\n\n", r.Machine.versions())
}

// circumstances are where and when it was measured, in a sentence without its stop.
func (r *Report) circumstances() string {
	return fmt.Sprintf("%s. %s, %d repetitions in %v, %s", r.Machine, r.Date.Format("2 January 2006"), r.Repetitions,
		r.Took.Round(time.Second), r.Weight)
}

// Figures writes the targets and all tables for which something ran.
func (r *Report) Figures(w io.Writer) {
	r.writeTargets(w)
	for _, line := range r.LeftOut {
		fmt.Fprintf(w, "Left out: %s\n\n", line)
	}
	for _, s := range sections {
		r.writeSection(w, &s)
	}
	r.writeFailures(w)
}

func (r *Report) writeTargets(w io.Writer) {
	for _, g := range groups() {
		t := table{append([]string{"case", "target"}, g.columns...)}
		for _, target := range g.targets {
			row := []string{target.About, target.Words}
			for _, server := range g.servers {
				row = append(row, target.say(target.judge(r.Results, r.Cases, server)))
			}
			if strings.Join(row[2:], "") != "" {
				t = append(t, row)
			}
		}
		if len(t) > 1 {
			fmt.Fprintf(w, "## %s\n\n", g.title)
			t.write(w)
		}
	}
}

const failures = "Runs that failed"

func (r *Report) writeFailures(w io.Writer) {
	t := table{{"case", "server", "failed"}}
	for i := range r.Cases {
		c := &r.Cases[i]
		for _, server := range c.Servers {
			for _, reason := range r.Results.Failures(c.Name, server) {
				t = append(t, []string{c.Name, server, reason})
			}
		}
	}
	if len(t) > 1 {
		fmt.Fprintf(w, "## %s\n\n", failures)
		t.write(w)
	}
}

// A section is a group of cases and the tables of their figures.
type section struct {
	title string
	about string
	cases *regexp.Regexp
	views []view
}

// A view is one table of a section: cases by servers.
type view struct {
	title string
	cell  func(r Results, c *Case, server string) string
}

var sections = []section{
	{"Echo on one core", "CPU per message.", regexp.MustCompile(`^echo/`),
		[]view{ratioTo(floor), ratioTo(gws), costs, {"Server and client at work, %", atWork}, allocations}},
	{"Echo on two cores", "CPU per message.", regexp.MustCompile(`^two-cores/`),
		[]view{ratioTo(floor), ratioTo(gws), costs, {"Server and client at work, %", atWork}}},
	{"Broadcast", "One publisher, 5,000 subscribers: CPU per delivery.", regexp.MustCompile(`^broadcast/`),
		[]view{ratioTo(gorilla), costs, {"Deliveries per second", rate}, {"Server and client at work, %", atWork}}},
	{"Handshake", "Connect, upgrade, reset, 64 at once: CPU per connection.", regexp.MustCompile(`^handshake$`),
		[]view{ratioTo(gws), costs, {"Handshakes per second", rate}, {"Server and client at work, %", atWork}}},
	{"permessage-deflate", "Echo of 1 KiB of JSON over 100 connections, without context takeover (`fresh`) and with it where the server grants it: CPU per message.",
		regexp.MustCompile(`^deflate/`), []view{ratioTo(gws), costs, {"Bytes of an answer", answerBytes}, {"Server and client at work, %", atWork}}},
	{"Idle connections", "`takeover`: after four compressed messages of 1 KiB each.", regexp.MustCompile(`^idle/`),
		[]view{{"Resident bytes per connection, at once", figureOf(Resident, "%.0f")}, {"Resident bytes per connection, settled", figureOf(Settled, "%.0f")},
			{"Live heap, bytes per connection", figureOf(Heap, "%.0f")},
			{"Goroutines and bytes of stack per connection", stacks}}},
	{"Beside a busy goroutine", "Median latency of an echo.", regexp.MustCompile(`^busy/`),
		[]view{{"Ratio to floor-net", ratioOf(Median, floorNet)}, {"Median and 99th percentile", latency}}},
	{"System calls", "For each echo of 125 B, 100 connections.", regexp.MustCompile(`^calls/`),
		[]view{{"", figureOf(SysCalls, "%.2f")}}},
	{"Invocations", "A hub's method that returns its argument, a text of 125 B, called over SignalR and, as an event with an acknowledgement, over Socket.IO, next to an echo of the same text on a bare WebSocket (`parley`), and the same in Node: CPU per call.",
		regexp.MustCompile(`^hub/echo/`),
		[]view{costs, ratioTo(nodeSocketIO), beyond("Nanoseconds beyond the bare echo", CPU, "%.0f"), {"Calls per second", rate}, {"Server and client at work, %", atWork},
			allocations, beyond("Allocations beyond the bare echo", Allocs, "%.2f")}},
	{"Group", "A call that sends an event to a group of 1,000, next to a `websocket.Set`, and the same in Node: CPU per delivery.", regexp.MustCompile(`^hub/broadcast/`),
		[]view{costs, ratioTo(nodeSocketIO), beyond("Nanoseconds beyond the bare broadcast", CPU, "%.0f"), {"Deliveries per second", rate}, {"Server and client at work, %", atWork},
			allocations}},
	{"System calls of a hub", "For each invocation.", regexp.MustCompile(`^hub/calls/`),
		[]view{{"", figureOf(SysCalls, "%.2f")}}},
	{"Idle connections of a hub", "After one call each, in a group.", regexp.MustCompile(`^hub/idle/`),
		[]view{{"Resident bytes per connection, at once", figureOf(Resident, "%.0f")}, beyond("At once, beyond a bare WebSocket", Resident, "%.0f"),
			{"Resident bytes per connection, settled", figureOf(Settled, "%.0f")}, beyond("Settled, beyond a bare WebSocket", Settled, "%.0f"),
			{"Live heap, bytes per connection", figureOf(Heap, "%.0f")}, {"Goroutines and bytes of stack per connection", stacks}}},
}

var (
	costs       = view{"Nanoseconds", figureOf(CPU, "%.0f")}
	allocations = view{"Allocations per message", figureOf(Allocs, "%.2f")}
)

func ratioTo(server string) view { return view{"Ratio to " + server, ratioOf(CPU, server)} }

func ratioOf(m Metric, to string) func(Results, *Case, string) string {
	return func(r Results, c *Case, server string) string {
		if ratio, ok := r.Ratio(c.Name, server, to, m); ok {
			return fmt.Sprintf("%.2f", ratio)
		}
		return ""
	}
}

// bare has the bare WebSocket server that a hub stands on.
var bare = map[string]string{hubJSON: parley, hubMsgpack: parley, hubSocketIO: parley, nodeSocketIO: nodeWS,
	"old-hub-json": "old", "old-hub-msgpack": "old", "old-hub-socketio": "old"}

// beyond is what hubs have above the bare server that they stand on.
func beyond(title string, m Metric, verb string) view {
	return view{title, func(r Results, c *Case, server string) string {
		if v, ok := r.Beyond(c.Name, server, bare[server], m); ok {
			return fmt.Sprintf(verb, v+0)
		}
		return ""
	}}
}

func figureOf(m Metric, verb string) func(Results, *Case, string) string {
	return func(r Results, c *Case, server string) string {
		if v, ok := r.Median(c.Name, server, m); ok && v >= 0 {
			return fmt.Sprintf(verb, v+0) // no minus zero
		}
		return ""
	}
}

// pairOf is two figures in a cell.
func pairOf(verb string, a, b func(Sample) float64) func(Results, *Case, string) string {
	return func(r Results, c *Case, server string) string {
		x, ok := r.Median(c.Name, server, Metric{Of: a})
		y, _ := r.Median(c.Name, server, Metric{Of: b})
		if !ok {
			return ""
		}
		return fmt.Sprintf(verb, x, y)
	}
}

var (
	rate        = figureOf(Metric{Of: func(s Sample) float64 { return s.Rate }}, "%.0f")
	answerBytes = figureOf(Metric{Of: func(s Sample) float64 { return s.Answer }}, "%.0f")
	atWork      = pairOf("%.0f / %.0f", func(s Sample) float64 { return 100 * s.ServerLoad }, func(s Sample) float64 { return 100 * s.ClientLoad })
	stacks      = pairOf("%.2f, %.0f B", func(s Sample) float64 { return s.Goroutines }, func(s Sample) float64 { return s.Stack })
	latency     = pairOf("%.2f, %.2f ms", func(s Sample) float64 { return s.Median.Seconds() * 1e3 }, func(s Sample) float64 { return s.P99.Seconds() * 1e3 })
)

func (r *Report) writeSection(w io.Writer, s *section) {
	cases := slices.DeleteFunc(slices.Clone(r.Cases), func(c Case) bool { return !s.cases.MatchString(c.Name) })
	if len(cases) == 0 {
		return
	}
	fmt.Fprintf(w, "## %s\n\n%s\n\n", s.title, s.about)
	for _, v := range s.views {
		t := r.view(cases, &v)
		if len(t) > 1 && v.title != "" {
			fmt.Fprintf(w, "%s:\n\n", v.title)
		}
		t.write(w)
	}
}

// view makes a table of the cases by all servers that take part in one of them;
// rows of which nothing is known are left out.
func (r *Report) view(cases []Case, v *view) table {
	var servers []string
	for _, c := range cases {
		for _, s := range c.Servers {
			if !slices.Contains(servers, s) {
				servers = append(servers, s)
			}
		}
	}
	t := table{append([]string{"case"}, servers...)}
	for i := range cases {
		row := []string{cases[i].Name}
		for _, s := range servers {
			row = append(row, v.cell(r.Results, &cases[i], s))
		}
		if strings.Join(row[1:], "") != "" {
			t = append(t, row)
		}
	}
	return t
}
