package duplex

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/examples/duplex/jobs"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
)

// operator is one end, and what it hears.
type testOperator struct {
	*parley.Client
	hears  chan string
	decide func(context.Context, jobs.Request) (jobs.Verdict, error)
}

// listen is what every operator does before it connects.
func (o *testOperator) listen(cl *parley.Client) {
	o.Client = cl
	jobs.Changed.On(cl, func(_ context.Context, j jobs.Job) {
		o.hears <- strings.TrimRight(j.ID+" "+string(j.Phase)+" "+j.Why, " ")
	})
	jobs.Noted.On(cl, func(_ context.Context, r jobs.Remark) { o.hears <- r.From + ": " + r.Text })
	jobs.Present.On(cl, func(_ context.Context, s jobs.Session) { o.hears <- s.Operator + " " + string(s.Moment) })
	jobs.Approve.Handle(cl, func(ctx context.Context, r jobs.Request) (jobs.Verdict, error) { return o.decide(ctx, r) })
}

func yes(context.Context, jobs.Request) (jobs.Verdict, error) {
	return jobs.Verdict{Approved: true, Reason: "looks good"}, nil
}

func enter(t *testing.T, hub *parley.Hub, name string, decide func(context.Context, jobs.Request) (jobs.Verdict, error)) *testOperator {
	t.Helper()
	o := &testOperator{hears: make(chan string, 1000), decide: decide}
	parleytest.Dial(t, hub, &parleytest.Options{URL: "/?" + url.Values{"name": {name}}.Encode(), Setup: o.listen})
	synctest.Wait()
	return o
}

// refused tells why an operator was not let in: while it connected, or at once
// after that.
func refused(t *testing.T, hub *parley.Hub, name string) error {
	t.Helper()
	cl := parleytest.New(hub, &parleytest.Options{URL: "/?" + url.Values{"name": {name}}.Encode()})
	defer cl.Close(t.Context())
	if err := cl.Connect(t.Context()); err != nil {
		return err
	}
	<-cl.Done()
	return cl.Err()
}

func (o *testOperator) heard() []string {
	synctest.Wait()
	var all []string
	for len(o.hears) > 0 {
		all = append(all, <-o.hears)
	}
	return all
}

func inBubble(t *testing.T, o *Options, test func(t *testing.T, app *App)) {
	synctest.Test(t, func(t *testing.T) {
		app := New(o)
		test(t, app)
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// code is that of the runner's refusal.
func code(err error) string {
	var e *parley.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func order(target jobs.Target) jobs.Order {
	return jobs.Order{Service: "web", Version: "1.2", Target: target}
}

func TestTheRunnerCallsBackInTheMiddleOfACall(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, app *App) {
		var asked []jobs.Request
		ann := enter(t, app.Hub(), "Ann", func(_ context.Context, r jobs.Request) (jobs.Verdict, error) {
			asked = append(asked, r)
			return jobs.Verdict{Approved: true, Reason: "looks good"}, nil
		})
		ben := enter(t, app.Hub(), "Ben", nil)
		ann.heard()
		ben.heard()
		report, err := jobs.Run.Call(t.Context(), ann.Client, order(jobs.Production))
		done := jobs.Job{ID: "job-1", Order: order(jobs.Production), By: "Ann", Phase: jobs.Done}
		if want := (jobs.Report{Job: done, Approved: "looks good"}); err != nil || report != want {
			t.Errorf("report %+v, %v, want %+v", report, err, want)
		}
		waiting := done
		waiting.Phase = jobs.Waiting
		if want := []jobs.Request{{Job: waiting, Seconds: 60}}; !slices.Equal(asked, want) {
			t.Errorf("Ann was asked %+v, want %+v", asked, want)
		}
		want := []string{"job-1 building", "job-1 testing", "job-1 waiting", "job-1 shipping", "job-1 done"}
		if got := ben.heard(); !slices.Equal(got, want) {
			t.Errorf("Ben hears %q, want %q", got, want)
		}
		ann.heard()
	})
}

func TestStagingNeedsNobody(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, app *App) {
		ann := enter(t, app.Hub(), "Ann", func(context.Context, jobs.Request) (jobs.Verdict, error) {
			t.Error("Ann was asked")
			return jobs.Verdict{}, nil
		})
		if report, err := jobs.Run.Call(t.Context(), ann.Client, order(jobs.Staging)); err != nil || report.Job.Phase != jobs.Done {
			t.Errorf("report %+v, %v", report, err)
		}
	})
}

