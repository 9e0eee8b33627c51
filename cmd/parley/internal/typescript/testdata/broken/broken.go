package broken

import "github.com/parley-go/parley"

const Say parley.Command[Draft] = "say"
