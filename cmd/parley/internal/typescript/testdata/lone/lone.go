// Package lone has one contract, and so most tables are empty.
package lone

import "github.com/parley-go/parley"

// Sure is all there is.
const Sure parley.Ask[struct{}, bool] = "sure"
