package parley_test

import (
	"slices"
	"testing"

	"github.com/parley-go/parley"
)

func TestWhenShutdown(t *testing.T) {
	hub := parley.NewHub(nil)
	var told []string
	hub.WhenShutdown(func() { told = append(told, "first") })
	forget := hub.WhenShutdown(func() { told = append(told, "forgotten") })
	hub.WhenShutdown(func() { told = append(told, "second") })
	forget()
	forget()
	for range 2 {
		if err := hub.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	hub.WhenShutdown(func() { told = append(told, "late") })()
	if want := []string{"first", "second", "late"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
