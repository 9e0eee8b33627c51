//go:build linux

package rig

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/parley-go/parley/bench/internal/load"
	"golang.org/x/sys/unix"
)

// session marks the process that runs in a session of its own, by the list of
// processors that were there before it was bound to one.
const session = "PARLEY_BENCH_SESSION"

// Quietly runs this program again in a session of its own, on the client's
// processor, and returns its end. The kernel shares the processors out between
// sessions, so this one can be given weight: "nice" has no effect there. It returns
// false in the new process, which goes on.
func Quietly() (done bool, err error) {
	if os.Getenv(session) != "" {
		return false, nil
	}
	all := processors()
	if len(all) < 2 {
		return true, errors.New("rig: this machine has one processor; server and client need one each")
	}
	program, err := os.Executable()
	if err != nil {
		return true, err
	}
	_, client := cores(1)
	cmd := exec.Command(program, append([]string{"pin", list(client), program}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), session+"="+list(all))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	runtime.LockOSThread() // whose end would be taken for that of this process
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return true, err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		for range stop {
			cmd.Process.Signal(syscall.SIGTERM)
		}
	}()
	return true, cmd.Wait()
}

// processors returns the numbers of those that may be used.
func processors() (all []int) {
	if marked := os.Getenv(session); marked != "" {
		all, _ = parseList(marked)
		return all
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil
	}
	for core := range len(set) * 64 {
		if set.IsSet(core) {
			all = append(all, core)
		}
	}
	return all
}

func parseList(s string) (cores []int, err error) {
	for _, number := range strings.Split(s, ",") {
		core, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("rig: list of processors: %w", err)
		}
		cores = append(cores, core)
	}
	return cores, nil
}

func list(cores []int) string {
	s := make([]string, len(cores))
	for i, core := range cores {
		s[i] = strconv.Itoa(core)
	}
	return strings.Join(s, ",")
}

// cores divides the processors: the server has the first, or the first two; the
// client the next one, or the same two if there are no more.
func cores(server int) (forServer, forClient []int) {
	all := processors()
	switch {
	case len(all) < 2:
		return all, all
	case server == 1:
		return all[:1], all[1:2]
	case len(all) > 2:
		return all[:2], all[2:3]
	}
	return all, all
}

// Settle asks for weight for this session and keeps the processors from halting. It
// returns the weight, in words, and what ends it.
func Settle() (weight string, stop func(), err error) {
	program, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	stop, err = spinner(program)
	return claim(), stop, err
}

// claim asks for weight for this session and returns what it got, in words.
func claim() string {
	if err := os.WriteFile("/proc/self/autogroup", []byte("-10"), 0); err != nil {
		return "with the scheduler's normal weight"
	}
	text, err := os.ReadFile("/proc/self/autogroup")
	if err != nil {
		return "with the scheduler's normal weight"
	}
	_, nice, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	return "with autogroup " + nice
}

// spinner starts a process that keeps the processors from halting, as waking a
// virtual one can take milliseconds: it computes on each whenever nobody else wants
// it. The process ends with the returned function, or with this one.
func spinner(program string) (stop func(), err error) {
	cmd := exec.Command(program, "spin")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		in.Close()
		cmd.Wait()
	}, nil
}

// Spin is the process that spinner starts.
func Spin() error {
	all := processors()
	runtime.GOMAXPROCS(len(all) + 1)
	ended := make(chan error, len(all)+1)
	for _, core := range all {
		go func() { ended <- spin(core) }() // ends with the process
	}
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	return <-ended
}

func spin(core int) error {
	if err := load.Pin(core); err != nil {
		return err
	}
	idle := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
	if err := unix.SchedSetAttr(0, idle, 0); err != nil {
		return err
	}
	for x := uint64(1); x != 0; {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return nil
}
