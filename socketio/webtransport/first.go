package webtransport

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/parley-go/parley/wire"
)

var errFirst = fmt.Errorf("webtransport: the first packet opens nothing: %w", wire.ErrProtocol)

// maxFirst bounds a first packet, which does not count as a connection yet.
const maxFirst = 1 << 10

// first reads the first packet: 0, or 0{"sid":"…"} with the ID of a connection
// that is to be upgraded (§3.8).
func (p *pipe) first() (id string, err error) {
	whole := p.frames.max
	p.frames.max = min(whole, maxFirst)
	packet, binary, err := p.frames.next()
	p.frames.max = whole
	if err != nil {
		return "", err
	}
	return parseFirst(packet, binary)
}

func parseFirst(packet []byte, binary bool) (id string, err error) {
	text, ok := bytes.CutPrefix(packet, []byte("0"))
	if binary || !ok {
		return "", errFirst
	}
	if len(text) == 0 {
		return "", nil
	}
	var of struct {
		SID string `json:"sid"`
	}
	if err := json.Unmarshal(text, &of); err != nil || of.SID == "" {
		return "", errFirst
	}
	return of.SID, nil
}
