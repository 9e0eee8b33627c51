// Package socketio serves a hub to socket.io-client, checked with version 4.8
// as it is: Socket.IO protocol 5 over Engine.IO protocol 4, beginning with polls
// and moving to a WebSocket as the client likes.
//
//	mux := http.NewServeMux()
//	socketio.Mount(mux, "/socket.io/", hub, nil)
//
// and in a browser:
//
//	const socket = io("https://example.com", { auth: { token: "…" } })
//	socket.on("said", (from, text) => …)
//	socket.emit("say", "lobby", "hi", answer => …)
//
// A Socket.IO socket is a [parley.Conn], a room a group, an event a call: with
// an ack callback it is answered, without it is not. [parley.Conn.Call] is an
// emit with ack. OnConnect sees the client's auth by [Auth], and an error of
// it is the client's connect_error.
//
// # Errors
//
// Socket.IO has no word for a failed call. A handler's error answers an ack
// with one argument,
//
//	{"error": {"code": "not_found", "message": "no handler named \"sya\"", "data": …}}
//
// and for an event that wanted no ack it arrives as an event "error" with
// {"code", "message", "event"}. Streams cannot be carried: calling one fails
// with the code "streaming".
//
// # Limitations
//
// The namespace "/" is served and no other. Binary attachments, the
// msgpack parser, connection state recovery and clients of protocol 3 (v1 and
// v2) are refused. See docs/protocols/socketio.md.
package socketio
