package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/parley-go/parley/interop/peers"
)

// program is a peer: how to start it, and the roles it has.
type program struct {
	name    string
	command []string
	client  []string // the transports by which it connects
	server  bool     // by TCP
}

const (
	folder = "interop/peers/programs/"
	python = ".tools/python/bin/python"
)

// The transports.
const (
	tcp = "tcp"
	tls = "tls"
	h2  = "h2" // a stream of HTTP/2 over TLS
)

var programs = []program{
	{"ws", []string{"node", folder + "ws.mjs"}, []string{tcp, tls}, true},
	{"undici", []string{"node", folder + "undici.mjs"}, []string{tcp, tls}, false},
	{"chromium", []string{"node", folder + "chromium.mjs"}, []string{tcp, h2}, false},
	{"websockets", []string{python, "-B", folder + "python_websockets.py"}, []string{tcp}, true},
	{"wsproto", []string{python, "-B", folder + "python_wsproto.py"}, []string{tcp}, true},
}

// talk is one conversation and how it went.
type talk struct {
	plan peers.Plan
	err  error
}

// patience bounds all conversations with a program in one role.
const patience = 30 * time.Minute

// started is a running program.
type started struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Scanner // a line of JSON for each conversation
}

func (p program) start(ctx context.Context, args ...string) (*started, error) {
	cmd := exec.CommandContext(ctx, p.command[0], append(p.command[1:], args...)...)
	cmd.Env = append(os.Environ(), "NODE_TLS_REJECT_UNAUTHORIZED=0", "NODE_NO_WARNINGS=1") // our certificate is nobody's
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &started{cmd: cmd, in: in, out: bufio.NewScanner(out)}, nil
}

var errSilent = errors.New("the program said nothing more")

// next reads the program's next line.
func (s *started) next(into any) error {
	if !s.out.Scan() {
		return errors.Join(errSilent, s.out.Err())
	}
	return json.Unmarshal(s.out.Bytes(), into)
}

// end lets the program end, by itself or because its input does.
func (s *started) end() error {
	s.in.Close()
	for s.out.Scan() { // Wait must not take the output away
	}
	return s.cmd.Wait()
}

// beClient has all conversations with the program as our client.
func (p program) beClient(ctx context.Context, messages int, transport string) (talks []talk, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if transport == h2 && !strings.Contains(os.Getenv("GODEBUG"), "http2xconnect=1") {
		return nil, errors.New("net/http speaks RFC 8441 with GODEBUG=http2xconnect=1 only")
	}
	server := peers.NewServer(transport != tcp)
	defer server.Close()
	args := []string{"client"}
	for _, plan := range peers.Plans(messages) {
		plan.HTTP2 = transport == h2
		talks, args = append(talks, talk{plan: plan}), append(args, server.Expect(plan))
	}
	client, err := p.start(ctx, args...)
	if err != nil {
		return nil, err
	}
	for i := range talks {
		plan := talks[i].plan
		talks[i].err = hear(client, plan, func() error { return server.Outcome(plan) })
		if errors.Is(talks[i].err, errSilent) {
			talks = talks[:i+1]
			break
		}
	}
	return talks, client.end()
}

// hear compares the program's report with what our end says.
func hear(s *started, plan peers.Plan, ours func() error) error {
	var report peers.Report
	if err := s.next(&report); err != nil {
		return errors.Join(err, ours())
	}
	if report.ID != plan.ID {
		return fmt.Errorf("the program reports %q, want %q", report.ID, plan.ID)
	}
	return errors.Join(plan.Check(report), ours())
}

// beServer has all conversations with the program as our server.
func (p program) beServer(ctx context.Context, messages int) (talks []talk, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	server, err := p.start(ctx, "server")
	if err != nil {
		return nil, err
	}
	var listening struct{ URL string }
	if err := server.next(&listening); err != nil {
		return nil, errors.Join(err, server.end())
	}
	for _, plan := range peers.Plans(messages) {
		err := plan.Dial(ctx, listening.URL)
		talks = append(talks, talk{plan, hear(server, plan, func() error { return err })})
	}
	return talks, server.end()
}
