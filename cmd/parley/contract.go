package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/parley-go/parley/cmd/parley/internal/typescript"
)

const contractUsage = `Usage: parley contract ts|dts [flags] PACKAGE

Prints the TypeScript declarations of a package of contracts, which is an
import path or a folder: of the constants of types parley.Command, Method,
Stream, Upload, Event and Ask, and of what travels with them.

  ts    a module to import: types, the values of enumerations, and failed(),
        which tells a failure from an answer of Socket.IO
  dts   types alone, in a global namespace named after the package, for pages
        without modules or in JavaScript

`

// contract is the command of that name.
func contract(ctx context.Context, args []string, out, errs io.Writer) error {
	flags := flag.NewFlagSet("contract", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() { fmt.Fprint(errs, contractUsage); flags.PrintDefaults() }
	clients := flags.String("for", "all", "signalr, socketio, or all: whose pages they are")
	declared := flags.Bool("declared", false, "the server writes SignalR's JSON with names as declared (signalr.AsDeclared)")
	file := flags.String("o", "", "write to that file; empty: to standard output")
	form := ""
	if len(args) > 0 && (args[0] == "ts" || args[0] == "dts") {
		form, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if form == "" || flags.NArg() != 1 {
		flags.Usage()
		return errors.New("contract takes ts or dts, and one package")
	}
	o := typescript.Options{Ambient: form == "dts", AsDeclared: *declared, Command: "parley contract " + form}
	switch *clients {
	case "all":
	case "signalr":
		o.NoSocketIO = true
	case "socketio":
		o.NoSignalR = true
	default:
		return fmt.Errorf("-for: there are no pages of %q", *clients)
	}
	text, err := printed(ctx, flags.Arg(0), o)
	if err != nil {
		return err
	}
	if *file != "" {
		return os.WriteFile(*file, []byte(text), 0o666)
	}
	_, err = io.WriteString(out, text)
	return err
}

func printed(ctx context.Context, pattern string, o typescript.Options) (string, error) {
	p, err := typescript.Load(ctx, "", pattern)
	if err != nil {
		return "", fmt.Errorf("contract: %w", err)
	}
	text, err := p.Print(o)
	if err != nil {
		return "", fmt.Errorf("contract: %w", err)
	}
	return text, nil
}
