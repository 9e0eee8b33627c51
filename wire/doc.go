// Package wire is the seam between Parley's hub and the protocols and
// transports beneath it. A protocol author implements [Protocol], a transport
// author implements [Pipe]; applications never import this package.
//
// A [Pipe] moves opaque messages. A [Receiver] stands above it: the pipe calls
// Receive for each message that came in, and Take when it can write. A
// [Protocol] turns those bytes into a [Message] and back; a [Codec] turns the
// values inside into Go values and back.
//
// Nothing on this seam blocks. What waits to be sent waits in the receiver's
// one bounded queue, and the pipe pulls from it at the pace of its socket.
//
// Package wiretest holds the conformance kits for both interfaces.
package wire
