package engineio

import (
	"errors"
	"fmt"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// Why a connection ended, in the reference's words: what [Upper.Closed] gets
// wraps one of these, or is the error that Fail was given by the Upper, or nil
// after a Close of this side. It is ErrTransportClose itself, with nothing
// around it, when the client simply left.
var (
	ErrTransportClose = errors.New("engineio: transport close") // the client left, or the network took it
	ErrTransportError = errors.New("engineio: transport error") // the client broke the rules of its transport
	ErrPingTimeout    = fmt.Errorf("engineio: ping timeout: %w", parley.ErrIdle)
	ErrParse          = fmt.Errorf("engineio: parse error: %w", wire.ErrProtocol)
	ErrForcedClose    = errors.New("engineio: forced close") // for an Upper to Fail with
)

var (
	errPayload  = fmt.Errorf("%w: malformed payload", ErrParse)
	errPacket   = fmt.Errorf("%w: unknown packet", ErrParse)
	errBase64   = fmt.Errorf("%w: malformed base64", ErrParse)
	errBeat     = misuse("a heartbeat in the wrong direction")
	errContent  = misuse("a binary payload in protocol 4")
	errCutPost  = fmt.Errorf("%w: POST cut off", ErrTransportError)
	errTwoPolls = fmt.Errorf("%w: two polls at a time", ErrTransportError) // these may be
	errTwoPosts = fmt.Errorf("%w: two POSTs at a time", ErrTransportError) // the network's doing: the first was cut off, and only the client knows
)

// misuse is the error of a client that breaks the rules.
func misuse(how string) error {
	return fmt.Errorf("%w: %s: %w", ErrTransportError, how, wire.ErrProtocol)
}

// ended words the end of a pipe that nobody has asked for.
func ended(polling bool, err error) error {
	switch {
	case err == nil:
		return ErrTransportClose
	case polling, errors.Is(err, wire.ErrProtocol):
		return fmt.Errorf("%w: %w", ErrTransportError, err)
	}
	return fmt.Errorf("%w: %w", ErrTransportClose, err)
}
