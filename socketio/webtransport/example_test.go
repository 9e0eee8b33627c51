package webtransport_test

import (
	"github.com/quic-go/quic-go/http3"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
	"github.com/parley-go/parley/socketio/webtransport"
)

// The lines of docs/socketio.md that need this module.
func Example() {
	hub, h3 := parley.NewHub(nil), &http3.Server{Addr: "127.0.0.1:0"}
	endpoint := socketio.NewServer(hub, nil)
	quic := webtransport.New(endpoint, h3, nil)
	defer quic.Close()
	// Output:
}
