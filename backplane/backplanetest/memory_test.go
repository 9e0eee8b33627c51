package backplanetest

import (
	"testing"

	"github.com/parley-go/parley"
)

func TestMemoryBackplane(t *testing.T) {
	var bus parley.MemoryBackplane
	Test(t, func(*testing.T) parley.Backplane { return &bus })
}
