//go:build linux

package rig

import (
	"math"
	"time"

	"github.com/parley-go/parley/bench/internal/load"
	"github.com/parley-go/parley/bench/internal/servers"
)

// measures has how each kind of case is measured: p runs alone and has just started.
var measures = map[Kind]func(c *Case, server string, p *child) (Sample, error){
	Echo:      measureEcho,
	Broadcast: measureBroadcast,
	Handshake: measureHandshake,
	Idle:      measureIdle,
	Busy:      measureLatency,
	Calls:     measureCalls,
}

// open opens the case's connections and compares the first echoes.
func (c *Case) open(server string, p *child, conns int) (*load.Fleet, error) {
	f, err := load.Open(p.address, "/", conns, c.script(server))
	if err != nil {
		return nil, err
	}
	if err := f.Check(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// window is the time of the case, at both ends of which m reads its meters.
func (c *Case) window(m *meter) load.Window {
	return load.Window{Warm: c.Warm, Measure: c.Measure, Begin: m.begin, End: m.end}
}

func measureEcho(c *Case, server string, p *child) (s Sample, err error) {
	f, err := c.open(server, p, c.Conns)
	if err != nil {
		return s, err
	}
	defer f.Close()
	m := meter{server: p, allocs: nodePrograms[server] == ""}
	r, err := f.Echo(c.Depth, c.window(&m))
	if err != nil {
		return s, err
	}
	return m.sample(r), m.err
}

func measureBroadcast(c *Case, server string, p *child) (s Sample, err error) {
	f, err := load.Open(p.address, "/", c.Conns, c.script(server))
	if err != nil {
		return s, err
	}
	defer f.Close()
	m := meter{server: p, allocs: nodePrograms[server] == ""}
	r, err := f.Broadcast(p.address, servers.PublishPath, c.Depth, c.window(&m))
	if err != nil {
		return s, err
	}
	return m.sample(r), m.err
}

func measureHandshake(c *Case, server string, p *child) (s Sample, err error) {
	m := meter{server: p, allocs: nodePrograms[server] == ""}
	r, err := load.Handshakes(p.address, c.Conns, c.window(&m))
	if err != nil {
		return s, err
	}
	return m.sample(r), m.err
}

// warmConns is how many connections a server has before the memory of more is
// measured.
const warmConns = 16

// measureIdle takes the memory of a server with a few connections, and again after
// many more have come and had their messages answered.
func measureIdle(c *Case, server string, p *child) (s Sample, err error) {
	few, err := c.open(server, p, warmConns)
	if err != nil {
		return s, err
	}
	defer few.Close()
	if err := rounds(few, 8); err != nil {
		return s, err
	}
	memory, err := p.memory(true)
	if err != nil {
		return s, err
	}
	resident, err := p.resident()
	if err != nil {
		return s, err
	}
	settled, err := p.settle()
	if err != nil {
		return s, err
	}
	many, err := load.Open(p.address, "/", c.Conns, c.script(server))
	if err != nil {
		return s, err
	}
	defer many.Close()
	if err := rounds(many, c.Depth); err != nil {
		return s, err
	}
	residentNow, err := p.resident()
	if err != nil {
		return s, err
	}
	memoryNow, err := p.memory(true)
	if err != nil {
		return s, err
	}
	settledNow, err := p.settle()
	per := func(now, before uint64) float64 { return (float64(now) - float64(before)) / float64(c.Conns) }
	return Sample{
		Resident:   per(uint64(residentNow), uint64(resident)),
		Settled:    per(uint64(settledNow), uint64(settled)),
		Heap:       per(memoryNow.Heap, memory.Heap),
		Stack:      per(memoryNow.Stack, memory.Stack),
		Goroutines: per(uint64(memoryNow.Goroutines), uint64(memory.Goroutines)),
	}, err
}

func rounds(f *load.Fleet, n int) error {
	for range n {
		if err := f.Round(); err != nil {
			return err
		}
	}
	return nil
}

// paceRate is how many messages per second a latency is measured with.
const paceRate = 20000

func measureLatency(c *Case, server string, p *child) (s Sample, err error) {
	f, err := c.open(server, p, c.Conns)
	if err != nil {
		return s, err
	}
	defer f.Close()
	m := meter{server: p}
	latencies, r, err := f.Pace(paceRate, c.window(&m))
	if err != nil {
		return s, err
	}
	s = m.sample(r)
	s.Median, s.P99 = quantile(latencies, 0.5), quantile(latencies, 0.99)
	return s, m.err
}

// quantile returns the value below which a share q of sorted values lies.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func measureCalls(c *Case, server string, p *child) (s Sample, err error) {
	f, err := c.open(server, p, c.Conns)
	if err != nil {
		return s, err
	}
	defer f.Close()
	var count callCounter
	m := meter{}
	w := load.Window{Warm: c.Warm, Measure: c.Measure,
		Begin: func() { m.fail(count.begin(p.cmd.Process.Pid)) },
		End:   func() { m.fail(count.end()) }}
	r, err := f.Echo(c.Depth, w)
	if err == nil {
		err = m.err
	}
	return Sample{Calls: float64(count.calls) / float64(r.Messages)}, err
}