func TestWhatGoesWrongHasACode(t *testing.T) {
	never := func(ctx context.Context, _ jobs.Request) (jobs.Verdict, error) {
		<-ctx.Done()
		return jobs.Verdict{}, ctx.Err()
	}
	tests := []struct {
		name   string
		decide func(context.Context, jobs.Request) (jobs.Verdict, error)
		order  jobs.Order
		code   string
		why    string
	}{
		{"no", func(context.Context, jobs.Request) (jobs.Verdict, error) {
			return jobs.Verdict{Reason: "not on Friday"}, nil
		},
			order(jobs.Production), jobs.Rejected, "Not approved: not on Friday"},
		{"no answer in time", never, order(jobs.Production), jobs.Unanswered, "No verdict within 1m0s."},
		{"a program that fails", func(context.Context, jobs.Request) (jobs.Verdict, error) {
			return jobs.Verdict{}, parley.Errorf("confused", "I do not understand")
		}, order(jobs.Production), jobs.Rejected, "The operator's program failed: I do not understand"},
		{"no service", yes, jobs.Order{Version: "1", Target: jobs.Staging}, jobs.Malformed, "An order names a service and a version."},
		{"a long name", yes, jobs.Order{Service: strings.Repeat("x", 65), Version: "1", Target: jobs.Staging}, jobs.Malformed, "A name has at most 64 characters."},
		{"no target", yes, jobs.Order{Service: "web", Version: "1", Target: "moon"}, jobs.Malformed, `There is no target "moon".`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, app *App) {
				ann := enter(t, app.Hub(), "Ann", tt.decide)
				_, err := jobs.Run.Call(t.Context(), ann.Client, tt.order)
				if code(err) != tt.code || err.Error() != tt.why {
					t.Errorf("got %q: %v, want %q: %s", code(err), err, tt.code, tt.why)
				}
				if list, err := jobs.Running.Call(t.Context(), ann.Client, struct{}{}); err != nil || len(list) != 0 {
					t.Errorf("running: %+v, %v", list, err)
				}
				if tt.code != jobs.Malformed && !slices.Contains(ann.heard(), "job-1 failed "+tt.why) {
					t.Error("nobody was told")
				}
			})
		})
	}
}

func TestAJobIsCancelledWhileItWaits(t *testing.T) {
	for _, by := range []string{"Ann", "Ben"} { // who has ordered it, and somebody else
		inBubble(t, nil, func(t *testing.T, app *App) {
			asked, withdrawn := make(chan struct{}), make(chan struct{})
			ann := enter(t, app.Hub(), "Ann", func(context.Context, jobs.Request) (jobs.Verdict, error) {
				close(asked)
				<-withdrawn
				return jobs.Verdict{Approved: true}, nil // too late
			})
			who := ann
			if by != "Ann" {
				who = enter(t, app.Hub(), by, nil)
			}
			failed := make(chan error)
			go func() { // the test's; ends with the answer
				_, err := jobs.Run.Call(t.Context(), ann.Client, order(jobs.Production))
				failed <- err
			}()
			<-asked
			list, err := jobs.Running.Call(t.Context(), who.Client, struct{}{})
			if err != nil || len(list) != 1 || list[0].Phase != jobs.Waiting {
				t.Errorf("running: %+v, %v", list, err)
			}
			if err := jobs.Cancel.Call(t.Context(), who.Client, "job-1"); err != nil {
				t.Error(err)
			}
			if err := <-failed; code(err) != jobs.Cancelled || err.Error() != by+" has cancelled it." {
				t.Errorf("run: %v", err)
			}
			close(withdrawn)
			if err := jobs.Cancel.Call(t.Context(), who.Client, "job-1"); code(err) != jobs.Unknown {
				t.Errorf("cancelled again: %v", err)
			}
		})
	}
}

func TestOneWayAndSessions(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, app *App) {
		ann := enter(t, app.Hub(), "Ann", nil)
		ben := enter(t, app.Hub(), "Ben", nil)
		if err := jobs.Note.Send(t.Context(), ben.Client, jobs.Remark{From: "somebody else", Text: "back at two"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ben.Close(t.Context())
		synctest.Wait()
		eve := enter(t, app.Hub(), "Eve", nil)
		app.Hub().Conn(idOf(t, app, "Eve")).CloseNow()
		<-eve.Done()
		want := []string{"Ann opened", "Ben opened", "Ben: back at two", "Ben closed", "Eve opened", "Eve faulted"}
		if got := ann.heard(); !slices.Equal(got, want) {
			t.Errorf("Ann hears %q, want %q", got, want)
		}
	})
}

