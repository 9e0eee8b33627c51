//go:build linux

package rig

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/bench/internal/load"
)

// Rig runs cases and keeps what they showed.
type Rig struct {
	Cases       []Case
	Repetitions int
	Profiles    string    // folder for profiles of the servers; empty: none are made
	Old         string    // another build of this program, whose Parley runs under names with "old"; empty: none
	NodeDir     string    // where the servers for Node are; they must be installed
	Progress    io.Writer // hears of every run

	program string
	runs    int // so far, of all
	total   int
	spare   int // runs that may be done again
	results Results
}

// Results are the samples of every case, server and repetition.
type Results map[string]map[string][]Run

// Run is one run: a sample, or why there is none.
type Run struct {
	Sample Sample
	Failed string // empty: it did not
}

// Select keeps the cases whose names match, nil for all but the extra ones, and in
// them the servers that may run.
func Select(cases []Case, name *regexp.Regexp, may func(server string) bool) []Case {
	var selected []Case
	for _, c := range cases {
		if name == nil && c.Extra || name != nil && !name.MatchString(c.Name) {
			continue
		}
		c.Servers = slices.DeleteFunc(slices.Clone(c.Servers), func(s string) bool { return !may(s) })
		if len(c.Servers) > 0 {
			selected = append(selected, c)
		}
	}
	return selected
}

// AddOld lets an older build of Parley take part wherever Parley does.
func AddOld(cases []Case) {
	for i := range cases {
		for _, old := range slices.Sorted(maps.Keys(olds)) {
			if slices.Contains(cases[i].Servers, olds[old]) {
				cases[i].Servers = append(cases[i].Servers, old)
			}
		}
	}
}

// Run runs all cases as often as there are repetitions. A repetition of a case
// goes through its servers in another order each time. It must be the only
// thing that the process does.
func (r *Rig) Run() (Results, error) {
	var err error
	if r.program, err = os.Executable(); err != nil {
		return nil, err
	}
	r.results = make(Results)
	for _, c := range r.Cases {
		r.results[c.Name] = make(map[string][]Run)
		r.total += len(c.Servers) * c.repetitions(r.Repetitions)
	}
	if r.Repetitions > 1 {
		r.spare = r.total / 5
	}
	debug.SetGCPercent(-1) // collected between runs only
	for n := range r.Repetitions {
		for i := range r.Cases {
			if c := &r.Cases[i]; n < c.repetitions(r.Repetitions) {
				r.repeat(c, n)
			}
		}
	}
	return r.results, nil
}

func (c *Case) repetitions(asked int) int {
	if c.Once {
		return 1
	}
	return asked
}

// repeat lets each server do a case once.
func (r *Rig) repeat(c *Case, n int) {
	for i := range c.Servers {
		server := c.Servers[(i+n)%len(c.Servers)]
		r.runs++
		run := r.try(c, server)
		for range 2 {
			if r.spare == 0 || !c.disturbed(run) {
				break
			}
			r.spare--
			if again := r.try(c, server); again.work() > run.work() {
				run = again
			}
		}
		r.results[c.Name][server] = append(r.results[c.Name][server], run)
	}
}

// try runs one server at one case.
func (r *Rig) try(c *Case, server string) Run {
	s, err := r.one(c, server)
	run := Run{Sample: s}
	if err != nil {
		run = Run{Failed: err.Error()}
	}
	fmt.Fprintf(r.Progress, "%4d/%d  %-24s %-14s %s\n", r.runs, r.total, c.Name, server, c.line(run))
	runtime.GC()
	return run
}

// disturbed tells whether other programs had the processors in a run: as the client
// never waits, either it or the server should have worked all the time.
func (c *Case) disturbed(run Run) bool {
	saturated := c.Kind == Echo || c.Kind == Broadcast || c.Kind == Handshake
	return saturated && c.Cores == 1 && run.Failed == "" && run.work() < 0.85
}

// work is the share of the time that the busier end of a run worked.
func (r Run) work() float64 { return max(r.Sample.ServerLoad, r.Sample.ClientLoad) }

// line tells of one run what its kind of case is about.
func (c *Case) line(r Run) string {
	if r.Failed != "" {
		return "failed: " + r.Failed
	}
	s := r.Sample
	switch c.Kind {
	case Idle:
		return fmt.Sprintf("%6.0f B resident, %6.0f B settled, %6.0f B heap", s.Resident, s.Settled, s.Heap)
	case Busy:
		return fmt.Sprintf("median %v, p99 %v", s.Median.Round(time.Microsecond), s.P99.Round(time.Microsecond))
	case Calls:
		return fmt.Sprintf("%.2f system calls", s.Calls)
	}
	line := fmt.Sprintf("%8.0f ns  %8.0f/s  server %3.0f %%  client %3.0f %%", s.CPU, s.Rate, 100*s.ServerLoad, 100*s.ClientLoad)
	if c.Deflate != "" {
		line += fmt.Sprintf("  answers of %.0f B", s.Answer)
	}
	return line
}

// one runs one server at one case.
func (r *Rig) one(c *Case, server string) (s Sample, err error) {
	serverCores, clientCores := cores(c.Cores)
	if err := load.Pin(clientCores...); err != nil {
		return s, err
	}
	profile := r.profile(c, server)
	command := c.command(r.program, server, profile)
	if today, ok := olds[server]; ok {
		command = c.command(r.Old, today, profile)
	}
	if nodePrograms[server] != "" {
		command, c = c.nodeCommand(r.NodeDir, server), c.warmer()
	}
	p, err := start(command, serverCores)
	if err != nil {
		return s, err
	}
	defer p.stop()
	return measures[c.Kind](c, server, p)
}

// profile is where the server leaves its profiles, without .cpu and .heap, or "".
func (r *Rig) profile(c *Case, server string) string {
	if r.Profiles == "" {
		return ""
	}
	return filepath.Join(r.Profiles, strings.ReplaceAll(c.Name, "/", "-")+"-"+server)
}
