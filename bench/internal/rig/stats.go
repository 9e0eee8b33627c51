//go:build linux

package rig

import (
	"iter"
	"slices"
)

// A Metric is the figure of a sample that is compared. Less is better.
type Metric struct {
	Name string
	Of   func(Sample) float64
}

// The metrics.
var (
	CPU      = Metric{"CPU", func(s Sample) float64 { return s.CPU }}
	Resident = Metric{"resident memory", func(s Sample) float64 { return s.Resident }}
	Settled  = Metric{"resident memory, settled", func(s Sample) float64 { return s.Settled }}
	Heap     = Metric{"live heap", func(s Sample) float64 { return s.Heap }}
	Median   = Metric{"median latency", func(s Sample) float64 { return float64(s.Median) }}
	SysCalls = Metric{"system calls", func(s Sample) float64 { return s.Calls }}
	Allocs   = Metric{"allocations", func(s Sample) float64 { return s.Allocs }}
)

// median returns the middle of values, the mean of both middles if their number is
// even, and false if there are none.
func median(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2, true
}

// Median returns the median of a metric over the repetitions that did not fail.
func (r Results) Median(c, server string, m Metric) (float64, bool) {
	var values []float64
	for _, run := range r[c][server] {
		if run.Failed == "" {
			values = append(values, m.Of(run.Sample))
		}
	}
	return median(values)
}

// Ratio returns the median over the repetitions of one server's metric divided by
// another's in the same repetition: the speed of a machine drifts from one
// repetition to the next.
func (r Results) Ratio(c, server, to string, m Metric) (float64, bool) {
	var values []float64
	for mine, theirs := range r.pairs(c, server, to, m) {
		if theirs > 0 {
			values = append(values, mine/theirs)
		}
	}
	return median(values)
}

// Beyond returns the median over the repetitions of one server's metric less
// another's in the same repetition.
func (r Results) Beyond(c, server, other string, m Metric) (float64, bool) {
	var values []float64
	for mine, theirs := range r.pairs(c, server, other, m) {
		if mine >= 0 && theirs >= 0 { // else it is unknown
			values = append(values, mine-theirs)
		}
	}
	return median(values)
}

// pairs goes through the repetitions in which neither of two servers failed.
func (r Results) pairs(c, server, other string, m Metric) iter.Seq2[float64, float64] {
	mine, theirs := r[c][server], r[c][other]
	return func(yield func(float64, float64) bool) {
		for i := range min(len(mine), len(theirs)) {
			if mine[i].Failed != "" || theirs[i].Failed != "" {
				continue
			}
			if !yield(m.Of(mine[i].Sample), m.Of(theirs[i].Sample)) {
				return
			}
		}
	}
}

// Failures returns why runs of a server failed, if any did.
func (r Results) Failures(c, server string) (reasons []string) {
	for _, run := range r[c][server] {
		if run.Failed != "" {
			reasons = append(reasons, run.Failed)
		}
	}
	return reasons
}
