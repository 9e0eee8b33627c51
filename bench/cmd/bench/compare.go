//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/parley-go/parley/bench/internal/rig"
)

// options of a comparison.
type options struct {
	run, servers, profiles string
	repetitions            int
	short, list            bool
}

// compare runs the cases and prints what they showed.
func compare(args []string) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.run, "run", "", "only cases whose names match this regular expression")
	flags.StringVar(&o.servers, "servers", "", "only these servers, with commas between")
	flags.StringVar(&o.profiles, "profile", "", "folder for CPU profiles of the servers")
	flags.IntVar(&o.repetitions, "n", 3, "repetitions")
	flags.BoolVar(&o.short, "short", false, "about two minutes instead of fifteen")
	flags.BoolVar(&o.list, "list", false, "list the cases")
	if err := flags.Parse(args); err != nil {
		return err
	}
	name, err := regexp.Compile(o.run)
	if err != nil {
		return err
	}
	if done, err := rig.Quietly(); done {
		return err
	}
	var only []string
	if o.servers != "" {
		only = strings.Split(o.servers, ",")
	}
	r := rig.Rig{Cases: rig.Select(rig.Cases(o.short), name, only), Repetitions: o.repetitions, Profiles: o.profiles, Progress: os.Stderr}
	results, err := r.Run()
	if err != nil {
		return err
	}
	for _, c := range r.Cases {
		for _, server := range c.Servers {
			ratio, _ := results.Ratio(c.Name, server, c.Servers[0], rig.CPU)
			cost, _ := results.Median(c.Name, server, rig.CPU)
			allocs, _ := results.Median(c.Name, server, rig.Allocs)
			fmt.Printf("%-24s %-14s %8.0f ns  %6.2f × %s  %.3f allocs\n", c.Name, server, cost, ratio, c.Servers[0], allocs)
		}
	}
	return nil
}
