//go:build linux

package rig

import "github.com/parley-go/parley/bench/internal/load"

// measures has how each kind of case is measured: p runs alone and has just started.
var measures = map[Kind]func(c *Case, server string, p *child) (Sample, error){
	Echo: measureEcho,
}

func measureEcho(c *Case, server string, p *child) (s Sample, err error) {
	f, err := load.Open(p.address, "/", c.Conns, c.script(server))
	if err != nil {
		return s, err
	}
	defer f.Close()
	if err := f.Check(); err != nil {
		return s, err
	}
	m := meter{server: p, countMallocs: true}
	result, err := f.Echo(c.Depth, load.Window{Warm: c.Warm, Measure: c.Measure, Begin: m.begin, End: m.end})
	if err != nil {
		return s, err
	}
	return m.sample(result), m.err
}
