package websocket

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"
	"unicode/utf8"
)

// StatusCode says why a connection is closed (RFC 6455 §7.4). Codes 3000–3999
// are registered with IANA, 4000–4999 are an application's own.
type StatusCode uint16

// The codes of RFC 6455 §7.4.1 and of IANA's registry.
const (
	StatusNormalClosure      StatusCode = 1000 // the connection has done its work
	StatusGoingAway          StatusCode = 1001 // a server shuts down, a page is left
	StatusProtocolError      StatusCode = 1002 // the peer broke a rule of the protocol
	StatusUnsupportedData    StatusCode = 1003 // a type of message that is not understood
	StatusNoStatus           StatusCode = 1005 // never sent: the close frame was empty
	StatusAbnormal           StatusCode = 1006 // never sent: no close frame came
	StatusInvalidPayload     StatusCode = 1007 // such as text that is not UTF-8
	StatusPolicyViolation    StatusCode = 1008 // any other objection to a message
	StatusMessageTooBig      StatusCode = 1009 // beyond the receiver's limit
	StatusMandatoryExtension StatusCode = 1010 // a client misses an extension
	StatusInternalError      StatusCode = 1011 // something unexpected on the server
	StatusServiceRestart     StatusCode = 1012 // come back in a moment
	StatusTryAgainLater      StatusCode = 1013 // overloaded
	StatusBadGateway         StatusCode = 1014 // a gateway got a bad answer from behind it
)

// maxReasonBytes is what the code leaves of a control frame (RFC 6455 §5.5).
const maxReasonBytes = maxControlBytes - 2

const (
	// lingerTime and lingerBytes bound the wait for the peer to hang up. Closing
	// a socket with unread bytes resets the connection, and a reset makes the
	// peer forget what it has not read yet: our close frame.
	lingerTime  = time.Second
	lingerBytes = 16 << 20
)

// CloseError is returned by Read, and by everything after it, when the peer has
// closed the connection with a close frame. Use [errors.As] with a *CloseError.
type CloseError struct {
	Code   StatusCode // StatusNoStatus if the close frame was empty
	Reason string     // at most 123 bytes of UTF-8 the peer chose
}

// Error returns the code and the reason in a sentence.
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("websocket: closed by the peer with status %d", e.Code)
	}
	return fmt.Sprintf("websocket: closed by the peer with status %d: %q", e.Code, e.Reason)
}

// ProtocolError is returned by Read, and by everything after it, when the peer
// broke RFC 6455 or went over a limit of this end. The peer has been told in a
// close frame, and the connection is closed ("Fail the WebSocket Connection",
// RFC 6455 §7.1.7). Use [errors.As] with a *ProtocolError.
type ProtocolError struct {
	// Code is what the peer was told: StatusProtocolError, StatusInvalidPayload
	// for text that is not UTF-8, StatusMessageTooBig, or StatusPolicyViolation
	// for a message of too many fragments.
	Code   StatusCode
	Reason string // what was wrong, as the peer was told

	drop reason // under which it is counted
}

// Error returns the reason and the code in a sentence.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("websocket: %s (status %d)", e.Reason, e.Code)
}

func protocolError(reason string) error {
	return &ProtocolError{StatusProtocolError, reason, dropProtocol}
}

var errNotUTF8 = &ProtocolError{StatusInvalidPayload, "a text message is not UTF-8", dropUTF8}

// isSendable reports whether code may stand in a close frame (RFC 6455 §7.4 and
// the IANA registry): not the reserved ones, not those that mean "no frame".
func (code StatusCode) isSendable() bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code < 1000 || code > 1014:
		return false
	}
	return code != 1004 && code != StatusNoStatus && code != StatusAbnormal
}

// Close performs the close handshake (RFC 6455 §7): it sends a close frame,
// waits up to the CloseTimeout for the peer's, and closes the socket. Messages
// that arrive meanwhile go to a Read that is running and are dropped otherwise.
// Close may be called at any time, from any goroutine, more than once.
//
// A reason longer than 123 bytes is cut between characters. [StatusNoStatus]
// sends an empty close frame. A code that must not be sent is an error, and the
// socket is closed without a handshake.
//
// Close returns nil if the peer's close frame has arrived, now or before. After
// an error the socket is closed all the same.
//
// On a connection of a [Handler] Close does not wait: it returns nil, no more
// messages are handed on, and OnClose tells how it ended.
func (c *Conn) Close(code StatusCode, reason string) error {
	if code != StatusNoStatus && !code.isSendable() {
		c.CloseNow()
		return fmt.Errorf("websocket: status %d must not be sent in a close frame", code)
	}
	if c.handler != nil {
		c.startClose(code, reason)
		return nil
	}
	if c.ended() == nil {
		c.shakeOff(code, reason)
	}
	c.Hold()
	if err := c.ended(); !isPeerClose(err) {
		return err
	}
	return nil
}

// shakeOff performs the close handshake and ends the connection.
func (c *Conn) shakeOff(code StatusCode, reason string) {
	ctx, cancel := context.WithTimeout(context.Background(), c.bounds.close)
	defer cancel()
	if c.sendClose(ctx, code, reason) == nil {
		c.awaitClose(ctx)
	}
	if c.ended() == nil {
		c.drop(dropCloseTimeout)
	}
	c.end(fmt.Errorf("websocket: the close handshake took more than %v: %w", c.bounds.close, net.ErrClosed))
}

