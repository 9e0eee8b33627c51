// Package plain serves a hub to clients that bring no library: one JSON object
// per message, over a bare WebSocket, an EventSource with POSTs, long polls, or
// a single POST of curl, all at one URL.
//
//	mux := http.NewServeMux()
//	plain.Mount(mux, "/ws", hub, nil)
//
// In a browser,
//
//	const ws = new WebSocket("wss://example.com/ws")
//	ws.onmessage = e => console.log(JSON.parse(e.data))
//	ws.onopen = () => ws.send('{"id":1,"name":"echo","args":["hi"]}')
//
// and in a shell:
//
//	curl -d '{"name":"echo","args":["hi"]}' https://example.com/ws
//
// The messages are described in docs/protocols/plain.md. NewClient is the Go
// program's end.
package plain
