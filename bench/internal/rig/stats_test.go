//go:build linux

package rig

import (
	"testing"
	"time"
)

func TestMedianIsTheMiddle(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 100}, 3.5},
	} {
		if got, ok := median(test.values); !ok || got != test.want {
			t.Errorf("median of %v is %v, want %v", test.values, got, test.want)
		}
	}
	if _, ok := median(nil); ok {
		t.Error("nothing has a median")
	}
}

// The machine was half as fast in the second repetition, and the rival failed in the
// third: neither shows in the ratio.
func TestRatiosAreTakenWithinARepetition(t *testing.T) {
	run := func(cpu float64) Run { return Run{Sample: Sample{CPU: cpu}} }
	r := Results{"echo": {
		"ours":  {run(100), run(200), run(1)},
		"rival": {run(200), run(400), {Failed: "broken"}},
	}}
	if got, ok := r.Ratio("echo", "ours", "rival", CPU); !ok || got != 0.5 {
		t.Errorf("ratio is %v, want 0.5", got)
	}
	if got, ok := r.Median("echo", "rival", CPU); !ok || got != 300 {
		t.Errorf("the rival's median is %v, want 300, without the run that failed", got)
	}
	if got := r.Failures("echo", "rival"); len(got) != 1 || got[0] != "broken" {
		t.Errorf("failures are %q, want the one", got)
	}
	if _, ok := r.Ratio("echo", "ours", "nobody", CPU); ok {
		t.Error("there is a ratio to a server that did not run")
	}
}

func TestQuantiles(t *testing.T) {
	sorted := make([]time.Duration, 100)
	for i := range sorted {
		sorted[i] = time.Duration(i + 1)
	}
	for q, want := range map[float64]time.Duration{0.5: 50, 0.99: 99, 1: 100} {
		if got := quantile(sorted, q); got != want {
			t.Errorf("quantile %v of 1 to 100 is %d, want %d", q, got, want)
		}
	}
}
