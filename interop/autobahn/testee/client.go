package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/parley-go/parley/websocket"
)

// runCases asks a fuzzing server how many cases it has, echoes through each of
// them, and then asks for its report.
func runCases(ctx context.Context, server, way string) error {
	talk := map[string]func(context.Context, string) error{
		"conn":     talkWith(&websocket.Compression{}),
		"takeover": talkWith(takeover),
		"handler":  talkByHandler,
	}[way]
	if talk == nil {
		return fmt.Errorf("there is no way called %q", way)
	}
	count, err := caseCount(ctx, server)
	if err != nil {
		return err
	}
	agent := "agent=" + url.QueryEscape(way)
	for n := range count {
		if err := talk(ctx, fmt.Sprintf("%s/runCase?case=%d&%s", server, n+1, agent)); err != nil {
			return err
		}
	}
	return talk(ctx, server+"/updateReports?"+agent)
}

func caseCount(ctx context.Context, server string) (int, error) {
	c, err := websocket.Dial(ctx, server+"/getCaseCount", nil)
	if err != nil {
		return 0, err
	}
	defer c.CloseNow()
	m, err := c.Read(ctx)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(m.Data))
}

// talkWith echoes by reading and writing until the connection ends. How it ends is
// Autobahn's to judge.
func talkWith(compression *websocket.Compression) func(context.Context, string) error {
	return func(ctx context.Context, rawURL string) error {
		c, err := websocket.Dial(ctx, rawURL, &websocket.DialOptions{Limits: limits, Compression: compression})
		if err != nil {
			return err
		}
		echo(ctx, c)
		return ctx.Err()
	}
}

// talkByHandler is the same by Handler.
func talkByHandler(ctx context.Context, rawURL string) error {
	h := &websocket.Handler{
		OnMessage: func(c *websocket.Conn, m websocket.Message) { c.Send(m) },
	}
	o := &websocket.DialOptions{Limits: limits, Compression: &websocket.Compression{}}
	c, err := h.Dial(ctx, rawURL, o)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	select {
	case <-c.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