// idOf finds an operator's connection.
func idOf(t *testing.T, app *App, name string) string {
	t.Helper()
	for _, c := range app.Hub().Audience().Conns() {
		if operatorOf(c).name == name {
			return c.ID()
		}
	}
	t.Fatalf("%s is not here", name)
	return ""
}

func TestAJobEndsWithItsSession(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, app *App) {
		asked := make(chan struct{})
		ann := enter(t, app.Hub(), "Ann", func(ctx context.Context, _ jobs.Request) (jobs.Verdict, error) {
			close(asked)
			<-ctx.Done()
			return jobs.Verdict{}, ctx.Err()
		})
		ben := enter(t, app.Hub(), "Ben", nil)
		ben.heard()
		lost := make(chan error)
		go func() { // the test's; ends with the session
			_, err := jobs.Run.Call(t.Context(), ann.Client, order(jobs.Production))
			lost <- err
		}()
		<-asked
		app.Hub().Conn(idOf(t, app, "Ann")).CloseNow()
		if err := <-lost; err == nil {
			t.Error("the call has survived its session")
		}
		got := ben.heard()
		if !slices.Contains(got, "Ann faulted") || !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "job-1 failed ") }) {
			t.Errorf("Ben hears %q", got)
		}
		if list, err := jobs.Running.Call(t.Context(), ben.Client, struct{}{}); err != nil || len(list) != 0 {
			t.Errorf("running: %+v, %v", list, err)
		}
	})
}

func TestThrottles(t *testing.T) {
	inBubble(t, &Options{Operators: 2, Jobs: 1}, func(t *testing.T, app *App) {
		ann, ben := enter(t, app.Hub(), "Ann", yes), enter(t, app.Hub(), "Ben", yes)
		if err := refused(t, app.Hub(), "Eve"); err == nil || !strings.Contains(err.Error(), "All 2 seats are taken.") {
			t.Errorf("a third operator: %v", err)
		}
		first := make(chan error)
		go func() { // the test's; ends with the answer
			_, err := jobs.Run.Call(t.Context(), ann.Client, order(jobs.Staging))
			first <- err
		}()
		synctest.Wait()
		if _, err := jobs.Run.Call(t.Context(), ben.Client, order(jobs.Staging)); code(err) != jobs.Busy {
			t.Errorf("a second job: %v", err)
		}
		if err := <-first; err != nil {
			t.Errorf("the first job: %v", err)
		}
		if _, err := jobs.Run.Call(t.Context(), ben.Client, order(jobs.Staging)); err != nil {
			t.Errorf("once it is done: %v", err)
		}
		for _, heard := range ann.heard() {
			if strings.HasPrefix(heard, "Eve") {
				t.Errorf("Ann hears %q of who was refused", heard)
			}
		}
		ben.Close(t.Context())
		synctest.Wait()
		if enter(t, app.Hub(), "Eve", yes); len(app.Hub().Audience().Conns()) != 2 {
			t.Error("there is no seat for who comes after Ben")
		}
	})
}

func TestWhoLeavesWhileEnteringKeepsNoSeat(t *testing.T) {
	inBubble(t, &Options{Operators: 1}, func(t *testing.T, app *App) {
		app.Hub().UseSend(func(next parley.SendFunc) parley.SendFunc {
			return func(ctx context.Context, to parley.Audience, name string, args []any) error {
				if name == string(jobs.Present) && args[0].(jobs.Session).Operator == "Eve" {
					<-ctx.Done() // until she has gone
				}
				return next(ctx, to, name, args)
			}
		})
		ctx, leave := context.WithCancel(t.Context())
		eve := parleytest.New(app.Hub(), &parleytest.Options{URL: "/?name=Eve"})
		go eve.Connect(ctx) // ends with ctx
		synctest.Wait()
		leave()
		eve.Close(t.Context())
		synctest.Wait()
		if enter(t, app.Hub(), "Ann", yes); len(app.Hub().Audience().Conns()) != 1 {
			t.Error("there is no seat for Ann")
		}
	})
}

