package peers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

func dialGorilla(ctx context.Context, url string, e *echoer) error {
	dialer := websocket.Dialer{EnableCompression: true, WriteBufferSize: 1024}
	c, answer, err := dialer.DialContext(ctx, url, nil)
	if err != nil {
		return err
	}
	e.Extensions = answer.Header.Get("Sec-WebSocket-Extensions")
	return echoGorilla(c, e)
}

func serveGorilla(w http.ResponseWriter, r *http.Request, e *echoer) error {
	upgrader := websocket.Upgrader{EnableCompression: true, WriteBufferSize: 1024}
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return err
	}
	return echoGorilla(c, e)
}

func echoGorilla(c *websocket.Conn, e *echoer) error {
	defer c.Close()
	c.SetPongHandler(func(string) error { e.Pongs++; return nil })
	control := func(kind int, payload []byte) error {
		return c.WriteControl(kind, payload, time.Now().Add(10*time.Second))
	}
	e.ping = func() error { return control(websocket.PingMessage, []byte("ping")) }
	e.close = func(code int, reason string) error {
		return control(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason))
	}
	e.write = func(text, fragments bool, data []byte) error { return writeGorilla(c, text, fragments, data) }
	for {
		kind, data, err := c.ReadMessage()
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed):
			e.closed(closed.Code, closed.Text)
			return nil
		case err != nil:
			return err
		}
		if err := e.message(kind == websocket.TextMessage, data); err != nil {
			return err
		}
	}
}

// writeGorilla makes a fragment of every 1024 bytes if it goes through a Writer.
func writeGorilla(c *websocket.Conn, text, fragments bool, data []byte) error {
	kind := websocket.BinaryMessage
	if text {
		kind = websocket.TextMessage
	}
	if !fragments {
		return c.WriteMessage(kind, data)
	}
	w, err := c.NextWriter(kind)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Close()
}
