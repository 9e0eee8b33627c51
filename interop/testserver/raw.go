package main

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/parley-go/parley/signalr"
)

// mountRaw mounts connections without a hub, which echo what they get until
// they get the word "end" or "fail" alone, and says how they are ended.
func mountRaw(mux *http.ServeMux) (shutdown func(context.Context) error) {
	text, binary := signalr.NewConnHandler(echoBytes, nil), signalr.NewConnHandler(echoBytes, &signalr.Options{Binary: true})
	text.Mount(mux, "/raw/text")
	binary.Mount(mux, "/raw/binary")
	return func(ctx context.Context) error { return errors.Join(text.Shutdown(ctx), binary.Shutdown(ctx)) }
}

func echoBytes(_ context.Context, c *signalr.Conn) error {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch string(buf[:n]) {
		case "end":
			return nil
		case "fail":
			return errors.New("asked to fail")
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return err
		}
	}
}
