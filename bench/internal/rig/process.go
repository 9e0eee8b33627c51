//go:build linux

package rig

import (
	"errors"
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
