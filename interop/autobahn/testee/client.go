package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/parley-go/parley/websocket"
)

// goThroughCases asks a fuzzing server how many cases it has, echoes through each
// of them, and then asks for its report.
func goThroughCases(ctx context.Context, server, name string) error {
	count, err := caseCount(ctx, server)
	if err != nil {
		return err
	}
	agent := "agent=" + url.QueryEscape(name)
	for n := range count {
		c, err := dial(ctx, fmt.Sprintf("%s/runCase?case=%d&%s", server, n+1, agent))
		if err != nil {
			return err
		}
		echo(ctx, c) // how a case ends is Autobahn's to judge
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	c, err := dial(ctx, server+"/updateReports?"+agent)
	if err != nil {
		return err
	}
	echo(ctx, c)
	return nil
}

func caseCount(ctx context.Context, server string) (int, error) {
	c, err := dial(ctx, server+"/getCaseCount")
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

func dial(ctx context.Context, rawURL string) (*websocket.Conn, error) {
	return websocket.Dial(ctx, rawURL, &websocket.DialOptions{Limits: limits})
}
