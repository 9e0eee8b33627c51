package parleytest

import (
	"testing"

	"github.com/parley-go/parley/wire/wiretest"
)

func TestProtocol(t *testing.T) { wiretest.TestProtocol(t, Protocol) }
