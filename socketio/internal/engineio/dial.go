package engineio

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// DialOptions is how a client opens its connections. All fields are set but for
// those that say what their zero value means.
type DialOptions struct {
	URL        *url.URL           // of the server's path, with a query of the application's
	Transports []string           // "polling" and "websocket", in the order in which to try them
	TryAll     bool               // try the next of Transports when one does not open; false: only the first
	NoUpgrade  bool               // stay with polls
	Do         Doer               // sends the requests of polling
	Dialing    *transport.Dialing // of WebSockets
	// MaxMessageBytes bounds one message of the server. What a poll brings at
	// once may be eight times as much.
	MaxMessageBytes int64
	WriteTimeout    time.Duration // of one write to a WebSocket, and of one POST
	CloseTimeout    time.Duration // of a goodbye; zero means 5 seconds
	ConnectTimeout  time.Duration // of the change to a WebSocket
	// New makes what stands above a connection that has opened. Nothing is
	// handed up before. It may be made in vain: then Dial returns an error, and
	// Closed is not called.
	New func(*Dialed) wire.Receiver
	// Upgraded is called when a connection has changed from polls to a
	// WebSocket, and may not block. Nil for nothing.
	Upgraded func()
}

// Doer sends a request, as [http.Client.Do] does, with no limit to its time.
type Doer func(*http.Request) (*http.Response, error)

// Dial opens a connection: the server's first packet has come. Without an
// error, Closed is called in the end.
func Dial(ctx context.Context, o *DialOptions) (*Dialed, error) {
	var failed []string
	var last error
	for _, kind := range o.Transports {
		d, err := dialOne(ctx, o, kind)
		if err == nil {
			return d, nil
		}
		last = err
		failed = append(failed, kind+": "+err.Error())
		if !o.TryAll || ctx.Err() != nil {
			break
		}
	}
	if len(failed) == 1 {
		return nil, last
	}
	return nil, &allFailed{strings.Join(failed, "; "), last}
}

// allFailed is why no transport could be opened.
type allFailed struct {
	text string
	last error
}

func (e *allFailed) Error() string { return "no transport could be opened: " + e.text }

func (e *allFailed) Unwrap() error { return e.last }

func dialOne(ctx context.Context, o *DialOptions, kind string) (*Dialed, error) {
	d := &Dialed{o: o}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	open := d.openWebSocket
	if kind == "polling" {
		open = d.openPolling
	}
	if err := open(ctx); err != nil {
		d.abandon()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return d, nil
}

// address is where a transport of the connection is (§3.1).
func (d *Dialed) address(kind string) string {
	to := *d.o.URL
	query := to.Query()
	query.Set("EIO", "4")
	query.Set("transport", kind)
	if d.sid != "" {
		query.Set("sid", d.sid)
	}
	to.RawQuery = query.Encode()
	return to.String()
}

// limits are those of a transport that brings so many messages at once.
func (d *Dialed) limits(messages int64) *transport.Options {
	return &transport.Options{
		MaxMessageBytes: messages * d.o.MaxMessageBytes,
		WriteTimeout:    d.o.WriteTimeout,
		CloseTimeout:    d.o.CloseTimeout,
		Goodbye:         func(int, string) (int, string) { return noStatus, "" },
	}
}

const atOnce = 8 // messages of the largest size in the answer to one poll

// openPolling opens the connection by a first poll. What it brings behind the
// open packet is taken later.
func (d *Dialed) openPolling(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.address("polling"), nil)
	if err != nil {
		return err
	}
	resp, err := d.do(req)
	if err != nil {
		return err
	}
	payload, err := transport.ReadAnswer(resp, atOnce*d.o.MaxMessageBytes)
	if err != nil {
		return err
	}
	first, rest, _ := strings.Cut(string(payload), string(rune(separator)))
	if err := d.open([]byte(first)); err != nil {
		return err
	}
	d.startPolls([]byte(rest))
	if !d.o.NoUpgrade && d.offered && slices.Contains(d.o.Transports, "websocket") {
		d.beginUpgrade()
	}
	return nil
}

// openWebSocket opens the connection as a WebSocket, whose first message has to
// be the open packet.
func (d *Dialed) openWebSocket(ctx context.Context) error {
	pipe, err := transport.DialWebSocket(ctx, d.address("websocket"), d.o.Dialing, d.limits(1))
	if err != nil {
		return err
	}
	opening := make(chan error, 1)
	l := &dialLink{socket: d, pipe: pipe, opening: opening}
	d.carry(l)
	pipe.Start(l)
	select {
	case err = <-opening:
	case <-ctx.Done():
		err = context.Cause(ctx)
		pipe.CloseNow()
	}
	return err
}

// welcome is what the open packet tells.
type welcome struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int64    `json:"pingInterval"` // milliseconds
	PingTimeout  int64    `json:"pingTimeout"`  // milliseconds
	MaxPayload   int64    `json:"maxPayload"`
}

var errOpen = fmt.Errorf("engineio: the server did not begin with an open packet: %w", wire.ErrProtocol)

const (
	maxSID     = 256 // bytes of a session ID
	maxSilence = int64(time.Hour / time.Millisecond)
)

// open takes the first packet.
func (d *Dialed) open(packet []byte) error {
	var h welcome
	if len(packet) == 0 || packet[0] != packetOpen {
		return errOpen
	}
	if err := json.Unmarshal(packet[1:], &h); err != nil {
		return errors.Join(errOpen, err)
	}
	if h.SID == "" || len(h.SID) > maxSID || h.PingInterval <= 0 || h.PingTimeout <= 0 {
		return errOpen
	}
	d.sid, d.maxPayload = h.SID, h.MaxPayload
	d.offered = slices.Contains(h.Upgrades, "websocket")
	d.silence = time.Duration(min(h.PingInterval, maxSilence)+min(h.PingTimeout, maxSilence)) * time.Millisecond
	up := d.o.New(d)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.up = up
	d.clock = time.AfterFunc(d.silence, d.overdue)
	return nil
}

// do sends a request of polling. Every answer but 200 is an error, which does
// not tell the address, as that may hold secrets.
func (d *Dialed) do(req *http.Request) (*http.Response, error) {
	resp, err := d.o.Do(req)
	var told *url.Error
	if errors.As(err, &told) {
		err = fmt.Errorf("%s: %w", told.Op, told.Err)
	}
	if err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	return nil, refused(resp)
}

// refused is the error of an answer that is none, with the server's own words
// (§3.2).
func refused(resp *http.Response) error {
	no := &transport.StatusError{Code: resp.StatusCode}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	var said refusal
	if json.Unmarshal(body, &said) == nil && said.Message != "" {
		no.Err = fmt.Errorf("the server answered %d: %q", no.Code, said.Message)
	}
	return no
}

// join writes the payload of one POST: as many packets as the server takes in
// one, and at least one.
func (d *Dialed) join(batch []*wire.Encoded) (payload []byte, n int) {
	limit := cmp.Or(d.maxPayload, 1<<20)
	for _, e := range batch {
		if n > 0 && int64(len(payload)+1+packetSize(e)) > limit {
			break
		}
		if n > 0 {
			payload = append(payload, separator)
		}
		payload = appendPacket(payload, e)
		n++
	}
	return payload, n
}

// packetSize is how much room a message takes in a payload.
func packetSize(e *wire.Encoded) int {
	if !e.Binary {
		return len(e.Data)
	}
	return 1 + (len(e.Data)+2)/3*4
}
