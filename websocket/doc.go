// Package websocket speaks the WebSocket protocol, RFC 6455, as a server on
// net/http and as a client, with compression (RFC 7692) and over HTTP/2 (RFC 8441).
// A server may speak drafts of the protocol as well: see [AcceptOptions]. The package
// knows nothing of hubs.
//
// # A server that reads
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
// # A server that is called
//
// A [Handler] calls functions, and needs no goroutine for a connection that is silent:
//
//	http.Handle("/echo", &websocket.Handler{
//		OnMessage: func(c *websocket.Conn, m websocket.Message) { c.Send(m) },
//	})
//
// Its functions may block: that costs a goroutine meanwhile, and stalls no other
// connection.
//
// # A client
//
//	c, err := websocket.Dial(ctx, "wss://example.com/chat", nil)
//
// [Handler.Dial] makes one that is called. [DialOptions] has proxies, cookies,
// redirects and HTTP/2.
//
// # Who may connect
//
// Only pages of the same host, unless [AcceptOptions] names others: browsers send
// cookies with a handshake from any page. See [CheckOrigin].
//
// # Contexts
//
// A context limits the call it is given to, not the connection. A Read whose
// context ends fails alone; the next one goes on where it stopped, even in the
// middle of a frame. A Write whose context ends fails alone as well, unless half
// of its frame had left; over TLS, and with context takeover, unless it had begun.
// A context that never ends costs nothing.
//
// # Sending
//
// [Conn.Write] waits until the network has taken the message, [Conn.Send] never
// waits: it queues. A peer that lets more than [Limits.QueueBytes] wait is hung up on.
// What one goroutine sends to a connection leaves in order, and what can leave
// together does so in one system call: above all the answers to messages that
// came in one read.
//
// A [Set] sends to many, and none waits for another. [Prepare] frames a message, and
// compresses it, once for all of them. [Conn.WriteBatch] sends any number of prepared
// messages to one.
//
// # Streams
//
// [Conn.Reader] and [Conn.Writer] take and make one message piece by piece;
// [Conn.NetConn] is a net.Conn made of messages.
//
// # Closing
//
// [Conn.Close] says goodbye and waits for the peer's answer, [Conn.CloseNow]
// hangs up. Read returns, and OnError gets, a [*ProtocolError] when the peer broke
// the rules; a [*CloseError] is its goodbye. Both have been answered then.
//
// # Compression
//
// [Compression] in the options of both ends switches it on. Without context takeover
// a connection keeps no memory for it, with it a window in each direction: 2 KiB on a
// server by default, 4 KiB on a client.
//
// # Limits
//
// All of [Limits] but the connections per address are in place by default. Memory
// for a message is allocated as its bytes arrive: 64 KiB on the word of its header,
// from then on four times what has come. [Stats] counts what was refused, by reason.
//
// # Where it runs
//
// On Linux connections over plain TCP belong to the package's own epoll loops, one per
// processor, which run while there are connections. An idle one has no buffer, and
// under a Handler no goroutine. Over TLS and HTTP/2, on a listener that wraps its
// connections, and on other systems a goroutine with a buffer of 4 KiB waits for
// each; it is the same code above.
//
// docs/websocket.md in the repository has more: the names of other packages, of .NET and
// these, guarantees, costs.
//
// # Limitations
//
// HTTP/2 needs GODEBUG=http2xconnect=1 in the server's environment: see [Accept].
// Text that is written is not checked to be UTF-8. A message is compressed or not
// by its length alone, and what leaves in fragments never is. No pings are sent
// unasked, and a client does not come back by itself. There is no way to the socket.
package websocket
