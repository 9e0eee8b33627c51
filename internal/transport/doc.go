// Package transport opens pipes over HTTP: WebSocket, event stream, long
// polling. Each is a [wire.Pipe]; the protocol packages put a [wire.Receiver]
// on top. What a transport writes it pulls from the receiver; nothing is
// buffered here beyond the batch being written.
//
// The Dial functions open the client's side of each.
package transport
