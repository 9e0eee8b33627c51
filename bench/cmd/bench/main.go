//go:build linux

// Command bench measures Parley's engine and its rivals side by side; see package rig.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"

	"github.com/parley-go/parley/bench/internal/rig"
	"github.com/parley-go/parley/bench/internal/servers"
)

func main() {
	err := run(os.Args[1:])
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended): // the session has said why
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "serve":
			return serve(args[1:])
		case "spin":
			return rig.Spin()
		case "pin":
			return pin(args[1:])
		}
	}
	return compare(args)
}

// pin runs a command on the processors of a list.
func pin(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: bench pin CORES COMMAND…")
	}
	if _, err := rig.RaiseLimit(); err != nil {
		return err
	}
	return rig.Pin(args[0], args[1:])
}

// serve runs one server until its standard input ends.
func serve(args []string) error {
	var p servers.Process
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.StringVar(&p.Server, "server", "parley", "name of the server")
	flags.StringVar(&p.Address, "listen", "", "address; default a free port")
	flags.StringVar(&p.Deflate, "deflate", "", "permessage-deflate: fresh or takeover")
	flags.StringVar(&p.Profile, "profile", "", "name of the files for its profiles, without .cpu and .heap")
	flags.BoolVar(&p.Broadcast, "broadcast", false, "send what comes at /publish to all others")
	flags.BoolVar(&p.Busy, "busy", false, "compute all the time beside serving")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return p.Run()
}
