//go:build linux

package rig

import (
	"fmt"
	"time"
)

// Cases returns all cases in the order of the report. Short ones are measured for
// less time.
func Cases(short bool) []Case {
	cases := echoCases()
	for i := range cases {
		c := &cases[i]
		c.Warm = max(c.Warm, 150*time.Millisecond)
		c.Measure = max(c.Measure, 500*time.Millisecond)
		if short {
			c.Warm /= 2
			c.Measure /= 2
		}
	}
	return cases
}

// echoCases are one and two processors, small messages and large.
func echoCases() []Case {
	goEngines := []string{parleyAccept, gws, gorilla}
	var cases []Case
	for _, depth := range []int{1, 16} {
		for _, size := range []int{16, 125, 1024} {
			for _, conns := range []int{100, 1000} {
				cases = append(cases, echo(size, conns, depth, append([]string{floor, floorNet}, goEngines...)))
			}
		}
	}
	return cases
}

func echo(size, conns, depth int, servers []string) Case {
	return Case{Name: fmt.Sprintf("echo/%s/c%d/d%d", bytes(size), conns, depth), Kind: Echo,
		Size: size, Conns: conns, Depth: depth, Cores: 1, Servers: servers}
}
