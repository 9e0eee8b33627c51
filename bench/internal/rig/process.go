//go:build linux

package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/parley-go/parley/bench/internal/load"
	"golang.org/x/sys/unix"
)

// Pin replaces this process by command, bound to the processors of a list as
// "0,1". All threads of the command inherit that.
func Pin(list string, command []string) error {
	cores, err := parseList(list)
	if err != nil {
		return err
	}
	if len(command) == 0 {
		return errors.New("rig: pin: no command")
	}
	if err := load.Pin(cores...); err != nil {
		return err
	}
	program, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	return syscall.Exec(program, command, os.Environ())
}

// RaiseLimit lifts the limit of open files to the hard one and returns it.
func RaiseLimit() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return int(min(limit.Cur, 1<<30)), nil
}

// spareFiles is how many files a server may have open beside its connections; while
// one is taken over from net/http, it has two.
const spareFiles = 1000

// Fit lowers the connections of cases to what the limit of open files allows and
// says which it did.
func Fit(cases []Case) (lines []string) {
	limit, err := RaiseLimit()
	if err != nil {
		return []string{err.Error()}
	}
	for i := range cases {
		if c := &cases[i]; c.Conns > limit-spareFiles {
			lines = append(lines, fmt.Sprintf("%s: %d of its connections, as %d files may be open", c.Name, c.Conns-limit+spareFiles, limit))
			c.Conns = limit - spareFiles
		}
	}
	return lines
}
