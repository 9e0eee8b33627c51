package peers

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/coder/websocket"
)

func dialCoder(ctx context.Context, url string, e *echoer) error {
	var pongs atomic.Int64
	c, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		CompressionMode: websocket.CompressionContextTakeover,
		OnPongReceived:  func(context.Context, []byte) { pongs.Add(1) },
	})
	if err != nil {
		return err
	}
	e.Extensions = answer.Header.Get("Sec-WebSocket-Extensions")
	return echoCoder(ctx, c, &pongs, e)
}

func serveCoder(w http.ResponseWriter, r *http.Request, e *echoer) error {
	var pongs atomic.Int64
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		CompressionMode: websocket.CompressionContextTakeover,
		OnPongReceived:  func(context.Context, []byte) { pongs.Add(1) },
	})
	if err != nil {
		return err
	}
	return echoCoder(context.Background(), c, &pongs, e)
}

func echoCoder(ctx context.Context, c *websocket.Conn, pongs *atomic.Int64, e *echoer) error {
	defer c.CloseNow()
	c.SetReadLimit(maxBytes)
	e.ping = func() error {
		go c.Ping(ctx) // waits for a pong that the loop below has to read; ends with the connection
		return nil
	}
	ended := false
	e.close = func(code int, reason string) error {
		ended = true
		e.closed(code, "") // Close fails unless our answer repeats the status
		return c.Close(websocket.StatusCode(code), reason)
	}
	e.write = func(text, fragments bool, data []byte) error { return writeCoder(ctx, c, text, fragments, data) }
	for {
		kind, data, err := c.Read(ctx)
		e.Pongs = int(pongs.Load())
		var closed websocket.CloseError
		switch {
		case errors.As(err, &closed):
			e.closed(int(closed.Code), closed.Reason)
			return nil
		case err != nil:
			return err
		}
		if err := e.message(kind == websocket.MessageText, data); err != nil || ended {
			return err
		}
	}
}

// writeCoder makes a fragment of each half if it goes through a Writer.
func writeCoder(ctx context.Context, c *websocket.Conn, text, fragments bool, data []byte) error {
	kind := websocket.MessageBinary
	if text {
		kind = websocket.MessageText
	}
	if !fragments {
		return c.Write(ctx, kind, data)
	}
	w, err := c.Writer(ctx, kind)
	if err != nil {
		return err
	}
	for _, half := range [][]byte{data[:len(data)/2], data[len(data)/2:]} {
		if _, err := w.Write(half); err != nil {
			return err
		}
	}
	return w.Close()
}
