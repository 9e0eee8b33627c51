// Command living lets package websocket talk to implementations that are programs
// of their own: npm's ws and undici, Chromium, PyPI's websockets and wsproto.
//
//	living [-messages N] [NAME...]
//
// It runs at the root of the tree, once the programs' packages are installed, with
// GODEBUG=http2xconnect=1 in the environment for those that connect by HTTP/2, and
// fails if a conversation does.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

func main() {
	messages := flag.Int("messages", 10_000, "the messages of each conversation")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if failed := run(ctx, *messages, flag.Args()); failed > 0 {
		fmt.Printf("%d conversations failed\n", failed)
		stop()
		os.Exit(1)
	}
}

// run has all conversations with the programs that are named, or with all.
func run(ctx context.Context, messages int, names []string) (failed int) {
	for _, p := range programs {
		if len(names) > 0 && !slices.Contains(names, p.name) {
			continue
		}
		for _, transport := range p.client {
			talks, err := p.beClient(ctx, messages, transport)
			failed += outcome(p.name+" as client, "+transport, talks, err)
		}
		if p.server {
			talks, err := p.beServer(ctx, messages)
			failed += outcome(p.name+" as server, tcp", talks, err)
		}
	}
	return failed
}

// outcome prints what there is to say of a program in one role.
func outcome(title string, talks []talk, err error) (failed int) {
	if err != nil {
		fmt.Printf("%-26s FAILED: %v\n", title, err)
		failed++
	}
	for _, t := range talks {
		result := "ok"
		if t.err != nil {
			result = "FAILED: " + t.err.Error()
			failed++
		}
		fmt.Printf("%-26s %-28s %6d messages, %6.1f MB each way: %s\n",
			title, t.plan.ID, t.plan.Messages, float64(t.plan.Bytes())/1e6, result)
	}
	return failed
}