func TestNobodyIsRefused(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, app *App) {
		for _, name := range []string{"", strings.Repeat("n", jobs.MaxName+1)} {
			if err := refused(t, app.Hub(), name); err == nil || len(app.Hub().Audience().Conns()) != 0 {
				t.Errorf("operator %q was let in: %v", name, err)
			}
		}
	})
}

func TestWhatIsTooLongIsRefused(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, app *App) {
		ann := enter(t, app.Hub(), "Ann", func(context.Context, jobs.Request) (jobs.Verdict, error) {
			return jobs.Verdict{Approved: true, Reason: strings.Repeat("r", jobs.MaxText+1)}, nil
		})
		for _, text := range []string{"", strings.Repeat("t", jobs.MaxText+1)} {
			if err := jobs.Note.Call(t.Context(), ann.Client, jobs.Remark{Text: text}); code(err) != jobs.Malformed {
				t.Errorf("a remark of %d characters: %v", len(text), err)
			}
		}
		if _, err := jobs.Run.Call(t.Context(), ann.Client, order(jobs.Production)); code(err) != jobs.Rejected {
			t.Errorf("a verdict of many words: %v", err)
		}
	})
}

// TestOverEveryProtocol runs the contract over real connections.
func TestOverEveryProtocol(t *testing.T) {
	app := New(&Options{Step: time.Millisecond})
	mux := http.NewServeMux()
	app.Mount(mux, "")
	server := httptest.NewServer(mux)
	defer server.Close()
	defer app.Shutdown(t.Context())
	at := server.URL + "/duplex"
	clients := map[string]*parley.Client{
		"plain":     plain.NewClient(at+"/hub/plain?name=plain", nil),
		"signalr":   signalr.NewClient(at+"/hub/signalr?name=signalr", nil),
		"msgpack":   signalr.NewClient(at+"/hub/signalr?name=msgpack", &signalr.ClientOptions{Protocol: "messagepack"}),
		"socketio":  socketio.NewClient(at+"/socket.io/?name=socketio", nil),
		"sio-parse": socketio.NewClient(at+"/socket.io/?name=sio-parse", &socketio.ClientOptions{MessagePack: true}),
	}
	for name, cl := range clients {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			o := &testOperator{hears: make(chan string, 1000), decide: yes}
			o.listen(cl)
			if err := cl.Connect(ctx); err != nil {
				t.Fatal(err)
			}
			defer cl.Close(ctx)
			if err := jobs.Note.Send(ctx, cl, jobs.Remark{Text: "hi"}); err != nil {
				t.Fatal(err)
			}
			report, err := jobs.Run.Call(ctx, cl, order(jobs.Production))
			if err != nil || report.Job.Phase != jobs.Done || report.Job.By != name || report.Approved != "looks good" {
				t.Errorf("report %+v, %v", report, err)
			}
			id := report.Job.ID
			want := []string{name + " opened", name + ": hi", id + " building", id + " testing", id + " waiting", id + " shipping", id + " done"}
			var got []string
			for len(got) < len(want) {
				select {
				case one := <-o.hears:
					if !strings.HasSuffix(one, "closed") { // of the client before
						got = append(got, one)
					}
				case <-ctx.Done():
					t.Fatalf("heard only %q, want %q", got, want)
				}
			}
			slices.Sort(got) // as calls of one session run beside each other, a remark may come late
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("heard %q, want %q", got, want)
			}
			if err := jobs.Cancel.Call(ctx, cl, "job-0"); err == nil {
				t.Error("a job that is not there was cancelled")
			}
		})
	}
}

// TestTheGuideQuotesTheExample wants the Go and the JavaScript of
// docs/contracts.md to stand in the sources.
func TestTheGuideQuotesTheExample(t *testing.T) {
	guide, err := os.ReadFile("../../docs/contracts.md")
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, name := range []string{"jobs/jobs.go", "duplex.go", "run.go", "operator/main.go", "operators.js"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(text)
	}
	quotes := regexp.MustCompile("(?s)```(?:go|js)\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	if len(quotes) < 8 {
		t.Errorf("the guide has %d quotes", len(quotes))
	}
	for _, quote := range quotes {
		if !strings.Contains(sources.String(), quote[1]) {
			t.Errorf("this is not in the example:\n%s", quote[1])
		}
	}
}
