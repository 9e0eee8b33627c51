// Package unfit has types that cannot travel as JSON.
package unfit

import "github.com/parley-go/parley"

// The contracts.
const (
	Call   parley.Command[Callback]        = "call"
	Send   parley.Event[chan int]          = "send"
	Add    parley.Method[complex128, int]  = "add"
	Lookup parley.Method[int, map[Key]int] = "lookup"
)

// Callback has a function in it.
type Callback struct {
	Name string
	Then func(string)
}

// Key is no key of JSON.
type Key struct{ A, B int }
