// Package duplex is a job runner that calls its operators back: it asks who
// has ordered a job whether it may go to production, and waits for the answer
// in the middle of the call. The contract is package jobs; operators are the
// page in this folder, and the command operator.
package duplex

import (
	"context"
	"embed"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/examples/duplex/jobs"
	"github.com/parley-go/parley/examples/web"
)

//go:embed index.html style.css app.js operators.js
var page embed.FS

// Options are the runner's throttles and times. Nil means all defaults.
type Options struct {
	// Operators bounds the sessions at one time; one more is refused. Zero
	// means 100.
	Operators int
	// Jobs bounds the jobs at one time, of all operators. Zero means 10.
	Jobs int
	// Approval is how long an operator may think. Zero means a minute.
	Approval time.Duration
	// Step is how long a job takes to build, to test, and to ship. Zero means
	// a second.
	Step time.Duration
	// Limits are those of each session: Parallelism, 4 unless set, is how many
	// of its calls run at one time, so that an operator can cancel a job while
	// it waits for it; IdleTimeout is when a silent one has faulted.
	Limits parley.Limits
}

// App is the runner.
type App struct {
	hub  *parley.Hub
	opts Options

	mu        sync.Mutex
	operators int
	last      int // job
	running   []*running
}

// running is a job that is being done.
type running struct {
	job    jobs.Job                // guarded by App.mu
	cancel context.CancelCauseFunc // ends it
}

// New makes a runner. Shutdown ends it.
func New(o *Options) *App {
	a := &App{}
	if o != nil {
		a.opts = *o
	}
	a.opts.Operators = orDefault(a.opts.Operators, 100)
	a.opts.Jobs = orDefault(a.opts.Jobs, 10)
	a.opts.Approval = orDefault(a.opts.Approval, time.Minute)
	a.opts.Step = orDefault(a.opts.Step, time.Second)
	a.opts.Limits.Parallelism = orDefault(a.opts.Limits.Parallelism, 4)
	a.hub = parley.NewHub(&parley.HubOptions{Limits: a.opts.Limits})
	a.hub.OnConnect(a.opened)
	a.hub.OnDisconnect(a.ended)
	jobs.Run.Handle(a.hub, a.run)
	jobs.Running.Handle(a.hub, a.list)
	jobs.Cancel.Handle(a.hub, a.cancel)
	jobs.Note.Handle(a.hub, a.note)
	return a
}

func orDefault[T int | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}

// Hub is where operators connect. They give their name in the opening request:
// ?name=Ann.
func (a *App) Hub() *parley.Hub { return a.hub }

// Mount serves the page and the hub at /duplex/. See [web.Mount] for modules.
func (a *App) Mount(mux *http.ServeMux, modules string) {
	mux.Handle("/duplex/", http.StripPrefix("/duplex/", web.Pages(page)))
	web.Mount(mux, "/duplex", a.hub, modules)
}

// Shutdown says goodbye to every operator and returns when all jobs have ended.
// The error is that of ctx, which bounds the goodbyes.
func (a *App) Shutdown(ctx context.Context) error { return a.hub.Shutdown(ctx) }

// operator is who is at the other end of a session; there is one for each.
type operator struct{ name string }

type operatorKey struct{}

func operatorOf(c *parley.Conn) *operator { return c.Value(operatorKey{}).(*operator) }

// opened begins a session.
func (a *App) opened(ctx context.Context, c *parley.Conn) error {
	name := c.Request().URL.Query().Get("name")
	if name == "" {
		return parley.Errorf(jobs.Malformed, "Who are you? Add ?name= to the address.")
	}
	if utf8.RuneCountInString(name) > jobs.MaxName {
		return parley.Errorf(jobs.Malformed, "A name has at most %d characters.", jobs.MaxName)
	}
	if !a.takeSeat() {
		return parley.Errorf(jobs.Full, "All %d seats are taken.", a.opts.Operators)
	}
	c.Set(operatorKey{}, &operator{name})
	err := a.present(ctx, c, jobs.Opened, nil)
	if err != nil { // it is refused then: ended is not called
		a.leaveSeat()
	}
	return err
}

func (a *App) takeSeat() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.operators >= a.opts.Operators {
		return false
	}
	a.operators++
	return true
}

func (a *App) leaveSeat() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.operators--
}

// ended ends a session. reason tells a goodbye, which is nil, from a fault.
func (a *App) ended(ctx context.Context, c *parley.Conn, reason error) {
	a.leaveSeat()
	moment := jobs.Closed
	if reason != nil {
		moment = jobs.Faulted
	}
	if err := a.present(ctx, c, moment, reason); err != nil && ctx.Err() == nil {
		a.hub.Log().Error("duplex: tell who has gone", "error", err)
	}
}

// present tells everybody of a session.
func (a *App) present(ctx context.Context, c *parley.Conn, moment jobs.Moment, reason error) error {
	s := jobs.Session{Operator: operatorOf(c).name, Via: c.Protocol(), Moment: moment}
	if reason != nil {
		s.Why = reason.Error()
	}
	a.hub.Log().Info("duplex: session "+string(moment), "operator", s.Operator, "via", s.Via, "why", s.Why)
	return jobs.Present.Send(ctx, a.hub, s)
}

func (a *App) note(ctx context.Context, c *parley.Conn, r jobs.Remark) error {
	if n := utf8.RuneCountInString(r.Text); n == 0 || n > jobs.MaxText {
		return parley.Errorf(jobs.Malformed, "A remark has 1 to %d characters.", jobs.MaxText)
	}
	r.From = operatorOf(c).name // whatever the sender says
	return jobs.Noted.Send(ctx, a.hub, r)
}

func (a *App) list(context.Context, *parley.Conn, struct{}) ([]jobs.Job, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := []jobs.Job{}
	for _, r := range a.running {
		list = append(list, r.job)
	}
	return list, nil
}

func (a *App) cancel(_ context.Context, c *parley.Conn, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.running {
		if r.job.ID == id {
			r.cancel(parley.Errorf(jobs.Cancelled, "%s has cancelled it.", operatorOf(c).name))
			return nil
		}
	}
	return parley.Errorf(jobs.Unknown, "No job %q is running.", id)
}

// add makes a job of an order, unless there are too many.
func (a *App) add(by string, order jobs.Order, cancel context.CancelCauseFunc) (*running, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.running) >= a.opts.Jobs {
		return nil, parley.Errorf(jobs.Busy, "%d jobs are running; try again later.", len(a.running))
	}
	a.last++
	r := &running{cancel: cancel, job: jobs.Job{ID: fmt.Sprintf("job-%d", a.last), Order: order, By: by}}
	a.running = append(a.running, r)
	return r, nil
}

func (a *App) remove(r *running) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = slices.DeleteFunc(a.running, func(other *running) bool { return other == r })
}
