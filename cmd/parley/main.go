// Command parley is Parley's demo server and a client for terminals and pipes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

const usage = `Usage:

  parley demo       serve the sample apps on 127.0.0.1:8080
  parley connect    talk to a plain, SignalR or Socket.IO address
  parley contract   print the TypeScript declarations of a package of contracts
  parley version    tell the version

Add -h for a command's flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "parley:", err)
	os.Exit(1)
}

func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(errs, usage)
		return errors.New("which command?")
	}
	switch args[0] {
	case "demo":
		return demo(ctx, args[1:], out, errs)
	case "connect":
		return connect(ctx, args[1:], in, out, errs)
	case "contract":
		return contract(ctx, args[1:], out, errs)
	case "version":
		fmt.Fprintln(out, version())
		return nil
	case "help", "-h", "--help":
		fmt.Fprint(out, usage)
		return nil
	}
	fmt.Fprint(errs, usage)
	return fmt.Errorf("unknown command %q", args[0])
}

// version is the module's version.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "parley (unknown version)"
	}
	return fmt.Sprintf("parley %s%s %s", info.Main.Version, revision(info), info.GoVersion)
}

// revision is the commit, where the build knows it.
func revision(info *debug.BuildInfo) string {
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return " " + s.Value
		}
	}
	return ""
}
