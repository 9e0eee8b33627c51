// Package bench measures Parley side by side with other packages, and its
// protocols with the bare engine, in one run on one machine. Read the ratios,
// not the nanoseconds.
package bench