// CloseNow closes the socket without a close handshake; the peer sees a
// connection lost (status 1006). Running calls return an error wrapping
// [net.ErrClosed]. It may be called at any time, from any goroutine, more than
// once. It waits for a millisecond at most, to let what was held back leave. The error
// is always nil; it is there to make Conn an obvious thing to defer.
func (c *Conn) CloseNow() error {
	c.quiet.Store(true)
	c.flushNow()
	c.end(fmt.Errorf("websocket: closed: %w", net.ErrClosed))
	c.Hold()
	return nil
}

// flushNow sends what a Write has held back, if the network takes it.
func (c *Conn) flushNow() {
	if c.link == nil {
		c.flush()
		return
	}
	c.mu.Lock()
	if c.out.queue == nil || c.out.turn || c.err != nil {
		c.mu.Unlock()
		return
	}
	c.out.turn = true // for good: the connection ends
	q := c.takeQueue()
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), corkTime)
	defer cancel()
	c.writeNet(ctx, q)
	q.free()
}

func isPeerClose(err error) bool {
	var closed *CloseError
	return errors.As(err, &closed)
}

// awaitClose waits for the peer's close frame: for the running Read to find it,
// or, when nobody reads, by reading.
func (c *Conn) awaitClose(ctx context.Context) {
	if c.beginRead(ctx) != nil {
		return
	}
	defer c.reading.turn.leave()
	c.reading.detach()
	for {
		if _, err := c.readMessage(ctx); err != nil {
			return
		}
	}
}

// closeArrived answers the peer's close frame, if it is not itself the answer to
// ours, and closes the socket: a server at once, a client after the server
// (RFC 6455 §5.5.1 and §7.1.1).
func (c *Conn) closeArrived(ctx context.Context, payload []byte) error {
	c.countIn(0)
	received, err := c.parseClose(payload)
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, c.bounds.close)
	defer cancel()
	if c.sendClose(within, c.reply(received.Code), "") == nil {
		c.leave()
	}
	c.end(received)
	return received
}

// leave ends the stream after both close frames.
func (c *Conn) leave() {
	switch {
	case c.client:
		c.linger()
	case len(c.reading.rest) > 0: // the peer did not stop at its close frame
		c.closeWrite()
		c.linger()
	default:
		c.closeWrite()
	}
}

// reply is the status that answers received: the same (RFC 6455 §5.5.1), unless
// the application has another.
func (c *Conn) reply(received StatusCode) StatusCode {
	if c.replies == nil || c.replies.closeReply == nil {
		return received
	}
	code := c.replies.closeReply(received)
	if code != StatusNoStatus && !code.isSendable() {
		return received
	}
	return code
}

// refuse fails the connection (RFC 6455 §7.1.7): it tells the peer why, and gives
// it time to read that. The caller has the read turn.
func (c *Conn) refuse(ctx context.Context, why *ProtocolError) error {
	c.countIn(0)
	within, cancel := context.WithTimeout(ctx, min(c.bounds.close, lingerTime))
	defer cancel()
	if c.sendClose(within, why.Code, c.refusal(why)) == nil {
		c.closeWrite()
		c.linger()
	}
	c.end(why)
	return why
}

// refusal is the reason the peer is told.
func (c *Conn) refusal(why *ProtocolError) string {
	if c.replies != nil && c.replies.bare {
		return ""
	}
	return why.Reason
}

// linger discards what still comes until the peer hangs up. The caller has the
// read turn.
func (c *Conn) linger() {
	wait := min(lingerTime, c.bounds.close/2)
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if c.link != nil {
		c.link.nc.SetReadDeadline(time.Now().Add(wait))
	}
	c.in.drop()
	for total := 0; total < lingerBytes; total += len(c.reading.rest) {
		if _, err := c.fill(ctx); err != nil {
			return
		}
	}
}

// parseClose reads the payload of a close frame (RFC 6455 §5.5.1). What is 1009 today was
// 1004 in drafts 7 to 10.
func (c *Conn) parseClose(p []byte) (*CloseError, error) {
	if len(p) == 0 {
		return &CloseError{Code: StatusNoStatus}, nil
	}
	if len(p) == 1 {
		return nil, protocolError("a close frame has half a status")
	}
	code := StatusCode(binary.BigEndian.Uint16(p))
	if !code.isSendable() && (code != 1004 || c.version == version13) {
		return nil, protocolError(fmt.Sprintf("status %d must not be sent in a close frame", code))
	}
	if !utf8.Valid(p[2:]) { // RFC 6455 §8.1
		return nil, &ProtocolError{StatusInvalidPayload, "the reason in a close frame is not UTF-8", dropUTF8}
	}
	return &CloseError{Code: code, Reason: string(p[2:])}, nil
}

// appendClose appends the payload of a close frame.
func appendClose(dst []byte, code StatusCode, reason string) []byte {
	if code == StatusNoStatus {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, cutReason(reason)...)
}

// cutReason shortens reason to what fits in a close frame, between characters.
func cutReason(reason string) string {
	if len(reason) <= maxReasonBytes {
		return reason
	}
	end := maxReasonBytes
	for end > 0 && !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}
