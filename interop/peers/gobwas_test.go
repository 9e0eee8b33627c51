package peers

import (
	"bufio"
	"compress/flate"
	"context"
	"io"
	"net"
	"net/http"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// gobwasDeflate is wsflate's own helper, but for its level of 9, which takes seconds.
var gobwasDeflate = wsflate.Helper{
	Compressor: func(w io.Writer) wsflate.Compressor {
		f, _ := flate.NewWriter(w, flate.BestSpeed) // the level is there
		return f
	},
	Decompressor: wsflate.DefaultHelper.Decompressor,
}

func dialGobwas(ctx context.Context, url string, e *echoer) error {
	dialer := ws.Dialer{Extensions: []httphead.Option{wsflate.DefaultParameters.Option()}}
	c, early, handshake, err := dialer.Dial(ctx, url)
	if err != nil {
		return err
	}
	for _, extension := range handshake.Extensions {
		e.Extensions += extension.String()
	}
	g := &gobwas{c: c, r: c, client: true, deflate: len(handshake.Extensions) > 0, e: e}
	if early != nil {
		g.r = early
	}
	return g.run()
}

func serveGobwas(w http.ResponseWriter, r *http.Request, e *echoer) error {
	extension := wsflate.Extension{Parameters: wsflate.DefaultParameters}
	c, rw, _, err := ws.HTTPUpgrader{Negotiate: extension.Negotiate}.Upgrade(r, w)
	if err != nil {
		return err
	}
	_, deflate := extension.Accepted()
	return (&gobwas{c: c, r: rw.Reader, deflate: deflate, e: e}).run()
}

// gobwas is frames, from which the rest has to be made.
type gobwas struct {
	c       net.Conn
	r       io.Reader
	client  bool
	deflate bool
	e       *echoer

	first   ws.Header // of the message under way
	payload []byte
}

func (g *gobwas) run() error {
	defer g.c.Close()
	g.r = bufio.NewReader(g.r)
	g.e.ping = func() error { return g.send(ws.NewPingFrame([]byte("ping"))) }
	g.e.close = func(code int, reason string) error {
		return g.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), reason)))
	}
	g.e.write = g.write
	for g.e.Code == 0 {
		frame, err := g.read()
		if err != nil {
			return err
		}
		if err := g.received(frame); err != nil {
			return err
		}
	}
	return nil
}

func (g *gobwas) read() (ws.Frame, error) {
	h, err := ws.ReadHeader(g.r)
	if err != nil {
		return ws.Frame{}, err
	}
	frame := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	if _, err := io.ReadFull(g.r, frame.Payload); err != nil {
		return ws.Frame{}, err
	}
	if h.Masked {
		frame = ws.UnmaskFrameInPlace(frame)
	}
	return frame, nil
}

func (g *gobwas) received(frame ws.Frame) error {
	switch frame.Header.OpCode {
	case ws.OpPing:
		return g.send(ws.NewPongFrame(frame.Payload))
	case ws.OpPong:
		g.e.Pongs++
		return nil
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(frame.Payload)
		g.e.closed(int(code), reason)
		if g.e.Messages == g.e.after { // it is the answer
			return nil
		}
		return g.send(frame)
	case ws.OpContinuation:
	default:
		g.first, g.payload = frame.Header, nil
	}
	g.payload = append(g.payload, frame.Payload...)
	if !frame.Header.Fin {
		return nil
	}
	return g.message()
}

func (g *gobwas) message() error {
	compressed, err := wsflate.IsCompressed(g.first)
	if err != nil {
		return err
	}
	if compressed {
		if g.payload, err = gobwasDeflate.Decompress(g.payload); err != nil {
			return err
		}
	}
	return g.e.message(g.first.OpCode == ws.OpText, g.payload)
}

// write sends one frame, or two.
func (g *gobwas) write(text, fragments bool, data []byte) (err error) {
	frame := ws.NewBinaryFrame(data)
	if text {
		frame = ws.NewTextFrame(data)
	}
	if g.deflate {
		if frame, err = gobwasDeflate.CompressFrame(frame); err != nil {
			return err
		}
	}
	if !fragments {
		return g.send(frame)
	}
	half := len(frame.Payload) / 2
	rest := ws.NewFrame(ws.OpContinuation, true, frame.Payload[half:])
	frame.Header.Fin, frame.Header.Length, frame.Payload = false, int64(half), frame.Payload[:half]
	if err := g.send(frame); err != nil {
		return err
	}
	return g.send(rest)
}

func (g *gobwas) send(frame ws.Frame) error {
	if g.client {
		frame = ws.MaskFrame(frame)
	}
	return ws.WriteFrame(g.c, frame)
}
