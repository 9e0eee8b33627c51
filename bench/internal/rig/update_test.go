//go:build linux

package rig

import (
	"strings"
	"testing"
	"time"
)

// A comparison of some cases changes those sections of a report that it has measured
// whole, and leaves the others and what stands before them.
func TestAReportIsUpdated(t *testing.T) {
	var cases []Case
	results := make(Results)
	for _, c := range Cases(false) {
		if !strings.HasPrefix(c.Name, "hub/idle/") && c.Name != "busy/125B/c1000" {
			continue
		}
		cases = append(cases, c)
		results[c.Name] = make(map[string][]Run)
		for i, server := range c.Servers {
			if c.Kind == Idle || i > 0 { // one server of the other case is left out
				results[c.Name][server] = []Run{{Sample: Sample{Resident: 4321, Median: time.Millisecond}}}
			}
		}
	}
	report := Report{Cases: cases, Results: results, Repetitions: 1}
	const head, busy = "# Benchmarks\n\nAll of it.\n\n", "## Beside a busy goroutine\n\nof old\n\n"
	got := report.Update(head + "## Idle connections of a hub\n\nof old\n\n" + busy + "## Method\n\nof old\n")
	if !strings.HasPrefix(got, head+busy+"## Idle connections of a hub\n\nMeasured apart from the rest: ") || !strings.Contains(got, "4321") {
		t.Errorf("the section that was measured is not in its place:\n%s", got)
	}
	if strings.Count(got, "of old") != 1 {
		t.Errorf("more is as it was than the section of which a server was left out:\n%s", got)
	}
	if !strings.HasSuffix(got, "\n\n"+method) || strings.Contains(got, "\n\n\n") {
		t.Errorf("the report does not end with the method, or has holes:\n%s", got)
	}
	if again := report.Update(got); again != got {
		t.Errorf("the same comparison again changes the report to\n%s", again)
	}
}
