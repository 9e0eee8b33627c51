//go:build linux

package rig

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/parley-go/parley/bench/internal/servers"
)

// child is a server as a process.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	address string
}

// start runs a server on the given processors and waits until it listens.
func start(command []string, cores []int) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(program, append([]string{"pin", list(cores)}, command...)...)}
	c.cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(len(cores)))
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := c.out.ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	if !ok {
		c.stop()
		return nil, fmt.Errorf("rig: %s did not start: %w", strings.Join(command, " "), err)
	}
	c.address = address
	return c, nil
}

// stop ends the process: politely, so that it can finish its profile.
func (c *child) stop() error {
	c.in.Close()
	return c.cmd.Wait()
}

// memory asks the server for its memory, after a collection if collect is set.
func (c *child) memory(collect bool) (servers.Memory, error) {
	if collect {
		return c.ask("collect\n")
	}
	return c.ask("memory\n")
}

// settle has the server give back what it does not need, and returns what is resident
// then.
func (c *child) settle() (int, error) {
	if _, err := c.ask("settle\n"); err != nil {
		return 0, err
	}
	return c.resident()
}

func (c *child) ask(command string) (m servers.Memory, err error) {
	if _, err := io.WriteString(c.in, command); err != nil {
		return m, err
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(line, &m)
}

// cpu returns the nanoseconds that all threads of the process have run so far.
func (c *child) cpu() (total int64, err error) {
	threads, err := filepath.Glob(c.proc("task/*/schedstat"))
	if err != nil || len(threads) == 0 {
		return 0, errors.Join(errors.New("rig: the kernel gives no account of threads in /proc"), err)
	}
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended
		}
		if err != nil {
			return 0, err
		}
		ran, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// resident returns the bytes of the process's own memory that are in RAM.
func (c *child) resident() (int, error) {
	text, err := os.ReadFile(c.proc("status"))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), "RssAnon:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0, errors.New("rig: no RssAnon in /proc")
	}
	kilobytes, err := strconv.Atoi(fields[0])
	return kilobytes << 10, err
}

func (c *child) proc(name string) string { return fmt.Sprintf("/proc/%d/%s", c.cmd.Process.Pid, name) }
