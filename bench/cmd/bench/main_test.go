//go:build linux

package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/bench/internal/rig"
)

// TestMain lets the test's program be the servers' as well, as the rig starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"pin", "serve"}, os.Args[1]) {
		if err := run(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// One repetition of one tiny case of most kinds goes all the way: processes, load,
// the kernel's accounts, the report.
func TestTheRigMeasures(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or each server would take a second to end
	only := []string{"floor", "parley", "gws", "hub-json", "hub-msgpack", "hub-socketio"}
	cases := rig.Select(rig.Cases(true), regexp.MustCompile(`^((hub/)?(echo/125B/c100/d16|broadcast/.*burst16|idle/c.*)|handshake|busy/.*)$`),
		func(server string) bool { return slices.Contains(only, server) })
	for i := range cases {
		cases[i].Conns = min(cases[i].Conns, 20)
		cases[i].Warm, cases[i].Measure = 5*time.Millisecond, 20*time.Millisecond
	}
	progress := t.Output()
	r := rig.Rig{Cases: cases, Repetitions: 1, Progress: progress}
	results, err := r.Run()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		for _, server := range c.Servers {
			if failures := results.Failures(c.Name, server); len(failures) > 0 {
				t.Errorf("%s, %s: %s", c.Name, server, failures)
			}
		}
	}
	report := rig.Report{Machine: rig.ThisMachine(""), Repetitions: 1, Cases: cases, Results: results}
	var page strings.Builder
	report.Write(&page)
	for _, want := range []string{"## Targets", "## Targets of the hub", "Nanoseconds beyond the bare echo", "## Echo on one core", "## Idle connections", "## Method", "github.com/lxzan/gws"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the report has no %q", want)
		}
	}
}
