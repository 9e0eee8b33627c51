package peers

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-go/parley/websocket"
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
	if r.Pings > 0 && r.Pongs == 0 && !p.PeerCloses { // RFC 6455 §5.5.3: one pong may answer several pings
		errs = append(errs, wrong("pongs", r.Pongs, "some"))
	}
	want := p.Compression != nil
	if compressed := strings.Contains(r.Extensions, "permessage-deflate"); compressed != want {
		errs = append(errs, wrong("compression", r.Extensions, want))
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

// checkStats compares what our end has counted with what it was to do. What a
// handler took that was slow is counted when it returns, which may be a moment after
// the end.
func (p Plan) checkStats(stats *websocket.Stats) error {
	s := stats.Snapshot()
	for deadline := time.Now().Add(10 * time.Second); s.MessagesIn != int64(p.Messages) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
		s = stats.Snapshot()
	}
	bytes := p.Bytes()
	switch {
	case s.MessagesIn != int64(p.Messages):
		return fmt.Errorf("our end counted %d messages, want %d", s.MessagesIn, p.Messages)
	case p.Compression == nil && s.BytesOut < bytes:
		return fmt.Errorf("our end sent %d bytes for messages of %d", s.BytesOut, bytes)
	case p.Compression != nil && !p.PeerCloses && s.BytesOut >= bytes: // a few short messages may be noise
		return fmt.Errorf("our end sent %d bytes for messages of %d, although they were to be compressed", s.BytesOut, bytes)
	}
	return nil
}
