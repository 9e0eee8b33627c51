//go:build linux

package rig

import (
	"time"

	"github.com/parley-go/parley/bench/internal/load"
)

// A Sample is what one run of a server at a case showed. What a kind of case does
// not measure is zero.
type Sample struct {
	CPU        float64 // nanoseconds of all the server's threads for each message
	Rate       float64 // messages per second
	ServerLoad float64 // share of the time that the server ran, summed over its threads
	ClientLoad float64 // share of the time that the client had work
	Allocs     float64 // objects allocated for each message; negative: unknown
	Answer     float64 // bytes of an answer on the wire

	Resident, Settled, Heap, Stack, Goroutines float64       // bytes, or number, for each idle connection
	Median, P99                                time.Duration // latency
	Calls                                      float64       // system calls for each message
}

// meter takes the server's account at both ends of a window.
type meter struct {
	server      *child
	allocs      bool // count them too
	cpu         int64
	mallocs     uint64
	usedCPU     int64 // nanoseconds in the window
	usedMallocs uint64
	err         error
}

func (m *meter) begin() {
	if m.allocs {
		mem, err := m.server.memory(false)
		m.mallocs = mem.Mallocs
		m.fail(err)
	}
	cpu, err := m.server.cpu()
	m.cpu = cpu
	m.fail(err)
}

func (m *meter) end() {
	cpu, err := m.server.cpu()
	m.fail(err)
	m.usedCPU = cpu - m.cpu
	if m.allocs {
		mem, err := m.server.memory(false)
		m.usedMallocs = mem.Mallocs - m.mallocs
		m.fail(err)
	}
}

func (m *meter) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// sample makes one of what the client saw and the meter read.
func (m *meter) sample(r load.Result) Sample {
	n, elapsed := float64(r.Messages), r.Elapsed.Seconds()
	s := Sample{
		CPU:        float64(m.usedCPU) / n,
		Rate:       n / elapsed,
		ServerLoad: float64(m.usedCPU) / 1e9 / elapsed,
		ClientLoad: 1 - r.Idle.Seconds()/elapsed,
		Answer:     float64(r.Bytes) / n,
		Allocs:     -1,
	}
	if m.allocs {
		s.Allocs = float64(m.usedMallocs) / n
	}
	return s
}
