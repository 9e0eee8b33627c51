package main

import (
	"encoding/json"
	"net/http"
	"runtime"
)

// state is what must be as it was once all clients have gone.
type state struct {
	Conns      int    `json:"conns"`
	Goroutines int    `json:"goroutines"`
	Heap       uint64 `json:"heap"` // bytes in use
	Opened     int64  `json:"opened"`
	Panics     int64  `json:"panics"`
}

func (s *site) state(w http.ResponseWriter, _ *http.Request) {
	runtime.GC()
	runtime.GC() // what a pool has kept is gone after two
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	hub := s.hub.Stats()
	for _, judged := range s.judges.all() {
		more := judged.Stats()
		hub.Conns, hub.Opened, hub.Panics = hub.Conns+more.Conns, hub.Opened+more.Opened, hub.Panics+more.Panics
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(state{ // a client that went away does not want it
		Conns: hub.Conns, Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc, Opened: hub.Opened, Panics: hub.Panics,
	})
}
