package websocket

import (
	"bytes"
	"testing"
)

func TestDeflateEmptyMessage(t *testing.T) {
	d := deflater{deflateWindow: deflateWindow{bits: 15}, level: 1}
	if got := d.append(nil, nil); !bytes.Equal(got, []byte{0}) {
		t.Errorf("got % x, want 00 (RFC 7692 §7.2.3.6)", got)
	}
}
