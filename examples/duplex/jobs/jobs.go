// Package jobs is the contract between a job runner and its operators: what
// either may call at the other, and what travels. The runner (package duplex)
// and operators in Go (command operator) are held to it by the Go compiler, the
// page by TypeScript's, which reads jobs.d.ts.
package jobs

//go:generate go run github.com/parley-go/parley/cmd/parley contract dts -o ../jobs.d.ts .

import "github.com/parley-go/parley"

// What operators call at the runner.
const (
	// Run does an order and answers when it is done. Before anything goes to
	// production, the runner calls the operator back: see Approve. It fails
	// with Busy, Rejected, Unanswered or Cancelled.
	Run parley.Method[Order, Report] = "run"
	// Running lists what is being done, the oldest first.
	Running parley.Method[struct{}, []Job] = "running"
	// Cancel ends a job, whoever has ordered it. It fails with Unknown.
	Cancel parley.Command[string] = "cancel"
	// Note makes a remark for everybody. Nobody waits for an answer.
	Note parley.Command[Remark] = "note"
)

// What the runner calls at its operators.
const (
	// Approve asks who has ordered a job whether it may go on. The job waits.
	Approve parley.Ask[Request, Verdict] = "approve"
	// Changed tells everybody how a job has come along.
	Changed parley.Event[Job] = "changed"
	// Noted is a remark that an operator has made.
	Noted parley.Event[Remark] = "noted"
	// Present tells everybody whose session has begun, ended or broken.
	Present parley.Event[Session] = "present"
)

// Codes of what the runner refuses: see [parley.Error].
const (
	Busy       = "busy"       // it does as many jobs as it can
	Full       = "full"       // it has as many operators as it can
	Malformed  = "malformed"  // there is no such order
	Rejected   = "rejected"   // the operator did not approve
	Unanswered = "unanswered" // the operator did not say in time
	Cancelled  = "cancelled"  // an operator has ended the job
	Unknown    = "unknown"    // there is no such job
)

// Limits, in characters.
const (
	MaxName = 64 // of operators, services, versions
	MaxText = 500
)

// Target is where something is to run.
type Target string

// The targets there are.
const (
	Staging    Target = "staging"
	Production Target = "production" // needs approval
)

// Phase is how far a job has come.
type Phase string

// The phases of a job, in their order. It ends with Done or Failed.
const (
	Building Phase = "building"
	Testing  Phase = "testing"
	Waiting  Phase = "waiting" // for approval
	Shipping Phase = "shipping"
	Done     Phase = "done"
	Failed   Phase = "failed"
)

// Order says what is to be done.
type Order struct {
	Service string `json:"service"`
	Version string `json:"version"`
	Target  Target `json:"target"`
}

// Job is an order that is being done.
type Job struct {
	ID    string `json:"id"`
	Order        // its fields are the job's
	By    string `json:"by"` // the operator who has ordered it
	Phase Phase  `json:"phase"`
	Why   string `json:"why,omitempty"` // it has failed
}

// Report is what has come of a job.
type Report struct {
	Job      Job    `json:"job"`
	Approved string `json:"approved,omitempty"` // what the operator said
}

// Request is what an operator is asked to approve.
type Request struct {
	Job     Job `json:"job"`
	Seconds int `json:"seconds"` // until the runner does not wait any more
}

// Verdict is what an operator says to it.
type Verdict struct {
	Approved bool   `json:"approved"`
	Reason   string `json:"reason,omitempty"`
}

// Remark is what an operator has to say: note("Ann", "back at two").
type Remark struct {
	parley.Positional
	From, Text string
}

// Moment is what has become of a session.
type Moment string

// What becomes of sessions.
const (
	Opened  Moment = "opened"
	Closed  Moment = "closed"  // with a goodbye of either side
	Faulted Moment = "faulted" // lost, or thrown out
)

// Session is an operator coming or going.
type Session struct {
	Operator string `json:"operator"`
	Via      string `json:"via"` // the protocol, such as "json"
	Moment   Moment `json:"moment"`
	Why      string `json:"why,omitempty"` // it has faulted
}
