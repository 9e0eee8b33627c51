//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/bench/internal/rig"
	"github.com/parley-go/parley/bench/internal/servers"
)

// options of a comparison.
type options struct {
	run, servers, profiles string
	old, node, out, raw    string
	repetitions            int
	measure                time.Duration
	short, list            bool
}

func (o *options) parse(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.run, "run", "", "only cases whose names match this regular expression; see -list")
	flags.StringVar(&o.servers, "servers", "", "only these servers, with commas between")
	flags.StringVar(&o.profiles, "profile", "", "folder for profiles of the servers: NAME.cpu, and NAME.heap with their allocations")
	flags.DurationVar(&o.measure, "measure", 0, "how long to measure each case; profiles need seconds")
	flags.StringVar(&o.old, "old", "", "an older build of this program, to compare with")
	flags.StringVar(&o.node, "node", "bench/node", "folder of the servers for Node")
	flags.StringVar(&o.out, "o", "", "file for the report, beside standard output; with -run or -servers, only what was measured whole changes in it")
	flags.StringVar(&o.raw, "json", "", "file for all samples")
	flags.IntVar(&o.repetitions, "n", 0, "repetitions; default 3, or 1 with -short")
	flags.BoolVar(&o.short, "short", false, "measure for less time")
	flags.BoolVar(&o.list, "list", false, "list the cases and their servers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case o.repetitions > 0:
	case o.short:
		o.repetitions = 1
	default:
		o.repetitions = 3
	}
	return nil
}

// compare runs the cases and prints what they showed.
func compare(args []string) error {
	var o options
	if err := o.parse(args); err != nil {
		return err
	}
	cases, leftOut, err := o.cases()
	if err != nil {
		return err
	}
	if o.list {
		for _, c := range cases {
			fmt.Printf("%-24s %s\n", c.Name, strings.Join(c.Servers, " "))
		}
		return nil
	}
	if done, err := rig.Quietly(); done {
		return err
	}
	for _, line := range leftOut {
		fmt.Fprintln(os.Stderr, "left out:", line)
	}
	if len(cases) == 0 {
		return errors.New("no case is left; -list shows their names and servers")
	}
	weight, stop, err := rig.Settle()
	if err != nil {
		return err
	}
	defer stop()
	r := rig.Rig{Cases: cases, Repetitions: o.repetitions, Profiles: o.profiles, Old: o.old, NodeDir: o.node, Progress: os.Stderr}
	began := time.Now()
	results, err := r.Run()
	if err != nil {
		return err
	}
	return o.write(&rig.Report{Machine: rig.ThisMachine(o.node), Date: began, Took: time.Since(began),
		Repetitions: o.repetitions, Weight: weight, Cases: r.Cases, Results: results, LeftOut: leftOut})
}

// cases returns those that are asked for, and what cannot run.
func (o *options) cases() (cases []rig.Case, leftOut []string, err error) {
	var name *regexp.Regexp
	if o.run != "" || o.list {
		if name, err = regexp.Compile(o.run); err != nil {
			return nil, nil, err
		}
	}
	only := strings.FieldsFunc(o.servers, func(r rune) bool { return r == ',' })
	may := func(server string) bool { return len(only) == 0 || slices.Contains(only, server) }
	cases = rig.Select(rig.Cases(o.short), name, may)
	runs := servers.Names()
	if usesNode(cases) && !o.list {
		if err := rig.InstallNode(o.node, os.Stderr); err != nil {
			leftOut = append(leftOut, fmt.Sprintf("npm's ws and socket.io: %v", err))
		} else {
			runs = append(runs, rig.NodeServers()...)
		}
	}
	cases = rig.Select(cases, regexp.MustCompile(""), func(s string) bool { return o.list || slices.Contains(runs, s) })
	if err := rig.CanCount(); err != nil && !o.list {
		leftOut = append(leftOut, err.Error())
		cases = rig.Without(cases, rig.Calls)
	}
	if o.old != "" {
		rig.AddOld(cases)
	}
	if o.measure > 0 {
		for i := range cases {
			cases[i].Measure = o.measure
		}
	}
	leftOut = append(leftOut, rig.Fit(cases)...)
	return cases, leftOut, nil
}

func usesNode(cases []rig.Case) bool {
	return slices.ContainsFunc(cases, func(c rig.Case) bool {
		return slices.ContainsFunc(c.Servers, func(s string) bool { return slices.Contains(rig.NodeServers(), s) })
	})
}

// write prints the figures, and writes the files that are asked for.
func (o *options) write(report *rig.Report) error {
	report.Figures(os.Stdout)
	if o.raw != "" {
		text, err := json.MarshalIndent(report.Results, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.raw, text, 0o666); err != nil {
			return err
		}
	}
	if o.out == "" {
		return nil
	}
	var b strings.Builder
	report.Write(&b)
	text := b.String()
	if o.run != "" || o.servers != "" {
		if old, err := os.ReadFile(o.out); err == nil {
			text = report.Update(string(old))
		}
	}
	return os.WriteFile(o.out, []byte(text), 0o666)
}
