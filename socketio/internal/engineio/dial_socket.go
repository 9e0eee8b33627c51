package engineio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// Dialed is the client's end of one Engine.IO connection: a [wire.Pipe] that
// outlives a change of transport. Its lock is never held while a pipe is called.
type Dialed struct {
	// fixed after construction
	o      *DialOptions
	ctx    context.Context // of the attempt at a WebSocket
	cancel context.CancelFunc

	// fixed once open
	sid        string
	offered    bool          // a WebSocket is
	maxPayload int64         // bytes of a POST; 0 when the server does not say
	silence    time.Duration // the server is gone when it has not pinged for so long (§3.4)

	lender wire.Lender // whose Receive runs; owned by who calls it

	pausing sync.Mutex // held while paused, or the pipe that it speaks of, changes; taken before mu
	paused  bool

	mu       sync.Mutex
	up       wire.Receiver   // nil before the open packet; set by who calls Receive
	failed   bool            // Dial has
	clock    *time.Timer     // calls overdue; set with up
	current  *dialLink       // what messages travel on
	probe    *dialLink       // a WebSocket that may become current; nil for none
	words    []*wire.Encoded // pongs
	links    int             // pipes that have not ended, and the attempt at a WebSocket
	quitting bool            // the polls are coming to their end, for the probe
	closing  bool            // by this side
	cut      bool            // likewise, without a goodbye
	over     bool            // the current pipe has ended
	reason   error           // why, if that is known better than by the pipe
}

// dialLink is the receiver of one pipe of a Dialed.
type dialLink struct {
	// fixed after construction
	socket *Dialed
	pipe   wire.Pipe
	polls  *transport.DialedExchange // is pipe; nil for a WebSocket
	clock  *time.Timer               // of a probe

	opening chan error      // gets how the opening went; nil when it has, or is not awaited. Owned by who calls Receive
	words   []*wire.Encoded // packets of this layer, to go before messages; guarded by socket.mu
}

var (
	errSilent = fmt.Errorf("engineio: the server has not pinged in time: %w", parley.ErrIdle)
	errLong   = fmt.Errorf("engineio: message too long: %w", wire.ErrProtocol)
	errGone   = errors.New("engineio: the server closed the connection")
)

// carry makes l the pipe of messages, before it is started.
func (d *Dialed) carry(l *dialLink) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current = l
	d.links++
}

// startPolls begins to poll a connection that is open.
func (d *Dialed) startPolls(first []byte) *dialLink {
	polls := transport.NewDialedExchange(
		&transport.Requesting{URL: d.address("polling"), Do: d.do, Timeout: d.o.WriteTimeout},
		&transport.Exchange{First: first, Join: d.join, Last: []byte{packetClose}},
		d.limits(atOnce))
	l := &dialLink{socket: d, pipe: polls, polls: polls}
	d.carry(l)
	polls.Start(l)
	return l
}

// abandon forgets a connection that Dial does not return.
func (d *Dialed) abandon() {
	d.mu.Lock()
	d.failed = true
	if d.clock != nil {
		d.clock.Stop()
	}
	d.mu.Unlock()
	d.cancel()
}

// Receive implements [wire.Receiver].
func (l *dialLink) Receive(data []byte, binary bool) {
	d := l.socket
	d.mu.Lock()
	carries, probes := d.current == l, d.probe == l
	d.mu.Unlock()
	switch {
	case l.opening != nil:
		l.open(data)
	case carries && l.polls != nil:
		d.receivePayload(data)
	case carries:
		d.lender, _ = l.pipe.(wire.Lender)
		d.receive(data, binary)
		d.lender = nil
	case probes:
		l.receiveProbe(data, binary)
	}
}

// open takes the first message of a WebSocket.
func (l *dialLink) open(data []byte) {
	err := l.socket.open(data)
	if err != nil {
		l.pipe.CloseNow()
	}
	l.opening <- err
	l.opening = nil
}

// receivePayload takes the packets that a poll has brought.
func (d *Dialed) receivePayload(payload []byte) {
	err := eachPacket(payload, maxPackets, func(packet []byte, _ bool) bool {
		d.receive(packet, false)
		d.mu.Lock()
		defer d.mu.Unlock()
		return !d.over && d.reason == nil
	})
	if err != nil {
		d.Fail(err)
	}
}

// receive takes one packet of the current pipe.
func (d *Dialed) receive(data []byte, binary bool) {
	switch {
	case binary:
		d.up.Receive(data, true)
		return
	case len(data) == 0:
		d.Fail(errPacket)
		return
	case int64(len(data)) > d.o.MaxMessageBytes+1: // with its type
		d.Fail(errLong)
		return
	}
	switch data[0] {
	case packetMessage:
		d.up.Receive(data, false)
	case packetBinary:
		d.receiveBinary(data)
	case packetClose:
		d.leave()
	case packetPing:
		d.pong()
	case packetOpen, packetPong, packetUpgrade, packetNoop: // nothing that a server could mean by them here
	default:
		d.Fail(errPacket)
	}
}

func (d *Dialed) receiveBinary(packet []byte) {
	data, err := decodeBase64(packet, 4)
	if err != nil {
		d.Fail(err)
		return
	}
	d.up.Receive(data, true)
}

