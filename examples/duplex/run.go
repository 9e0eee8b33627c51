package duplex

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/examples/duplex/jobs"
)

// run does an order while its operator waits. ctx ends when the operator's
// session does, and with it the job.
func (a *App) run(ctx context.Context, c *parley.Conn, order jobs.Order) (jobs.Report, error) {
	if err := check(order); err != nil {
		return jobs.Report{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := a.add(operatorOf(c).name, order, cancel)
	if err != nil {
		return jobs.Report{}, err
	}
	defer a.remove(r)
	verdict, err := a.work(ctx, c, r)
	if err != nil {
		a.fail(r, err)
		return jobs.Report{}, err
	}
	return jobs.Report{Job: a.jobOf(r), Approved: verdict.Reason}, nil
}

// check refuses what cannot be done.
func check(o jobs.Order) error {
	switch {
	case o.Service == "" || o.Version == "":
		return parley.Errorf(jobs.Malformed, "An order names a service and a version.")
	case utf8.RuneCountInString(o.Service) > jobs.MaxName || utf8.RuneCountInString(o.Version) > jobs.MaxName:
		return parley.Errorf(jobs.Malformed, "A name has at most %d characters.", jobs.MaxName)
	case o.Target != jobs.Staging && o.Target != jobs.Production:
		return parley.Errorf(jobs.Malformed, "There is no target %q.", o.Target)
	}
	return nil
}

// work takes a job from phase to phase.
func (a *App) work(ctx context.Context, c *parley.Conn, r *running) (verdict jobs.Verdict, err error) {
	for _, phase := range []jobs.Phase{jobs.Building, jobs.Testing} {
		if err := a.step(ctx, r, phase); err != nil {
			return verdict, err
		}
	}
	if a.jobOf(r).Target == jobs.Production {
		if verdict, err = a.approval(ctx, c, r); err != nil {
			return verdict, err
		}
	}
	if err := a.step(ctx, r, jobs.Shipping); err != nil {
		return verdict, err
	}
	return verdict, a.enter(ctx, r, jobs.Done, "")
}

// step is a phase that takes its time.
func (a *App) step(ctx context.Context, r *running, phase jobs.Phase) error {
	if err := a.enter(ctx, r, phase, ""); err != nil {
		return err
	}
	select {
	case <-time.After(a.opts.Step):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// approval calls the operator back and waits for the answer. As the call has
// the handler's own ctx, the operator's other calls go on meanwhile.
func (a *App) approval(ctx context.Context, c *parley.Conn, r *running) (jobs.Verdict, error) {
	if err := a.enter(ctx, r, jobs.Waiting, ""); err != nil {
		return jobs.Verdict{}, err
	}
	waiting, cancel := context.WithTimeout(ctx, a.opts.Approval)
	defer cancel()
	verdict, err := jobs.Approve.Call(waiting, c, jobs.Request{Job: a.jobOf(r), Seconds: int(a.opts.Approval.Seconds())})
	var failed *parley.Error
	switch {
	case ctx.Err() != nil:
		return verdict, context.Cause(ctx)
	case errors.Is(err, parley.ErrTimeout):
		return verdict, parley.Errorf(jobs.Unanswered, "No verdict within %v.", a.opts.Approval)
	case errors.As(err, &failed):
		return verdict, parley.Errorf(jobs.Rejected, "The operator's program failed: %s", failed.Message)
	case err != nil:
		return verdict, err
	case utf8.RuneCountInString(verdict.Reason) > jobs.MaxText:
		return verdict, parley.Errorf(jobs.Rejected, "The reason has more than %d characters.", jobs.MaxText)
	case !verdict.Approved:
		return verdict, parley.Errorf(jobs.Rejected, "Not approved: %s", verdict.Reason)
	}
	return verdict, nil
}

// enter notes a job's phase and tells everybody.
func (a *App) enter(ctx context.Context, r *running, phase jobs.Phase, why string) error {
	a.mu.Lock()
	r.job.Phase, r.job.Why = phase, why
	job := r.job
	a.mu.Unlock()
	return jobs.Changed.Send(ctx, a.hub, job)
}

// fail tells everybody that a job has failed, its operator's session over or
// not.
func (a *App) fail(r *running, reason error) {
	if err := a.enter(context.Background(), r, jobs.Failed, reason.Error()); err != nil {
		a.hub.Log().Error("duplex: tell of a failure", "error", err)
	}
}

func (a *App) jobOf(r *running) jobs.Job {
	a.mu.Lock()
	defer a.mu.Unlock()
	return r.job
}
