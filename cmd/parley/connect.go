package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
)

const connectUsage = `Usage: parley connect [flags] URL

Connects to a plain, SignalR or Socket.IO address, reads calls from standard
input, one a line, and prints what comes.

  name arg …     call, and wait for the answer:   = "value"   or   ! code: message
  > name arg …   call without wanting an answer
  * name arg …   call a stream:                   * 1, * 2, …, then =
  
An argument is a JSON value, or a bare word meaning a string. Events are
printed as   name arg … .   At the end of the input, parley says goodbye.

`

// errCallsFailed makes the exit status tell that a call failed; what failed
// has been printed.
var errCallsFailed = errors.New("some calls failed")

// connect is the command of that name.
func connect(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) error {
	flags := flag.NewFlagSet("connect", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() { fmt.Fprint(errs, connectUsage); flags.PrintDefaults() }
	protocol := flags.String("protocol", "auto", "plain, signalr, socketio, or auto: ask the server")
	stay := flags.Bool("stay", false, "go on printing events after the end of the input, until interrupted")
	timeout := flags.Duration("timeout", 30*time.Second, "how long to wait for an answer")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return errors.New("connect takes one URL")
	}
	p := &printer{w: out}
	cl, err := newClient(ctx, *protocol, flags.Arg(0), p, errs)
	if err != nil {
		return err
	}
	defer cl.Close(context.WithoutCancel(ctx))
	if err := cl.Connect(ctx); err != nil {
		return err
	}
	t := &terminal{client: cl, printer: p, timeout: *timeout}
	if err := t.converse(ctx, in, *stay); err != nil {
		return err
	}
	if t.failed {
		return errCallsFailed
	}
	return nil
}

// newClient makes the client that the server at address understands.
func newClient(ctx context.Context, protocol, address string, p *printer, errs io.Writer) (*parley.Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is not an address such as http://127.0.0.1:8080/hub/plain", address)
	}
	if protocol == "auto" {
		protocol = detect(ctx, *u)
	}
	o := parley.ClientOptions{
		OnConnect: func(context.Context) { fmt.Fprintf(errs, "connected by %s\n", protocol) },
		OnDisconnect: func(err error, again bool) {
			fmt.Fprintf(errs, "disconnected: %v%s\n", err, map[bool]string{true: "; trying to come back"}[again])
		},
	}
	var cl *parley.Client
	switch protocol {
	case "plain":
		cl = plain.NewClient(address, &plain.ClientOptions{ClientOptions: o})
	case "signalr":
		cl = signalr.NewClient(address, &signalr.ClientOptions{ClientOptions: o})
	case "socketio":
		cl = socketio.NewClient(address, &socketio.ClientOptions{ClientOptions: o})
	default:
		return nil, fmt.Errorf("unknown protocol %q", protocol)
	}
	cl.HandleOther(parley.HandlerFunc(p.event))
	return cl, nil
}

// detect finds out what is spoken at u: Socket.IO by its path, SignalR by its
// negotiate request, else plain.
func detect(ctx context.Context, u url.URL) string {
	if strings.Contains(u.Path, "socket.io") {
		return "socketio"
	}
	u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	u.Path = strings.TrimSuffix(u.Path, "/") + "/negotiate"
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return "plain"
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "plain"
	}
	defer resp.Body.Close()
	var answer struct {
		Version *int `json:"negotiateVersion"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer)
	if err != nil || resp.StatusCode != http.StatusOK || answer.Version == nil {
		return "plain"
	}
	return "signalr"
}
