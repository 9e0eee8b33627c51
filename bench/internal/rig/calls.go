//go:build linux

package rig

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// callCounter counts a process's system calls by the kernel's tracepoint for them.
type callCounter struct {
	counters []int // a descriptor for each thread
	calls    uint64
}

// begin counts what all present and future threads of a process call from now on.
func (c *callCounter) begin(process int) error {
	attr, err := tracepoint("raw_syscalls/sys_enter")
	if err != nil {
		return err
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", process))
	if err != nil {
		return err
	}
	for _, name := range threads {
		thread, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			return err
		}
		fd, err := unix.PerfEventOpen(attr, thread, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			return fmt.Errorf("rig: counting system calls needs root or kernel.perf_event_paranoid ≤ 1: %w", err)
		}
		c.counters = append(c.counters, fd)
	}
	return nil
}

// end adds the counts up.
func (c *callCounter) end() (err error) {
	for _, fd := range c.counters {
		var count [8]byte
		_, rerr := unix.Read(fd, count[:])
		err = errors.Join(err, rerr, unix.Close(fd))
		c.calls += binary.NativeEndian.Uint64(count[:])
	}
	return err
}

// CanCount returns why system calls cannot be counted here, or nil.
func CanCount() error {
	var c callCounter
	if err := c.begin(os.Getpid()); err != nil {
		return err
	}
	return c.end()
}

// tracepoint returns how to count passes through a tracepoint of the kernel.
func tracepoint(name string) (*unix.PerfEventAttr, error) {
	text, err := os.ReadFile("/sys/kernel/tracing/events/" + name + "/id")
	if err != nil {
		return nil, fmt.Errorf("rig: counting system calls needs root and tracefs: %w", err)
	}
	id, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return nil, err
	}
	return &unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Config: id, Bits: unix.PerfBitInherit}, nil
}
