package peers

import (
	"errors"
	"fmt"
	"strings"
)

// Report is what a peer has seen of a conversation.
type Report struct {
	ID         string
	Messages   int    // received and echoed
	Digest     string // of the messages received
	Pings      int    // sent; 0 if the peer cannot
	Pongs      int    // received
	Code       int    // of our close frame
	Reason     string // of our close frame
	Extensions string // agreed upon in the handshake
	Error      string // what went wrong on the peer's side, if anything
}

// Check compares what the peer has seen with what we have done.
func (p Plan) Check(r Report) error {
	wrong := func(what string, got, want any) error {
		return fmt.Errorf("the peer's report: %s: got %v, want %v", what, got, want)
	}
	var errs []error
	if r.Error != "" {
		errs = append(errs, errors.New("the peer's report: "+r.Error))
	}
	if r.Messages != p.Messages {
		errs = append(errs, wrong("messages", r.Messages, p.Messages))
	} else if want := p.digest(); r.Digest != want {
		errs = append(errs, wrong("digest", r.Digest, want))
	}
	if r.Pings > 0 && r.Pongs == 0 { // RFC 6455 §5.5.3: one pong may answer several pings
		errs = append(errs, wrong("pongs", r.Pongs, "some"))
	}
	if compressed := strings.Contains(r.Extensions, "permessage-deflate"); compressed != p.compressed() {
		errs = append(errs, wrong("compression", r.Extensions, p.compressed()))
	}
	code, reason := OurCode, OurReason
	if p.PeerCloses { // our answer repeats the status (RFC 6455 §5.5.1)
		code, reason = PeerCode, r.Reason
	}
	if r.Code != int(code) || r.Reason != reason {
		errs = append(errs, wrong("close", fmt.Sprint(r.Code, " ", r.Reason), fmt.Sprint(code, " ", reason)))
	}
	return errors.Join(errs...)
}

func (p Plan) compressed() bool { return false }
