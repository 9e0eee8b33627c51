// Package rig measures servers side by side: it starts each as a process of its own
// on a processor of its own, loads it from another, takes the time that the kernel
// accounts to the server's threads, and divides it by the messages. Repetitions are
// interleaved, and only ratios within a repetition are compared.
package rig
