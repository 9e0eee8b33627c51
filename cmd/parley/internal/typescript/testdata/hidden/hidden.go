// Package hidden has contracts that nobody else can use.
package hidden

import "github.com/parley-go/parley"

const say parley.Command[string] = "say"
