package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley"
)

// terminal turns lines into calls.
type terminal struct {
	client  *parley.Client
	printer *printer
	timeout time.Duration
	failed  bool // a call has failed
}

// converse reads until the end of the input, the connection or ctx.
func (t *terminal) converse(ctx context.Context, in io.Reader, stay bool) error {
	lines := readLines(ctx, in)
	for {
		select {
		case line, more := <-lines:
			if more {
				t.do(ctx, line)
				continue
			}
			if !stay {
				return nil
			}
			lines = nil
		case <-t.client.Done():
			return t.client.Err()
		case <-ctx.Done():
			return nil
		}
	}
}

// readLines reads in the background: a read of standard input cannot be
// cancelled.
func readLines(ctx context.Context, in io.Reader) <-chan string {
	lines := make(chan string)
	go func() { // ends with the input, or, at the latest, with the program
		defer close(lines)
		sc := bufio.NewScanner(in)
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			select {
			case lines <- sc.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

func (t *terminal) do(ctx context.Context, line string) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	if err := t.obey(ctx, line); err != nil {
		t.failed = true
		t.printer.failure(err)
	}
}

func (t *terminal) obey(ctx context.Context, line string) error {
	mode := line[0]
	if mode == '>' || mode == '*' {
		line = strings.TrimSpace(line[1:])
	}
	name, rest, _ := strings.Cut(line, " ")
	args := parseArgs(rest)
	switch mode {
	case '>':
		return t.client.Send(ctx, name, args...)
	case '*':
		return t.stream(ctx, name, args)
	}
	return t.call(ctx, name, args)
}

func (t *terminal) call(ctx context.Context, name string, args []any) error {
	value := json.RawMessage("null")
	if err := t.client.Call(ctx, name, &value, args...); err != nil {
		return err
	}
	t.printer.line("= %s", compact(value))
	return nil
}

func (t *terminal) stream(ctx context.Context, name string, args []any) error {
	for v, err := range t.client.Stream(ctx, name, args...) {
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := v.Scan(&value); err != nil {
			return err
		}
		t.printer.line("* %s", compact(value))
	}
	t.printer.line("=")
	return nil
}

// parseArgs reads JSON values and bare words.
func parseArgs(s string) []any {
	var args []any
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		value, rest := parseArg(s)
		args = append(args, value)
		s = rest
	}
	return args
}

func parseArg(s string) (value any, rest string) {
	dec := json.NewDecoder(strings.NewReader(s))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err == nil && endsArg(s, int(dec.InputOffset())) {
		return raw, s[dec.InputOffset():]
	}
	word, rest, _ := strings.Cut(s, " ")
	return word, rest
}

// endsArg tells whether an argument may end at s[i]: 10 is a number, 10th a
// word.
func endsArg(s string, i int) bool { return i >= len(s) || s[i] == ' ' || s[i] == '\t' }

// printer prints whole lines, from any goroutine.
type printer struct {
	mu sync.Mutex
	w  io.Writer
}

func (p *printer) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, format+"\n", args...)
}

func (p *printer) failure(err error) {
	var e *parley.Error
	if errors.As(err, &e) && e.Code != "" {
		p.line("! %s: %s", e.Code, e.Message)
		return
	}
	p.line("! %v", err)
}

// event prints what the hub calls. A question is not answered by hand.
func (p *printer) event(_ context.Context, call *parley.Call) error {
	values, err := rawArgs(call)
	if err != nil {
		return err
	}
	words := []string{call.Name}
	for _, v := range values {
		words = append(words, compact(v))
	}
	p.line("%s", strings.Join(words, " "))
	if call.ID == "" {
		return nil
	}
	return parley.Errorf("unanswered", "nobody is here to answer %s", call.Name)
}

func rawArgs(call *parley.Call) ([]json.RawMessage, error) {
	values := make([]json.RawMessage, call.Len())
	into := make([]any, call.Len())
	for i := range values {
		into[i] = &values[i]
	}
	return values, call.Scan(into...)
}

// compact writes a value on one line.
func compact(v json.RawMessage) string {
	var buf bytes.Buffer
	if err := json.Compact(&buf, v); err != nil {
		return string(v)
	}
	return buf.String()
}
