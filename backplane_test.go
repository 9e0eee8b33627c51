package parley

import (
	"log/slog"
	"testing"
)

// FuzzEnvelope feeds a hub what no node of its kind would send.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(`{"n":"other","k":0,"e":"said","a":["ann","hi"]}`))
	f.Add([]byte(`{"n":"other","k":1,"t":"room","x":["id"],"p":2,"l":"key","e":"said","a":[]}`))
	f.Add([]byte(`{"n":"other","k":3,"t":"id","e":"said"}`))
	f.Add([]byte(`{"n":"other","k":255,"p":255,"e":"","a":[null]}`))
	f.Add([]byte(`{"n":"other","e":"said","a":[1],"w":[{"c":"codec","v":["AQ=="]},{"c":"codec"},{}]}`))
	f.Add([]byte(`{"k":-1}`))
	f.Add([]byte(`[]`))
	hub := NewHub(&HubOptions{Log: slog.New(slog.DiscardHandler)})
	f.Fuzz(func(t *testing.T, data []byte) { hub.receive(data) })
}
