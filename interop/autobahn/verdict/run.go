package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// result is what Autobahn writes about one case.
type result struct {
	ID              string
	Index           int `json:"case"`
	Expectation     string
	Behavior        string
	BehaviorClose   string
	Result          string
	ResultClose     string
	RemoteCloseCode int
}

// run is all that stands in one report.
type run []result

// readRun reads the index of a report and every case it names.
func readRun(dir string) (run, error) {
	var index map[string]map[string]struct{ ReportFile string } // by agent and case
	if err := readJSON(filepath.Join(dir, "index.json"), &index); err != nil {
		return nil, err
	}
	var all run
	for _, cases := range index {
		for _, entry := range cases {
			var one result
			if err := readJSON(filepath.Join(dir, entry.ReportFile), &one); err != nil {
				return nil, err
			}
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b result) int { return cmp.Compare(a.Index, b.Index) })
	return all, nil
}

func readJSON[T any](name string, into *T) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// summary counts the cases by behaviour, and lists those that are not OK.
func (r run) summary(title string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d cases", title, len(r))
	counts := make(map[string]int)
	for _, one := range r {
		counts[one.verdict()]++
	}
	for _, verdict := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, ", %d %s", counts[verdict], verdict)
	}
	b.WriteString("\n")
	for _, one := range r {
		b.WriteString(one.remark())
	}
	return b.String()
}

// verdict is the behaviour, with that of the close where it is another.
func (r result) verdict() string {
	if r.BehaviorClose == r.Behavior {
		return r.Behavior
	}
	return r.Behavior + " (close: " + r.BehaviorClose + ")"
}

// remark says what there is to say of a case: nothing if it is OK, what was
// expected if it is bad.
func (r result) remark() string {
	if r.verdict() == "OK" {
		return ""
	}
	line := fmt.Sprintf("  %-8s %s, closed with %d: %s / %s\n", r.ID, r.verdict(), r.RemoteCloseCode, r.Result, r.ResultClose)
	if !r.isGood() {
		line += "           expected: " + strings.Join(strings.Fields(r.Expectation), " ") + "\n"
	}
	return line
}

func (r result) isGood() bool {
	good := func(behavior string) bool { return behavior == "OK" || behavior == "INFORMATIONAL" }
	return good(r.Behavior) && good(r.BehaviorClose)
}

// check returns an error unless there are so many cases and all are good.
func (r run) check(want int) error {
	bad := 0
	for _, one := range r {
		if !one.isGood() {
			bad++
		}
	}
	switch {
	case len(r) != want:
		return fmt.Errorf("%d cases were run, want %d", len(r), want)
	case bad > 0:
		return fmt.Errorf("%d of %d cases are neither OK nor INFORMATIONAL", bad, len(r))
	}
	return nil
}
