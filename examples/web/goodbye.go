package web

import (
	"context"
	"slices"

	"github.com/parley-go/parley/websocket"
)

// Text is a text message.
func Text(s string) websocket.Message {
	return websocket.Message{Type: websocket.Text, Data: []byte(s)}
}

// SayGoodbye closes every member and returns when all have ended. What has not
// ended with ctx is cut off; the error is then that of ctx.
func SayGoodbye(ctx context.Context, members *websocket.Set) (err error) {
	all := slices.Collect(members.All())
	for _, c := range all {
		c.Close(websocket.StatusGoingAway, "server shutting down")
	}
	for _, c := range all {
		select {
		case <-c.Done():
		case <-ctx.Done():
			err = ctx.Err()
			c.CloseNow()
		}
	}
	return err
}
