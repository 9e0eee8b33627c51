package signalr

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/parley-go/parley/internal/transport"
)

// inlet is where the bodies of POSTs enter a connection: one stream of bytes,
// whichever way they are cut.
type inlet struct {
	turn  chan struct{} // has an element while one of them enters
	ready chan struct{} // closed once they need not wait for a transport any more

	// guarded by the connection's mu
	early []byte // what has come before the transport
	pipe  poster // the transport, if it is one that needs POSTs
}

// open ends the wait for a transport. The caller holds the connection's mu.
func (in *inlet) open() {
	if in == nil {
		return
	}
	select {
	case <-in.ready:
	default:
		close(in.ready)
	}
}

// post takes in the body of a POST (transport protocols, "HTTP Post
// (Client-to-Server only)").
func (e *endpoint) post(w http.ResponseWriter, r *http.Request) {
	c := e.find(w, r)
	if c == nil {
		return
	}
	answered, err := c.take(w, r)
	if answered {
		return
	}
	var over *http.MaxBytesError
	switch {
	case err == nil:
		answer(w, http.StatusOK, "")
	case errors.Is(err, errSocket):
		answer(w, http.StatusMethodNotAllowed, "POST requests are not allowed for WebSocket connections.")
	case errors.Is(err, transport.ErrGone):
		answer(w, http.StatusNotFound, "")
	case errors.As(err, &over):
		answer(w, http.StatusRequestEntityTooLarge, "")
	default:
		answer(w, http.StatusBadRequest, "")
	}
}

// errSocket means a POST to a connection whose transport needs none.
var errSocket = errors.New("signalr: the transport is a WebSocket")

// inlets makes the inlet, unless the transport needs none.
func (c *connection) inlets() (*inlet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kind == WebSockets {
		return nil, errSocket
	}
	in := c.makeInlet()
	if c.state == active || c.state == ended {
		in.open()
	}
	return in, nil
}

// makeInlet is for those who hold mu.
func (c *connection) makeInlet() *inlet {
	if c.inlet == nil {
		c.inlet = &inlet{turn: make(chan struct{}, 1), ready: make(chan struct{})}
	}
	return c.inlet
}

// take lets a body in, after those that came before. Of a handshake, the last is
// handed up when the answer has left: @microsoft/signalr trips over a refusal that
// comes before it knows that its POST has arrived.
func (c *connection) take(w http.ResponseWriter, r *http.Request) (answered bool, err error) {
	in, err := c.inlets()
	if err != nil {
		return false, err
	}
	limit := c.endpoint.o.MaxPostBytes
	if r.ContentLength > limit {
		return false, &http.MaxBytesError{Limit: limit}
	}
	select {
	case in.turn <- struct{}{}:
	case <-r.Context().Done():
		return false, r.Context().Err()
	}
	defer func() { <-in.turn }()
	rc := http.NewResponseController(w)
	defer rc.SetReadDeadline(time.Time{})
	body := http.MaxBytesReader(w, r.Body, limit)
	piece := make([]byte, pieceSize(r.ContentLength))
	for {
		rc.SetReadDeadline(time.Now().Add(pieceTimeout)) // where unsupported, net/http's own stands
		n, err := fill(body, piece)
		if err != nil && err != io.EOF {
			return false, err
		}
		taken := func() {}
		if err == io.EOF {
			taken = func() {
				answered = true
				w.Header().Set("Content-Length", "0")
				answer(w, http.StatusOK, "")
				rc.Flush() // a client that has gone needs no answer
			}
		}
		if brought := c.bring(r.Context(), in, piece[:n], taken); brought != nil || err == io.EOF {
			return answered, brought
		}
	}
}

const (
	pieceBytes   = 16 << 10         // of a body, which are read before they are taken in
	pieceTimeout = 30 * time.Second // for so many bytes to come
)

// pieceSize has room to see the end of a short body.
func pieceSize(body int64) int64 {
	if body < 0 {
		return pieceBytes
	}
	return min(body+1, pieceBytes)
}

// fill reads until piece is full or the body ends: io.EOF. It differs from
// io.ReadFull in not mistaking a body that breaks off for one that ends.
func fill(body io.Reader, piece []byte) (n int, err error) {
	for n < len(piece) && err == nil {
		var more int
		more, err = body.Read(piece[n:])
		n += more
	}
	return n, err
}

// bring hands up a piece, after calling taken if it may end a handshake, or keeps
// it for the transport that has not come yet.
func (c *connection) bring(ctx context.Context, in *inlet, piece []byte, taken func()) error {
	for len(piece) > 0 {
		pipe, kept, err := c.keep(in, piece)
		if kept || err != nil {
			return err
		}
		if pipe != nil && c.receiver.over() {
			return transport.ErrGone
		}
		if pipe != nil {
			if c.shaking() {
				taken()
			}
			return pipe.Receive(piece, false)
		}
		if err := c.await(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

// shaking tells whether a handshake is awaited. The caller has the inlet's turn.
func (c *connection) shaking() bool {
	l, ok := c.served().(*link)
	return ok && l.shaking != nil
}

// keep keeps a piece while there is no transport, if there is room.
func (c *connection) keep(in *inlet, piece []byte) (pipe poster, kept bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == ended:
		return nil, false, transport.ErrGone
	case c.state == active && in.pipe == nil:
		return nil, false, errSocket
	case c.state == active:
		return in.pipe, false, nil
	}
	size := c.endpoint.o.InputBuffer
	if c.state == attaching || len(in.early)+len(piece) > size || !c.endpoint.table.reserve(len(piece), 64*size) {
		return nil, false, nil
	}
	in.early = append(in.early, piece...)
	return nil, true, nil
}

// await waits for the transport.
func (c *connection) await(ctx context.Context, in *inlet) error {
	late := time.NewTimer(c.expires - time.Since(c.endpoint.start))
	defer late.Stop()
	select {
	case <-in.ready:
	case <-late.C:
		c.endpoint.table.find(c.token) // which forgets it, unless the transport is just attaching
		<-in.ready
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// early takes what was kept.
func (c *connection) early() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drain()
}

// drain is early for those who hold mu.
func (c *connection) drain() (early []byte) {
	if c.inlet != nil {
		early, c.inlet.early = c.inlet.early, nil
		c.endpoint.table.release(len(early))
	}
	return early
}
