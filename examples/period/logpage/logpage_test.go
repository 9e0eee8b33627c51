package logpage

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/parley-go/parley/examples/web"
	"github.com/parley-go/parley/websocket"
)

func TestTheServerSendsBackWhatItGets(t *testing.T) {
	app, mux := New(nil), http.NewServeMux()
	app.Mount(mux, "")
	server := httptest.NewServer(mux)
	defer server.Close()
	c, err := websocket.Dial(t.Context(), server.URL+"/period/log/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for _, want := range []websocket.Message{web.Text("Hello, server"), {Type: websocket.Binary, Data: []byte{0, 255}}} {
		if err := c.Write(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		got, err := c.Read(t.Context())
		if err != nil || got.Type != want.Type || string(got.Data) != string(want.Data) {
			t.Errorf("echo of %v: %v, %v", want, got, err)
		}
	}
	ended := make(chan error, 1)
	go func() { // ends with the connection
		_, err := c.Read(t.Context())
		ended <- err
	}()
	if err := app.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("the connection goes on after Shutdown")
	}
}
