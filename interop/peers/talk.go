package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parley-go/parley/websocket"
)

// limits let wait what both ends may have under way.
var limits = &websocket.Limits{QueueBytes: 64 << 20}

// Dial has the conversation with a server.
func (p Plan) Dial(ctx context.Context, server string) error {
	var stats websocket.Stats
	o := &websocket.DialOptions{Compression: p.Compression, Limits: limits, Stats: &stats}
	if err := p.dial(ctx, server+"?"+p.query(), o); err != nil {
		return err
	}
	return p.checkStats(&stats)
}

func (p Plan) dial(ctx context.Context, url string, o *websocket.DialOptions) error {
	if p.Way == ByHandler {
		e := p.newEvents()
		c, err := e.handler(nil).Dial(ctx, url, o)
		if err != nil {
			return err
		}
		return e.wait(ctx, c)
	}
	c, err := websocket.Dial(ctx, url, o)
	if err != nil {
		return err
	}
	return p.talk(ctx, c)
}

// talk has the conversation by reading and writing. In the end the connection is
// closed.
func (p Plan) talk(ctx context.Context, c *websocket.Conn) error {
	defer c.CloseNow()
	echoed := make(chan struct{})
	heard := make(chan error, 1)
	go func() { // ours; ends with the connection
		defer c.CloseNow() // so that a writer ends, too
		heard <- p.hear(ctx, c, echoed)
	}()
	err := p.say(ctx, c)
	if err == nil && !p.PeerCloses {
		err = closeAfter(c, echoed, heard)
	}
	if err != nil {
		c.CloseNow()
	}
	return errors.Join(<-heard, err) // what was heard is more often the cause
}

// closeAfter closes once everything has been echoed, unless the connection ends
// before.
func closeAfter(c *websocket.Conn, echoed <-chan struct{}, heard chan error) error {
	select {
	case <-echoed:
		return c.Close(OurCode, OurReason)
	case err := <-heard:
		heard <- err
		return nil
	}
}

// say sends all messages, one way or another, with pings between.
func (p Plan) say(ctx context.Context, c *websocket.Conn) error {
	i := 0
	for m := range p.messages() {
		if err := send(ctx, c, i, m); err != nil {
			return fmt.Errorf("message %d of %d: %w", i, p.Messages, err)
		}
		if p.pings(i) {
			if err := c.Ping(ctx); err != nil {
				return fmt.Errorf("ping after message %d: %w", i, err)
			}
		}
		i++
	}
	return nil
}

func send(ctx context.Context, c *websocket.Conn, i int, m websocket.Message) error {
	switch i % 5 { // odd, so that each kind of message goes each way
	case 1:
		return sendStream(ctx, c, m)
	case 3:
		return c.WriteBatch(ctx, []*websocket.Prepared{websocket.Prepare(m)})
	}
	return c.Write(ctx, m)
}

// sendStream sends a message in pieces, which become fragments if it is long.
func sendStream(ctx context.Context, c *websocket.Conn, m websocket.Message) error {
	w, err := c.Writer(ctx, m.Type)
	if err != nil {
		return err
	}
	for piece := range slices.Chunk(m.Data, max(len(m.Data)/3, 1)) { // also in the middle of a character
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return w.Close()
}

// hear reads until the connection ends. It closes echoed when everything has come
// back.
func (p Plan) hear(ctx context.Context, c *websocket.Conn, echoed chan<- struct{}) error {
	i := 0
	for want := range p.messages() {
		got, err := receive(ctx, c, i)
		if err == nil {
			err = compare(got, want)
		}
		if err != nil {
			return fmt.Errorf("echo %d of %d: %w", i, p.Messages, err)
		}
		i++
	}
	close(echoed)
	m, err := c.Read(ctx)
	if err == nil {
		return fmt.Errorf("after all echoes: one more message of %d bytes", len(m.Data))
	}
	return p.checkEnd(err)
}

// receive reads a message, some of them as streams.
func receive(ctx context.Context, c *websocket.Conn, i int) (websocket.Message, error) {
	if i%3 != 2 {
		return c.Read(ctx)
	}
	kind, r, err := c.Reader(ctx)
	if err != nil {
		return websocket.Message{}, err
	}
	data, err := io.ReadAll(r)
	return websocket.Message{Type: kind, Data: data}, err
}

// compare says where a message differs from the one that was sent.
func compare(got, want websocket.Message) error {
	switch {
	case got.Type != want.Type:
		return fmt.Errorf("got %v, want %v", got.Type, want.Type)
	case len(got.Data) != len(want.Data):
		return fmt.Errorf("got %d bytes, want %d", len(got.Data), len(want.Data))
	case bytes.Equal(got.Data, want.Data):
		return nil
	}
	at := 0
	for got.Data[at] == want.Data[at] {
		at++
	}
	return fmt.Errorf("got another byte %d of %d: %#x, want %#x", at, len(want.Data), got.Data[at], want.Data[at])
}

// checkEnd judges how the connection ended: by the peer's close frame, which
// answers ours or is as we asked for.
func (p Plan) checkEnd(err error) error {
	var closed *websocket.CloseError
	if !errors.As(err, &closed) {
		return fmt.Errorf("after all echoes: %w", err)
	}
	return p.checkClose(closed.Code, closed.Reason)
}

func (p Plan) checkClose(code websocket.StatusCode, reason string) error {
	if p.PeerCloses && (code != PeerCode || reason != PeerReason) {
		return fmt.Errorf("the peer closed with %d %q, want %d %q", code, reason, PeerCode, PeerReason)
	}
	return nil
}
