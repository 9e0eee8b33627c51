// Package websocket speaks the WebSocket protocol, RFC 6455, as a server on
// net/http and as a client. It knows nothing of hubs.
//
// # A server
//
// [Accept] turns an HTTP request into a [Conn]; [Conn.Messages] and [Conn.Read]
// bring what the peer sends, [Conn.Write] answers:
//
//	func echo(w http.ResponseWriter, r *http.Request) {
//		c, err := websocket.Accept(w, r, nil)
//		if err != nil {
//			return // Accept has answered the request
//		}
//		defer c.CloseNow()
//		for m, err := range c.Messages(r.Context()) { // m.Data is valid until the next turn
//			if err != nil {
//				return
//			}
//			if err := c.Write(r.Context(), m); err != nil {
//				return
//			}
//		}
//	}
//
// Only pages of the same host may connect, unless [AcceptOptions] names others:
// browsers send cookies with a handshake from any page.
//
// # A client
//
//	c, err := websocket.Dial(ctx, "wss://example.com/chat", nil)
//
// # Contexts
//
// A context limits the call it is given to, not the connection. A Read whose
// context ends fails alone; the next one goes on where it stopped, even in the
// middle of a frame. A Write whose context ends fails alone as well, unless half
// of its frame had left. A context that never ends costs nothing, and one that is
// passed again and again is set up once.
//
// # Many receivers
//
// [Prepare] frames a message once; [Conn.WriteBatch] sends any number of
// prepared messages in one system call.
//
// # Closing
//
// [Conn.Close] says goodbye and waits for the peer's answer, [Conn.CloseNow]
// hangs up. Read returns a [*CloseError] when the peer has closed, and a
// [*ProtocolError] when it broke the rules; both have been answered then.
//
// # Limits
//
// All are in place by default. A message may have 1 MiB (MaxMessageBytes), 16384
// fragments, and 256 fragments that are empty. Memory for a message is allocated
// as its bytes arrive: 64 KiB on the word of its header, from then on four times
// what has come. A connection keeps a read buffer of 4 KiB. A flood of pings
// queues one pong, the latest. A write may stall for 10 s (WriteTimeout), closing
// may take 5 s (CloseTimeout), and a peer that broke the rules gets 1 s to take
// note of it.
//
// # Limitations
//
// No extension is negotiated: there is no compression (RFC 7692) yet. There is
// no WebSocket over HTTP/2 (RFC 8441), and Dial uses no proxy. A message is read
// and written as a whole, never as a stream, and is sent in one frame. Text that
// is written is not checked to be UTF-8. Reading costs a goroutine per
// connection.
package websocket
