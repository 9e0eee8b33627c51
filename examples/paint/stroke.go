package paint

import (
	"encoding/hex"
	"math"

	"github.com/parley-go/parley"
)

// The canvas is 800 by 400 units, whatever its size on a screen.
const (
	Width  = 800
	Height = 400
)

// Limits of what a painter may send.
const (
	MaxPoints = 256  // in one message
	MaxSize   = 64   // units, of the brush
	MaxID     = 32   // bytes
	farthest  = 2000 // units from the corner, either way: a hand may leave the canvas
)

// Point is x and y in units of the canvas.
type Point [2]float64

// Stroke is some more points of a stroke, or in a picture the whole of it. In
// the oldest form, of which clients may still send and read the parts they
// know, it is one point {x, y, type}; pages send {id, type, points}, many
// points at a time.
type Stroke struct {
	// ID tells the strokes of one painter apart; the hub puts the painter's
	// number before it. Strokes without one follow each other by dragstart.
	ID string `json:"id"`
	// Type is dragstart, drag or dragend; empty means drag.
	Type string `json:"type,omitempty"`
	// X and Y are the last of the points, or the only one.
	X *float64 `json:"x,omitempty"`
	Y *float64 `json:"y,omitempty"`
	// Points are all of them, in order.
	Points []Point `json:"points"`
	// Color is #rrggbb; empty means #ecd018.
	Color string `json:"color"`
	// Size is the width of the brush in units; zero means 5.
	Size float64 `json:"size"`
}

func refuse(format string, args ...any) error { return parley.Errorf("bad_stroke", format, args...) }

// tidy fills in what may be missing and refuses what cannot be drawn.
func (s *Stroke) tidy() error {
	if s.Color == "" {
		s.Color = "#ecd018"
	}
	if s.Size == 0 {
		s.Size = 5
	}
	if s.Type == "" {
		s.Type = "drag"
	}
	if len(s.Points) == 0 && s.X != nil && s.Y != nil {
		s.Points = []Point{{*s.X, *s.Y}}
	}
	if err := s.check(); err != nil {
		return err
	}
	s.X, s.Y = nil, nil
	if n := len(s.Points); n > 0 {
		last := s.Points[n-1]
		s.X, s.Y = &last[0], &last[1]
	}
	return nil
}

func (s *Stroke) check() error {
	switch s.Type {
	case "dragstart", "drag", "dragend":
	default:
		return refuse("A stroke's type is dragstart, drag or dragend.")
	}
	if len(s.ID) > MaxID {
		return refuse("A stroke's id has at most %d bytes.", MaxID)
	}
	if _, err := hex.DecodeString(s.Color[1:]); err != nil || len(s.Color) != 7 || s.Color[0] != '#' {
		return refuse("A color is written as #rrggbb.")
	}
	if !(s.Size >= 1 && s.Size <= MaxSize) {
		return refuse("A brush is 1 to %d units wide.", MaxSize)
	}
	return s.checkPoints()
}

func (s *Stroke) checkPoints() error {
	if len(s.Points) > MaxPoints {
		return refuse("A message has at most %d points.", MaxPoints)
	}
	if len(s.Points) == 0 && s.Type != "dragend" {
		return refuse("A stroke needs points, or x and y.")
	}
	for i, p := range s.Points {
		for j, v := range p {
			if !(math.Abs(v) <= farthest) { // not even a number, perhaps
				return refuse("A point lies within %d units of the corner.", farthest)
			}
			s.Points[i][j] = math.Round(v*10) / 10 // finer than a screen shows
		}
	}
	return nil
}

// kept bounds a picture, in points; each stroke counts for some more, about what
// it takes to write. Beyond it the oldest strokes go, whole. A newcomer gets
// half a megabyte at most.
const (
	kept       = 30_000
	strokeCost = 10
)

// picture is what is on the canvas: strokes in the order in which they began.
type picture struct {
	strokes []*Stroke
	growing map[string]*Stroke // by ID; those not ended
	cost    int
}

// add adds points to a stroke. One that is not known, as its beginning is gone
// with the oldest or was cleared away, begins here.
func (p *picture) add(s Stroke) {
	whole := p.growing[s.ID]
	if len(s.Points) > 0 {
		if whole == nil || s.Type == "dragstart" {
			whole = &Stroke{ID: s.ID, Color: s.Color, Size: s.Size}
			p.begin(whole)
		}
		whole.Points = append(whole.Points, s.Points...)
		p.cost += len(s.Points)
	}
	if s.Type == "dragend" {
		delete(p.growing, s.ID)
	}
	for p.cost > kept {
		p.dropOldest()
	}
}

func (p *picture) begin(s *Stroke) {
	if p.growing == nil {
		p.growing = make(map[string]*Stroke)
	}
	p.growing[s.ID] = s
	p.strokes = append(p.strokes, s)
	p.cost += strokeCost
}

func (p *picture) dropOldest() {
	oldest := p.strokes[0]
	p.strokes[0], p.strokes = nil, p.strokes[1:]
	p.cost -= strokeCost + len(oldest.Points)
	if p.growing[oldest.ID] == oldest {
		delete(p.growing, oldest.ID)
	}
}

// all lists the strokes as they are now.
func (p *picture) all() []Stroke {
	list := make([]Stroke, 0, len(p.strokes))
	for _, s := range p.strokes {
		list = append(list, *s)
	}
	return list
}
