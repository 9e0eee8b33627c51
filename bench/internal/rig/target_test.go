//go:build linux

package rig

import (
	"slices"
	"strings"
	"testing"
)

// A target that matches no case, or names a server that the case does not run, would
// never be missed.
func TestTargetsAreAboutCasesThatRun(t *testing.T) {
	cases := Cases(false)
	for _, g := range groups() {
		for _, target := range g.targets {
			matched := 0
			needs := slices.Concat(g.servers, target.Against)
			if target.Beyond != "" {
				needs = append(needs, target.Beyond)
			}
			for _, c := range cases {
				if !target.Cases.MatchString(c.Name) {
					continue
				}
				matched++
				for _, server := range needs {
					if !slices.Contains(c.Servers, server) {
						t.Errorf("%q: %s does not run %s", target.About, c.Name, server)
					}
				}
			}
			if matched == 0 {
				t.Errorf("%q matches no case", target.About)
			}
		}
	}
}

func TestCasesHaveNamesOfTheirOwn(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range Cases(false) {
		if seen[c.Name] {
			t.Errorf("two cases are named %s", c.Name)
		}
		seen[c.Name] = true
		if !slices.ContainsFunc(sections, func(s section) bool { return s.cases.MatchString(c.Name) }) {
			t.Errorf("%s is in no section of the report", c.Name)
		}
	}
}

func TestVerdicts(t *testing.T) {
	results := func(ours, rival float64) Results {
		r := make(Results)
		for _, c := range []string{"echo/16B/c100/d1", "echo/125B/c100/d1"} {
			r[c] = map[string][]Run{parley: {{Sample: Sample{CPU: ours}}}, floor: {{Sample: Sample{CPU: rival}}}}
			ours *= 1.1 // the second case is the worse one
		}
		return r
	}
	cases := []Case{{Name: "echo/16B/c100/d1"}, {Name: "echo/125B/c100/d1"}}
	target := Targets()[0] // ≤ 1.10 × floor, stop at 1.20
	for _, test := range []struct {
		ours float64
		want string
	}{
		{94, "met: 1.03, the worst of 2 (echo/125B/c100/d1 to floor)"},
		{105, "missed by 0.06: 1.16 (echo/125B/c100/d1 to floor; 1 of 2 missed)"},
		{120, "missed by 0.22: 1.32, beyond the stop (echo/125B/c100/d1 to floor; 2 of 2 missed)"},
	} {
		if got := target.say(target.judge(results(test.ours, 100), cases, parley)); got != test.want {
			t.Errorf("%v ns to 100: %q, want %q", test.ours, got, test.want)
		}
	}
	if got := target.say(target.judge(results(94, 100), cases, parleyAccept)); got != "" {
		t.Errorf("a server that did not run: %q, want nothing", got)
	}
}

// The machine's speed drifts: a difference is one within a repetition.
func TestADifferenceIsTakenWithinARepetition(t *testing.T) {
	runs := func(cpu ...float64) (runs []Run) {
		for _, v := range cpu {
			runs = append(runs, Run{Sample: Sample{CPU: v}})
		}
		return runs
	}
	results := Results{"hub/echo/125B/c100/d1": {parley: runs(5000, 9000, 6000), hubJSON: runs(8100, 12200, 8900)}}
	cases := []Case{{Name: "hub/echo/125B/c100/d1"}}
	target := HubTargets()[0] // ≤ 3 µs
	if got, want := target.say(target.judge(results, cases, hubJSON)), "missed by 100 ns: 3100 ns"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Being ahead is less than being level.
func TestAheadMeansLess(t *testing.T) {
	target := Target{Max: 1, Below: true}
	if !target.misses(1) || target.misses(0.99) {
		t.Error("a ratio of 1 is ahead, or 0.99 is not")
	}
}

func TestTablesCanBeReadAsTheyAre(t *testing.T) {
	var b strings.Builder
	table{{"case", "µs"}, {"echo", "1"}}.write(&b)
	want := "| case | µs |\n|------|----|\n| echo | 1  |\n\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
