// Package engineio speaks Engine.IO, protocols 4 and 3, as a server: the layer
// under Socket.IO that opens a connection with HTTP long polling, moves it to a
// WebSocket when the client asks for that, and keeps it alive. The sections
// cited are those of docs/protocols/socketio.md.
//
// A [Socket] stands between the transports and what they carry: it is the
// receiver of one pipe, or of two while the client changes over, and a pipe
// itself to the [Upper] above it. What only polling needs, and only the change,
// goes when it is over: an idle WebSocket is a Socket and a link.
package engineio
