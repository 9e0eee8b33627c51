// Package twice has two contracts of one name.
package twice

import "github.com/parley-go/parley"

// The contracts.
const (
	Clear   parley.Command[struct{}] = "clear"
	Cleared parley.Event[struct{}]   = "clear" // from the other side, it is another
	Empty   parley.Method[int, int]  = "clear"
)
