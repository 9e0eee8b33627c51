//go:build linux

package servers

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"
)

// Memory is what a server tells of its own memory, in bytes unless named otherwise.
type Memory struct {
	Heap       uint64 // live objects
	Stack      uint64
	Mallocs    uint64 // objects allocated so far
	Goroutines int
}

// Process is how a server runs as a child of the rig: it prints "listening ADDRESS",
// answers each line "memory", "collect" or "settle" on its standard input by its
// [Memory] in JSON, the second after a collection, the third after it has also given
// back what it does not need, and ends when its input does.
type Process struct {
	Options
	Server  string
	Address string // where to listen; empty: a free port of 127.0.0.1
	Busy    bool   // beside a goroutine that computes all the time
	Profile string // name of the files for its profiles, without .cpu and .heap; empty: none
}

// Run serves until standard input ends.
func (p *Process) Run() error {
	serve, err := Named(p.Server)
	if err != nil {
		return err
	}
	if p.Address == "" {
		p.Address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", p.Address)
	if err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	profile, err := startProfile(p.Profile)
	if err != nil {
		return err
	}
	if p.Busy {
		go compute()
	}
	failed := make(chan error, 1)
	go func() { failed <- serve(l, p.Options) }() // ends with the process
	go func() { failed <- profile.control() }()
	fmt.Println("listening", l.Addr())
	err = <-failed
	return errors.Join(err, profile.stop())
}

// control answers commands until there are no more.
func (p *profile) control() error {
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "collect":
			runtime.GC()
			runtime.GC() // what finalizers and pools held until now
			if err := p.heap(); err != nil {
				return err
			}
		case "settle":
			debug.FreeOSMemory()
		case "memory":
		default:
			return fmt.Errorf("servers: unknown command %q", in.Text())
		}
		if err := out.Encode(readMemory()); err != nil {
			return err
		}
	}
	return nil
}

func readMemory() Memory {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Memory{m.HeapAlloc, m.StackInuse, m.Mallocs, runtime.NumGoroutine()}
}

// profile is what a server writes about itself. Its zero value writes nothing.
type profile struct {
	name  string
	cpu   *os.File
	taken bool // the heap's is written
}

// heapRate is how many bytes are allocated between two samples: few enough for the
// second that a case takes.
const heapRate = 16 << 10

func startProfile(name string) (p *profile, err error) {
	if name == "" {
		return &profile{}, nil
	}
	runtime.MemProfileRate = heapRate
	p = &profile{name: name}
	if p.cpu, err = os.Create(name + ".cpu"); err != nil {
		return nil, err
	}
	return p, pprof.StartCPUProfile(p.cpu)
}

// heap writes what is live now and what was allocated until now.
func (p *profile) heap() error {
	if p.name == "" {
		return nil
	}
	p.taken = true
	f, err := os.Create(p.name + ".heap")
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}

// stop ends the profiles. The heap's is that of the last collection the rig has asked
// for, when connections were still there, or else that of the end.
func (p *profile) stop() error {
	if p.name == "" {
		return nil
	}
	pprof.StopCPUProfile()
	err := p.cpu.Close()
	if !p.taken {
		err = errors.Join(err, p.heap())
	}
	return err
}

// compute is an application that works without a pause, in slices of 200 µs after
// each of which it lets others have the processor. It ends with the process.
func compute() {
	for x := uint64(1); ; runtime.Gosched() {
		for began := time.Now(); time.Since(began) < 200*time.Microsecond; {
			for range 1000 {
				x = x*6364136223846793005 + 1442695040888963407
			}
		}
		if x == 0 {
			return // never, but the compiler cannot know
		}
	}
}
