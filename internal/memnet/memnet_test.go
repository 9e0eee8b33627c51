package memnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley/internal/memnet"
)

func TestAServerInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hi") })}
		stopped := make(chan error)
		go func() { stopped <- server.Serve(l) }()
		client := l.Client()
		resp, err := client.Get("http://anywhere/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "hi" {
			t.Errorf("got %q", body)
		}
		client.CloseIdleConnections()
		server.Close()
		if err := <-stopped; err != http.ErrServerClosed {
			t.Error(err)
		}
		if _, err := l.Dial(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dialled after the end: %v", err)
		}
	})
}

func TestNobodyAccepts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := memnet.Listen().Dial(ctx, "", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
