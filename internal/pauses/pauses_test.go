package pauses_test

import (
	"strings"
	"testing"

	"github.com/parley-go/parley/internal/pauses"
)

type pipe struct{ log []string }

func (p *pipe) Pause()  { p.log = append(p.log, "pause") }
func (p *pipe) Resume() { p.log = append(p.log, "resume") }

func TestAPipeIsPausedWhileOneWantsIt(t *testing.T) {
	var (
		count pauses.Count
		a, b  pauses.Wish
		p     pipe
	)
	steps := []struct {
		do   func(*pauses.Wish, pauses.Pipe)
		who  *pauses.Wish
		want string // all that the pipe has been told
	}{
		{count.Resume, &a, ""},
		{count.Pause, &a, "pause"},
		{count.Pause, &a, "pause"},
		{count.Pause, &b, "pause"},
		{count.Resume, &a, "pause"},
		{count.Resume, &a, "pause"},
		{count.Leave, &b, "pause resume"},
		{count.Pause, &b, "pause resume"},
		{count.Resume, &b, "pause resume"},
		{count.Leave, &b, "pause resume"},
		{count.Pause, &a, "pause resume pause"},
		{count.Leave, &a, "pause resume pause resume"},
	}
	for i, s := range steps {
		s.do(s.who, &p)
		if got := strings.Join(p.log, " "); got != s.want {
			t.Fatalf("step %d: %q, want %q", i, got, s.want)
		}
	}
}
