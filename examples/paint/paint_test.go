package paint

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
)

// painter is one client and what it sees.
type painter struct {
	*parley.Client
	pictures [][]Stroke
	draws    []Stroke
	clears   int
}

func newPainter(t *testing.T, hub *parley.Hub) *painter {
	t.Helper()
	p := &painter{}
	p.Client = parleytest.Dial(t, hub, &parleytest.Options{Setup: func(cl *parley.Client) {
		Picture.On(cl, func(_ context.Context, all []Stroke) { p.pictures = append(p.pictures, all) })
		Draw.On(cl, func(_ context.Context, s Stroke) { p.draws = append(p.draws, s) })
		Cleared.On(cl, func(context.Context, struct{}) { p.clears++ })
	}})
	synctest.Wait()
	return p
}

// picture is what a newcomer sees.
func newcomerSees(t *testing.T, hub *parley.Hub) []Stroke {
	t.Helper()
	p := newPainter(t, hub)
	if len(p.pictures) != 1 {
		t.Fatalf("a newcomer sees %d pictures, want 1", len(p.pictures))
	}
	return p.pictures[0]
}

func (p *painter) paint(t *testing.T, strokes ...Stroke) {
	t.Helper()
	for _, s := range strokes {
		if err := DrawClick.Call(t.Context(), p.Client, s); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
}

func piece(id, kind string, points ...Point) Stroke {
	return Stroke{ID: id, Type: kind, Color: "#102030", Size: 5, Points: points}
}

func inBubble(t *testing.T, test func(t *testing.T, hub *parley.Hub)) {
	synctest.Test(t, func(t *testing.T) {
		app := New()
		test(t, app.Hub())
		if err := app.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStrokesOfTwoPaintersDoNotMix(t *testing.T) {
	inBubble(t, func(t *testing.T, hub *parley.Hub) {
		ann, ben := newPainter(t, hub), newPainter(t, hub)
		for i, kind := range []string{"dragstart", "drag", "dragend"} { // both call their stroke "1", and draw it in turns
			at := Point{float64(i), float64(i)}
			ann.paint(t, piece("1", kind, at))
			ben.paint(t, piece("1", kind, at))
		}
		if len(ann.draws) != 3 || len(ben.draws) != 3 {
			t.Fatalf("ann sees %d pieces, ben %d; want the other's 3", len(ann.draws), len(ben.draws))
		}
		if ann.draws[0].ID == ben.draws[0].ID || ann.draws[0].ID != ann.draws[2].ID {
			t.Errorf("ann sees strokes %s and %s, ben %s", ann.draws[0].ID, ann.draws[2].ID, ben.draws[0].ID)
		}
		want := []Point{{0, 0}, {1, 1}, {2, 2}}
		picture := newcomerSees(t, hub)
		if len(picture) != 2 || !reflect.DeepEqual(picture[0].Points, want) || !reflect.DeepEqual(picture[1].Points, want) {
			t.Errorf("a newcomer sees %+v", picture)
		}
	})
}

func TestClearTakesEverythingOff(t *testing.T) {
	inBubble(t, func(t *testing.T, hub *parley.Hub) {
		ann, ben := newPainter(t, hub), newPainter(t, hub)
		ann.paint(t, piece("1", "dragstart", Point{1, 1}))
		if err := Clear.Call(t.Context(), ben.Client, struct{}{}); err != nil {
			t.Fatal(err)
		}
		ann.paint(t, piece("1", "drag", Point{2, 2}), piece("1", "dragend"))
		if ann.clears != 1 || ben.clears != 1 {
			t.Errorf("clear is seen %d and %d times, want once", ann.clears, ben.clears)
		}
		picture := newcomerSees(t, hub)
		if len(picture) != 1 || !reflect.DeepEqual(picture[0].Points, []Point{{2, 2}}) {
			t.Errorf("a newcomer sees %+v, want what was painted since", picture)
		}
	})
}

// The page of the sample we take after sends {x, y, type} and knows no more of
// what it is sent.
func TestTheFirstPageOfThisKindStillDraws(t *testing.T) {
	inBubble(t, func(t *testing.T, hub *parley.Hub) {
		old, other := newPainter(t, hub), newPainter(t, hub)
		type click struct {
			X    float64 `json:"x"`
			Y    float64 `json:"y"`
			Type string  `json:"type"`
		}
		for _, c := range []click{{1, 1, "dragstart"}, {2, 2, "drag"}, {3, 3, "dragend"}, {9, 9, "dragstart"}} {
			if err := old.Call(t.Context(), "drawClick", nil, c); err != nil {
				t.Fatal(err)
			}
		}
		other.paint(t, piece("1", "drag", Point{4, 5}, Point{6, 7.04}))
		var got []string
		for _, s := range append(other.draws, old.draws...) {
			got = append(got, fmt.Sprint(s.Type, " ", *s.X, " ", *s.Y))
		}
		if want := "dragstart 1 1, drag 2 2, dragend 3 3, dragstart 9 9, drag 6 7"; strings.Join(got, ", ") != want {
			t.Errorf("others see %q, want %q", got, want)
		}
		if picture := newcomerSees(t, hub); len(picture) != 3 || len(picture[0].Points) != 3 || picture[0].Color != "#ecd018" {
			t.Errorf("a newcomer sees %+v", picture)
		}
	})
}

func TestThePictureIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, hub *parley.Hub) {
		ann := newPainter(t, hub)
		const cost = MaxPoints + strokeCost
		for i := range 2 * kept / cost {
			ann.paint(t, piece(fmt.Sprint(i), "dragstart", make([]Point, MaxPoints)...))
			ann.paint(t, piece("end of nothing", "dragend"))
		}
		picture := newcomerSees(t, hub)
		if len(picture) != kept/cost {
			t.Fatalf("%d strokes, want %d", len(picture), kept/cost)
		}
		if want := fmt.Sprintf("1-%d", 2*kept/cost-kept/cost); picture[0].ID != want {
			t.Errorf("the oldest stroke kept is %s, want %s", picture[0].ID, want)
		}
		for range 2 * kept / MaxPoints { // one stroke may not outgrow it either
			ann.paint(t, piece("endless", "drag", make([]Point, MaxPoints)...))
		}
		if picture := newcomerSees(t, hub); len(picture) != 1 || len(picture[0].Points) > kept {
			t.Errorf("%d strokes, the first with %d points", len(picture), len(picture[0].Points))
		}
	})
}

func TestNonsenseIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, hub *parley.Hub) {
		ann, ben := newPainter(t, hub), newPainter(t, hub)
		good := Point{1, 1}
		tests := map[string]any{
			"long id":      piece(strings.Repeat("x", MaxID+1), "drag", good),
			"no points":    piece("1", "drag"),
			"half a point": map[string]any{"x": 1, "type": "drag"},
			"too many":     piece("1", "drag", make([]Point, MaxPoints+1)...),
			"far outside":  piece("1", "drag", Point{farthest + 1, 0}),
			"other type":   piece("1", "drop", good),
			"bad colour":   Stroke{Color: "url(javascript:x)", Points: []Point{good}},
			"colour alone": Stroke{Color: "#", Points: []Point{good}},
			"thin":         Stroke{Size: 0.5, Points: []Point{good}},
			"fat":          Stroke{Size: MaxSize + 1, Points: []Point{good}},
			"no number":    map[string]any{"x": "1", "y": true},
			"no stroke":    7,
			"null":         nil,
		}
		for what, s := range tests {
			if err := ann.Call(t.Context(), "drawClick", nil, s); err == nil {
				t.Errorf("%s: accepted", what)
			}
		}
		synctest.Wait()
		if picture := newcomerSees(t, hub); len(picture) != 0 || len(ben.draws) != 0 {
			t.Errorf("the picture has %d strokes, and others saw %d", len(picture), len(ben.draws))
		}
	})
}
