// Command operator is an operator of the job runner of package duplex: it
// orders jobs, answers when the runner calls back, and tells what it hears.
//
//	go run ./cmd/parley demo
//	go run ./examples/duplex/operator -name Bo -approve web web:1.2:production
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/examples/duplex/jobs"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(1)
	}
}

const usage = `Usage: operator [flags] SERVICE:VERSION:TARGET …

Orders jobs at a runner, one after the other, and answers when it asks back.
Without orders, it looks on until it is interrupted.

`

// operator is one, and how it decides.
type operator struct {
	name, via, server string
	approves          []string // the services it lets go to production
	orders            []jobs.Order

	mu  sync.Mutex // of out
	out io.Writer
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	o := &operator{out: out}
	if err := o.parse(args, errs); err != nil {
		return err
	}
	cl, err := o.client()
	if err != nil {
		return err
	}
	o.listen(cl)
	if err := cl.Connect(ctx); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second) // the timeout of closing
		defer cancel()
		cl.Close(ctx)
	}()
	if len(o.orders) == 0 {
		return o.watch(ctx, cl)
	}
	return o.work(ctx, cl)
}

func (o *operator) parse(args []string, errs io.Writer) error {
	flags := flag.NewFlagSet("operator", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() { fmt.Fprint(errs, usage); flags.PrintDefaults() }
	flags.StringVar(&o.server, "server", "http://127.0.0.1:8080/duplex", "where the runner is")
	flags.StringVar(&o.name, "name", "Bo", "who this is")
	flags.StringVar(&o.via, "via", "signalr", "signalr, socketio or plain")
	approves := flags.String("approve", "", "the services that may go to production, such as web,mail")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.approves = strings.Split(*approves, ",")
	for _, text := range flags.Args() {
		parts := strings.Split(text, ":")
		if len(parts) != 3 {
			return fmt.Errorf("%q is no order such as web:1.2:staging", text)
		}
		o.orders = append(o.orders, jobs.Order{Service: parts[0], Version: parts[1], Target: jobs.Target(parts[2])})
	}
	return nil
}

// client makes a client that tells of its session: that it has opened, and why
// it has ended.
func (o *operator) client() (*parley.Client, error) {
	options := parley.ClientOptions{
		Reconnect: parley.Backoff{Off: true}, // a job ends with the session that has ordered it
		OnConnect: func(context.Context) { o.print("session opened") },
		OnDisconnect: func(err error, _ bool) {
			if err != nil {
				o.print("session faulted: %v", err)
				return
			}
			o.print("session closed")
		},
	}
	query := "?" + url.Values{"name": {o.name}}.Encode()
	switch o.via {
	case "signalr":
		return signalr.NewClient(o.server+"/hub/signalr"+query, &signalr.ClientOptions{ClientOptions: options}), nil
	case "socketio":
		return socketio.NewClient(o.server+"/socket.io/"+query, &socketio.ClientOptions{ClientOptions: options}), nil
	case "plain":
		return plain.NewClient(o.server+"/hub/plain"+query, &plain.ClientOptions{ClientOptions: options}), nil
	}
	return nil, fmt.Errorf("there is no client called %q", o.via)
}

// listen is this end of the contract: what the runner may call.
func (o *operator) listen(cl *parley.Client) {
	jobs.Approve.Handle(cl, o.decide)
	jobs.Changed.On(cl, func(_ context.Context, j jobs.Job) {
		o.print("%s of %s: %s %s to %s is %s%s", j.ID, j.By, j.Service, j.Version, j.Target, j.Phase, because(j.Why))
	})
	jobs.Noted.On(cl, func(_ context.Context, r jobs.Remark) { o.print("%s notes: %s", r.From, r.Text) })
	jobs.Present.On(cl, func(_ context.Context, s jobs.Session) {
		o.print("%s, by %s: session %s%s", s.Operator, s.Via, s.Moment, because(s.Why))
	})
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ", as " + why
}

// decide answers the runner, which waits for it.
func (o *operator) decide(_ context.Context, r jobs.Request) (jobs.Verdict, error) {
	for _, service := range o.approves {
		if service == r.Job.Service {
			o.print("may %s go to production? yes", r.Job.ID)
			return jobs.Verdict{Approved: true, Reason: o.name + " trusts " + service}, nil
		}
	}
	o.print("may %s go to production? no", r.Job.ID)
	return jobs.Verdict{Reason: o.name + " knows nothing of " + r.Job.Service}, nil
}

// work orders one job after the other. The error is that of the last that has
// failed.
func (o *operator) work(ctx context.Context, cl *parley.Client) (failed error) {
	for _, order := range o.orders {
		if err := jobs.Note.Send(ctx, cl, jobs.Remark{Text: "I order " + order.Service}); err != nil {
			return err
		}
		report, err := jobs.Run.Call(ctx, cl, order)
		var refused *parley.Error
		switch {
		case errors.As(err, &refused):
			o.print("refused, %s: %s", refused.Code, refused.Message)
			failed = err
		case err != nil:
			return err
		default:
			o.print("%s is done; approved as %q", report.Job.ID, report.Approved)
		}
	}
	return failed
}

// watch looks on until ctx ends, or the session.
func (o *operator) watch(ctx context.Context, cl *parley.Client) error {
	list, err := jobs.Running.Call(ctx, cl, struct{}{})
	if err != nil {
		return err
	}
	o.print("%d jobs are running", len(list))
	select {
	case <-ctx.Done():
		return nil
	case <-cl.Done():
		return cl.Err()
	}
}

func (o *operator) print(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(o.out, format+"\n", args...)
}
