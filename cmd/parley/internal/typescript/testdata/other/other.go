// Package other has types of the same names as package everything.
package other

import "time"

// Item is another Item.
type Item struct {
	Name string `json:"name"`
	When time.Time
}

// Color is an enumeration of another package.
type Color string

// The colors.
const (
	Red  Color = "red"
	Blue Color = "blue" // as the sky
)

const violet Color = "violet"

// Unseen is a color that nobody else can name.
func Unseen() Color { return violet }

// Base is to be embedded.
type Base struct {
	ID      int64
	Version int `json:"v"`
	Hidden  bool
}
