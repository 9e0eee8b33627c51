//go:build !linux

// Command bench measures Parley's engine and its rivals side by side, on Linux only.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: the rig needs Linux: its epoll, its account of threads, its pinning")
	os.Exit(1)
}
