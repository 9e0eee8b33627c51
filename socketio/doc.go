// Package socketio serves hubs to socket.io-client as it is, from version 1.7 to
// 4.8: Socket.IO protocols 5 and 4 over Engine.IO protocols 4 and 3, beginning
// with polls and moving to a WebSocket as the client likes. Those who know the
// Node.js server find everything by its name there in docs/socketio.md, and a
// server that was moved.
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
// emit with ack, [parley.Audience.Call] one to many; to, except, volatile and
// the other flags are methods of a [parley.Audience]. OnConnect sees the
// client's auth by [Auth], and an error of it is the client's connect_error.
//
// # Namespaces
//
// A hub is a namespace: the one that is mounted is "/", [Options] has others by
// name, by a function or by a [Pattern]. They share one connection of the
// client's, which has a [parley.Conn] in each. [Auth], [Handshake] and, in
// OnDisconnect, [DisconnectReason] tell about it; [Disconnect] ends all of them.
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
// # Bytes
//
// A []byte anywhere in what is sent, in structs, maps, slices and any, is a
// binary attachment, and what a client sends as an ArrayBuffer or Buffer is read
// into a []byte, an array of bytes or an any. Where a Go type cannot take it, the
// call fails with the code "arguments". An event has at most
// Options.MaxAttachments of them. Clients with socket.io-msgpack-parser are
// recognised by their first message.
//
// # Recovery
//
// With [Options.Recovery], a client that was lost comes back as the one it was:
// [parley.Conn.Recovered] tells OnConnect, and [Recovered] a Go client's. It has
// its ID, groups and values, and what it has missed follows, unless that was
// longer ago or more than [Recovery] says. What a handler had begun is over all
// the same.
//
// # Clients in Go
//
// [NewClient] is a client of this server or npm's, a [Manager] makes several,
// of one namespace each, that share a connection:
//
//	cl := socketio.NewClient("https://example.com", &socketio.ClientOptions{Auth: map[string]string{"token": "…"}})
//	cl.On("said", func(from, text string) { … })
//	err := cl.Connect(ctx)
//	err = cl.Call(ctx, "say", &answer, "lobby", "hi") // an emit with ack; Send is one without
//
// # Beside it
//
// Package socketio/webtransport, a module of its own, adds WebTransport;
// socketio/admin serves the page of @socket.io/admin-ui. [Options.ServeClient]
// serves the browser's client, [Options.Protocol1] the clients of Socket.IO 0.9.
//
// # Limitations
//
// With several nodes a connection belongs to one, to which its polls, its upgrade
// and its recovery must find the way; the formats of Node's adapters are not
// spoken. What else is not there, and every limit, is in docs/socketio.md and
// docs/protocols/socketio.md.
package socketio
