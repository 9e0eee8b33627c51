// Command verdict reads the reports of Autobahn's cases, one folder for each run,
// and says how they went.
//
//	verdict 517 DIR...
//
// A run is good if it holds so many cases, each OK or INFORMATIONAL, and so is
// the way its connection closed. NON-STRICT and UNIMPLEMENTED are not.
package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "verdict: want: NUMBER-OF-CASES DIR...")
		os.Exit(2)
	}
	good := true
	for _, dir := range os.Args[2:] {
		if err := judge(os.Args[1], dir); err != nil {
			fmt.Println("  BAD:", err)
			good = false
		}
	}
	if !good {
		os.Exit(1)
	}
}

// judge prints one run and returns an error if it is not good.
func judge(cases, dir string) error {
	want, err := strconv.Atoi(cases)
	if err != nil {
		return err
	}
	run, err := readRun(dir)
	if err != nil {
		return err
	}
	fmt.Print(run.summary(dir))
	return run.check(want)
}
