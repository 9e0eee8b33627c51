package signalr

import (
	"runtime"
	"testing"
	"time"
	"weak"
)

func TestConnectionThatEndsEarlyIsNotKept(t *testing.T) {
	table := table{limit: 2, start: time.Now()}
	c := &connection{endpoint: &endpoint{}, token: "secret", expires: time.Hour}
	kept := weak.Make(c)
	if !table.add(c) {
		t.Fatal("there is no room")
	}
	table.attached()
	table.remove(c.token, false)
	runtime.KeepAlive(c)
	c = nil
	runtime.GC()
	if kept.Value() != nil {
		t.Error("the table keeps a connection until it is too late for its transport")
	}
	runtime.KeepAlive(&table)
}
