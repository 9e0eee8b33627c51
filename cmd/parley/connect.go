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

// connecting is what the command line asks for.
type connecting struct {
	address, protocol string
	stay              bool
	timeout           time.Duration
	namespace, auth   string // of Socket.IO
}

// connect is the command of that name.
func connect(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) error {
	c, err := parseConnect(args, errs)
	if err != nil {
		return err
	}
	p := &printer{w: out}
	cl, err := c.newClient(ctx, p, errs)
	if err != nil {
		return err
	}
	defer cl.Close(context.WithoutCancel(ctx))
	if err := cl.Connect(ctx); err != nil {
		return err
	}
	t := &terminal{client: cl, printer: p, timeout: c.timeout}
	if err := t.converse(ctx, in, c.stay); err != nil {
		return err
	}
	if t.failed {
		return errCallsFailed
	}
	return nil
}

func parseConnect(args []string, errs io.Writer) (*connecting, error) {
	c := &connecting{}
	flags := flag.NewFlagSet("connect", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() { fmt.Fprint(errs, connectUsage); flags.PrintDefaults() }
	flags.StringVar(&c.protocol, "protocol", "auto", "plain, signalr, socketio, or auto: ask the server")
	flags.BoolVar(&c.stay, "stay", false, "go on printing events after the end of the input, until interrupted")
	flags.DurationVar(&c.timeout, "timeout", 30*time.Second, "how long to wait for an answer")
	flags.StringVar(&c.namespace, "namespace", "/", "the namespace to join (socketio)")
	flags.StringVar(&c.auth, "auth", "", "a JSON object to join with, such as '{\"token\":\"…\"}' (socketio)")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case flags.NArg() != 1:
		flags.Usage()
		return nil, errors.New("connect takes one URL")
	case c.auth != "" && !json.Valid([]byte(c.auth)):
		return nil, fmt.Errorf("-auth: %q is not JSON", c.auth)
	}
	c.address = flags.Arg(0)
	return c, nil
}

// newClient makes the client that the server understands.
func (c *connecting) newClient(ctx context.Context, p *printer, errs io.Writer) (*parley.Client, error) {
	u, err := url.Parse(c.address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is not an address such as http://127.0.0.1:8080/hub/plain", c.address)
	}
	if c.protocol == "auto" {
		c.protocol = detect(ctx, u)
	}
	cl, err := c.speak(errs)
	if err != nil {
		return nil, err
	}
	cl.HandleOther(parley.HandlerFunc(p.event))
	return cl, nil
}

func (c *connecting) speak(errs io.Writer) (*parley.Client, error) {
	o := c.options(errs)
	switch c.protocol {
	case "plain":
		return plain.NewClient(c.address, &plain.ClientOptions{ClientOptions: o}), nil
	case "signalr":
		return signalr.NewClient(c.address, &signalr.ClientOptions{ClientOptions: o}), nil
	case "socketio":
		return socketio.NewClient(c.address, c.socketIO(o)), nil
	}
	return nil, fmt.Errorf("unknown protocol %q", c.protocol)
}

func (c *connecting) socketIO(o parley.ClientOptions) *socketio.ClientOptions {
	options := &socketio.ClientOptions{ClientOptions: o, Namespace: c.namespace}
	if c.auth != "" {
		options.Auth = json.RawMessage(c.auth)
	}
	return options
}

// options make the client tell on errs how it fares.
func (c *connecting) options(errs io.Writer) parley.ClientOptions {
	return parley.ClientOptions{
		OnConnect: func(context.Context) { fmt.Fprintf(errs, "connected by %s\n", c.protocol) },
		OnDisconnect: func(err error, again bool) {
			switch {
			case again:
				fmt.Fprintf(errs, "disconnected, trying to come back: %v\n", err)
			case err == nil:
				fmt.Fprintln(errs, "said goodbye")
			default:
				fmt.Fprintf(errs, "disconnected: %v\n", err)
			}
		},
	}
}

// detect finds out what is spoken at u: Socket.IO by its path, SignalR by its
// negotiate request, else plain.
func detect(ctx context.Context, u *url.URL) string {
	switch {
	case strings.Contains(u.Path, "socket.io"):
		return "socketio"
	case negotiates(ctx, *u):
		return "signalr"
	}
	return "plain"
}

// negotiates tells whether a SignalR endpoint answers at u.
func negotiates(ctx context.Context, u url.URL) bool {
	u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	u.Path = strings.TrimSuffix(u.Path, "/") + "/negotiate"
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var answer struct {
		Version *int `json:"negotiateVersion"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer)
	return err == nil && resp.StatusCode == http.StatusOK && answer.Version != nil
}
