// Package signalr lets the unmodified clients of ASP.NET Core SignalR take
// part in a hub, over WebSockets, server-sent events and long polling, in JSON
// and MessagePack. Tested are the clients for JavaScript, from @aspnet/signalr
// 1.0 to @microsoft/signalr 10, for Java, two for Python, and this package's
// own; those for .NET and Swift speak the same protocol and are not.
//
//	mux := http.NewServeMux()
//	signalr.Mount(mux, "/chat", hub, nil)
//
// and in the browser, as with any SignalR server:
//
//	const c = new signalR.HubConnectionBuilder().withUrl("/chat").build()
//	c.on("said", (from, text) => …)
//	await c.start()
//	await c.invoke("say", "lobby", "hi")
//
// invoke and send reach the hub's handlers by name, without regard to case;
// stream reaches those that answer with a stream; a Subject that a call brings
// is an iter.Seq2 among the handler's arguments; on receives what the hub
// sends, and what a handler registered with on returns answers
// [parley.Conn.Call].
//
// docs/signalr.md is for those who know ASP.NET Core: where everything is, by
// its name there, how a hub is moved, and what differs.
//
// # Who connects
//
// HTTP middleware around the endpoint decides who a client is
// ([parley.WithUser]) and until when ([parley.WithExpiry]); [Token] reads what
// clients send. [Options.CloseOnExpiry] and [Options.EnableRefresh] say what
// becomes of a connection whose time is over.
//
// # A lost WebSocket
//
// With [Options.AllowStatefulReconnect], a client that asks for it goes on over
// a new WebSocket where the last one was cut: nothing is lost or doubled, and
// the hub does not notice. Without, a client that reconnects is a new
// connection.
//
// # A client
//
// [NewClient] makes a client in Go. It speaks as the client for JavaScript does,
// and is tested with this package's server.
//
// [NewConnHandler] serves connections that have no hub protocol, as
// MapConnectionHandler does.
//
// # Errors
//
// Callers see the sentences of Microsoft's server. A [parley.Error] is what a
// HubException is there: its message is shown to the caller, behind its Type
// or "HubException". Of other errors only the hub's log tells, unless
// [Options.DetailedErrors] is set.
//
// # Limits
//
// A message may have 32 KiB, a handshake may take 15 s, and a client that has
// begun to ping is closed when it has not been heard of for 30 s. A
// negotiation nobody connects with is forgotten after 15 s, and there are at
// most 65,536 of them. Stateful reconnect may keep 100,000 bytes for a
// connection, and 64 MiB for all of an endpoint. [Options] has them all; what
// may wait for a client, and how many calls it may have, is for the Limits of
// the hub.
//
// # Limitations
//
// Paths depend on case, which ASP.NET's do not. There are no hub protocols but
// json and messagepack. A connection lives on one node, also when it is lost
// and resumed; so several nodes need sticky sessions, unless clients skip the
// negotiation. docs/protocols/signalr.md lists what works.
package signalr
