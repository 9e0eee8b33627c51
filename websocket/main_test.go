package websocket

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// clientEnv makes the test binary a client of the URL in it: the process that one test
// stops and lets go on.
const clientEnv = "PARLEY_WEBSOCKET_CLIENT"

// poison is what every test's buffers hold when they are given back to the pools. Whoever
// looks at them after that sees it, and the race detector sees him.
const poison = 0xDB

func TestMain(m *testing.M) {
	if name, url, ok := strings.Cut(os.Getenv(clientEnv), " "); ok {
		beClient(name, url)
		return
	}
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() == "" { // or it would be measured
		bottle := bytes.Repeat([]byte{poison}, 1<<maxBufferShift)
		spoil = func(b []byte) { copy(b, bottle) }
	}
	os.Exit(m.Run())
}

// beClient reads until the connection ends, and says so.
func beClient(name, url string) {
	for _, n := range networks {
		if n.name != name {
			continue
		}
		n.small = true
		c, err := Dial(context.Background(), url, n.options())
		if err != nil {
			fmt.Println("Dial:", err)
			return
		}
		c.Write(context.Background(), Message{Text, []byte("I am reading")})
		for _, err := range c.Messages(context.Background()) {
			if err != nil {
				fmt.Println("it ended")
			}
		}
	}
}
