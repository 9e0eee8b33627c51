// Package everything has contracts of every kind, and every type that travels.
package everything

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/cmd/parley/internal/typescript/testdata/other"
)

// What clients call.
const (
	// Save does something.
	//
	// It has two paragraphs, and */ in it.
	Save   parley.Command[Item]                       = "save"
	Ping   parley.Command[struct{}]                   = "ping"
	Move   parley.Command[Step]                       = "move"
	Plain  parley.Method[int, string]                 = "plain"
	Echo   parley.Method[Raw, Raw]                    = "echo"
	Many   parley.Method[[]string, map[string]Item]   = "many"
	Page   parley.Method[struct{}, Paged[Item]]       = "page"
	Pair   parley.Method[Both[int, *other.Item], any] = "pair"
	Store  parley.Method[[]byte, Blob]                = "store"
	Tail   parley.Stream[string, Item]                = "tail"
	Import parley.Upload[string, Blob, int]           = "import"
	Dashed parley.Command[string]                     = "with-dash"
	hidden parley.Command[string]                     = "hidden"
)

// What clients are told and asked.
const (
	Saved   parley.Event[Item]                  = "saved"
	Cleared parley.Event[struct{}]              = "cleared"
	Moved   parley.Event[Step]                  = "moved"
	Tree    parley.Event[Node]                  = "tree"
	All     parley.Event[Everything]            = "all"
	Nested  parley.Event[Forest]                = "nested"
	Defined parley.Event[Dictionary]            = "defined\u2028 \"or\" not"
	Picked  parley.Ask[Choice, other.Color]     = "pick"
	Sure    parley.Ask[Question, bool]          = "sure"
	Taken   parley.Event[Promise]               = "taken"
	Given   parley.Ask[struct{}, []other.Item]  = "given"
	Chained parley.Event[Chain]                 = "chained"
	Ringed  parley.Event[Ring]                  = "ringed"
	Failed  parley.Event[map[other.Color]Level] = "failed"
)

// Raw is any value.
type Raw = json.RawMessage

// Level is an enumeration of numbers, which may be more than those here.
type Level int

// The levels.
const (
	Low  Level = 1
	High Level = 2
)

// State is an enumeration.
type State string

// The states.
const (
	Open   State = "open"   // it may be entered
	Closed State = "closed" // it may not
	secret State = "secret"
	Same   State = "open"
)

// ID is a string with a name.
type ID string

// Item has fields of all kinds of names.
type Item struct {
	Name     string // the name
	URLValue int
	ID       ID     `json:"id"`
	Dashed   string `json:"with-dash"`
	Skipped  string `json:"-"`
	Dash     string `json:"-,"`
	hidden   string
}

// Step travels as two arguments.
type Step struct {
	parley.Positional
	Default, Ack int
}

// Paged is generic.
type Paged[T any] struct {
	Items []T  `json:"items"`
	Next  *T   `json:"next,omitempty"`
	More  bool `json:"more"`
}

// Both is generic in two types.
type Both[A, B any] struct {
	A A
	B B
}

// Blob has bytes in it.
type Blob struct {
	Data  []byte
	Maybe Bytes   `json:",omitempty"`
	Sums  [4]byte // an array of numbers
	Parts [][]byte
}

// Bytes are bytes with a name.
type Bytes []byte

// Node contains itself.
type Node struct {
	Value string
	Left  *Node
	Kids  []Node           `json:",omitempty"`
	Named map[string]*Node `json:",omitempty"`
}

// Forest is a list of itself.
type Forest []Forest

// Chain is nothing but pointers.
type Chain *Chain

// Ring is a pointer to a pointer to itself.
type Ring *Backward

// Backward is the other half.
type Backward *Ring

// Dictionary is a map of itself.
type Dictionary map[string]Dictionary

// Choice has unions.
type Choice struct {
	State  State
	States []State
	By     map[State]int
	Level  Level
	Color  *other.Color
}

// Question is asked.
type Question struct {
	parley.Positional
	Text string
	Wait time.Duration // in nanoseconds
}

// Promise has a name that TypeScript needs.
type Promise struct{ Kept bool }

type small struct {
	InSmall int
}

// Quiet is hidden by what is nearer.
type Quiet struct {
	Hidden string
	Name   string
}

// Everything has all kinds of types.
type Everything struct {
	other.Base // its fields are this one's
	*Quiet     `json:",omitempty"`
	small
	Tagged     small `json:"tagged"`
	Hidden     int   // hides that of Base
	Bool       bool
	Int        int64
	Text       int `json:",string"`
	Float      float32
	String     string
	Time       time.Time
	Zero       time.Time `json:",omitzero"`
	Never      time.Time `json:",omitempty"` // omitempty omits no struct
	Duration   time.Duration
	Pointer    *string
	Twice      **int
	Slice      []int
	Maybe      []int     `json:"maybe,omitempty"`
	Pointers   []*string `json:"pointers,omitempty"`
	Array      [2]bool
	Map        map[string]int
	Numbers    map[int][]string
	Addresses  map[netip.Addr]bool
	Colors     map[other.Color]bool
	Any        any
	Error      error
	RawMessage json.RawMessage
	Raw        Raw `json:"raw,omitempty"`
	Number     json.Number
	Address    netip.Addr
	Big        *big.Int
	Own        Own
	Odd        Odd  `json:",string"`
	Odds       *Odd `json:",string,omitempty"`
	Inline     struct {
		X, Y int
		Z    *struct{ Deep bool }
	}
	Empty  struct{}
	Other  other.Item
	Color  other.Color
	Item   *Item
	Either Both[string, []Item]
}

// Own writes itself.
type Own struct{ secret int }

// MarshalJSON implements json.Marshaler.
func (Own) MarshalJSON() ([]byte, error) { return []byte(`{"own":true}`), nil }

// Odd is a number that writes itself, whatever its tag says.
type Odd int

// MarshalJSON implements json.Marshaler.
func (o Odd) MarshalJSON() ([]byte, error) { return json.Marshal([]int{int(o)}) }