// pong answers a ping, once for all that came since the last write.
func (d *Dialed) pong() {
	d.mu.Lock()
	if !d.over {
		d.clock.Reset(d.silence)
	}
	if len(d.words) == 0 {
		d.words = append(d.words, word(string(packetPong)))
	}
	d.mu.Unlock()
	d.Wake()
}

// overdue runs when the server has not pinged in time. While it is this side
// that does not read, nothing is known.
func (d *Dialed) overdue() {
	d.pausing.Lock()
	paused := d.paused
	d.pausing.Unlock()
	d.mu.Lock()
	if d.over {
		d.mu.Unlock()
		return
	}
	if paused && !d.closing {
		d.clock.Reset(d.silence)
		d.mu.Unlock()
		return
	}
	if !d.closing {
		d.reason = errSilent
	}
	d.mu.Unlock()
	d.CloseNow()
}

// leave is the server's goodbye.
func (d *Dialed) leave() {
	d.mu.Lock()
	d.closing = true
	d.mu.Unlock()
	d.CloseNow()
}

// Take implements [wire.Receiver].
func (l *dialLink) Take(batch []*wire.Encoded) []*wire.Encoded {
	d := l.socket
	d.mu.Lock()
	batch = append(batch, l.words...)
	l.words = nil
	up := d.up
	carries := d.current == l && up != nil && !d.failed
	if carries {
		batch = append(batch, d.words...)
		d.words = nil
	}
	d.mu.Unlock()
	if !carries {
		return batch
	}
	return up.Take(batch)
}

// Heard implements [wire.Receiver]: only Engine.IO's own pings count.
func (l *dialLink) Heard() {}

// Closed implements [wire.Receiver].
func (l *dialLink) Closed(err error) {
	if l.opening != nil {
		if err == nil {
			err = errGone
		}
		l.opening <- err
	}
	if l.clock != nil {
		l.clock.Stop()
	}
	d := l.socket
	if d.swap(l, err) {
		return
	}
	d.mu.Lock()
	var probe *dialLink
	switch l {
	case d.current:
		d.over = true
		probe = d.probe
		if d.reason == nil {
			d.reason = err
		}
		if d.clock != nil {
			d.clock.Stop()
		}
	case d.probe:
		d.probe = nil
	}
	d.mu.Unlock()
	if probe != nil {
		probe.pipe.CloseNow()
	}
	d.release()
}

// release counts a pipe, or an attempt at one, that has ended. The last one
// ends the connection.
func (d *Dialed) release() {
	d.mu.Lock()
	if d.over {
		d.cancel()
	}
	d.links--
	ended := d.over && d.links == 0 && d.up != nil && !d.failed
	up, reason := d.up, d.reason
	d.mu.Unlock()
	if ended {
		up.Closed(reason)
	}
}

// Fail ends the connection because of err, which the receiver will be told.
func (d *Dialed) Fail(err error) {
	d.mu.Lock()
	if !d.closing && d.reason == nil {
		d.reason = err
	}
	d.mu.Unlock()
	d.Close(0, "")
}

// Transport implements [wire.Pipe].
func (d *Dialed) Transport() string { return d.pipe().Transport() }

func (d *Dialed) pipe() wire.Pipe {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current.pipe
}

// Wake implements [wire.Pipe].
func (d *Dialed) Wake() { d.pipe().Wake() }

// Ping implements [wire.Pipe]: it is for the server to ping.
func (d *Dialed) Ping() bool { return false }

// Lend implements [wire.Lender].
func (d *Dialed) Lend(w wire.Worker) bool { return d.lender != nil && d.lender.Lend(w) }

// Pause implements [wire.Pipe].
func (d *Dialed) Pause() {
	d.pausing.Lock()
	defer d.pausing.Unlock()
	d.paused = true
	d.pipe().Pause()
}

// Resume implements [wire.Pipe].
func (d *Dialed) Resume() {
	d.pausing.Lock()
	defer d.pausing.Unlock()
	d.paused = false
	d.mu.Lock()
	if d.clock != nil && !d.over {
		d.clock.Reset(d.silence)
	}
	d.mu.Unlock()
	d.pipe().Resume()
}

// Close implements [wire.Pipe]. While the polls come to their end for the sake
// of a WebSocket, the goodbye waits for it, and no longer than the server is
// given to ping.
func (d *Dialed) Close(int, string) {
	d.mu.Lock()
	if d.closing || d.over {
		d.mu.Unlock()
		return
	}
	d.closing = true
	l, probe, quitting := d.current, d.probe, d.quitting
	d.mu.Unlock()
	if quitting {
		return
	}
	d.cancel()
	if probe != nil {
		probe.pipe.CloseNow()
	}
	l.pipe.Close(noStatus, "")
}

// CloseNow implements [wire.Pipe].
func (d *Dialed) CloseNow() {
	d.mu.Lock()
	d.closing, d.cut = true, true
	l, probe := d.current, d.probe
	d.mu.Unlock()
	d.cancel()
	if probe != nil {
		probe.pipe.CloseNow()
	}
	l.pipe.CloseNow()
}
