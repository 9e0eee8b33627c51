// Package parley is a real-time hub for Go. Clients of several protocols meet
// at one [Hub], in the same groups: ASP.NET Core SignalR, Socket.IO, plain
// WebSocket, EventSource, curl. The handlers are written once and do not know
// who speaks what.
//
// # Words
//
// A [Hub] is the set of connections that share handlers and groups. A [Conn]
// is one client at it, a [Client] is a Go program's end of a connection. A
// group is a named set of connections; a user is all connections of one
// identity; an [Audience] says to whom a message goes.
//
// # Contracts
//
// Six types name the messages between a hub and its clients, and say what
// travels with them:
//
//	Command[In]         client → hub     done, or an error
//	Method[In, Out]     client → hub     one value
//	Stream[In, T]       client → hub     many values
//	Upload[In, T, Out]  client → hub     brings many values, gets one
//	Event[T]            hub → clients    no answer
//	Ask[In, Out]        hub → one client one value
//
// They are constants of a package that server and Go clients share:
//
//	type Draft struct{ parley.Positional; Room, Text string }
//	type Line struct{ parley.Positional; From, Text string }
//
//	const (
//		Say  parley.Command[Draft] = "say"
//		Said parley.Event[Line]    = "said"
//	)
//
// A struct travels as one JSON object; one with [Positional] in it as several
// bare arguments, say("lobby", "hi"), as browsers are used to.
//
// Contracts are for messages that Go programs share and that should be typed.
// Beneath lies a tier of names and bare arguments, for what existing clients
// send: [Hub.Handle] with [Func] or a [HandlerFunc], [Audience.Send],
// [Conn.Call], and on a client [Client.Call], [Client.On]. An iterator among
// the results of a Func is a stream; one among the arguments is a stream that
// the call brings, and so is one among those of Client.Call. Streams that calls
// bring, and the headers of a call ([WithHeaders], [Call.Headers]), travel over
// SignalR only.
//
// # A server
//
//	hub := parley.NewHub(nil)
//	Say.Handle(hub, func(ctx context.Context, c *parley.Conn, d Draft) error {
//		return Said.Send(ctx, hub.Group(d.Room), Line{From: c.User(), Text: d.Text})
//	})
//	mux := http.NewServeMux()
//	signalr.Mount(mux, "/chat", hub, nil)        // @microsoft/signalr
//	socketio.Mount(mux, "/socket.io/", hub, nil) // socket.io-client
//	plain.Mount(mux, "/ws", hub, nil)            // new WebSocket, EventSource, curl
//
// Who a client is, ordinary HTTP middleware decides, by [WithUser], and by
// [WithExpiry] until when: see [Conn.Expire] and the protocols' options. What
// runs around every handler, [Hub.Use] adds. [Hub.Shutdown] says goodbye in every
// protocol's words.
//
// # A client
//
//	cl := plain.NewClient("ws://127.0.0.1:8080/ws", nil)
//	Said.On(cl, func(ctx context.Context, l Line) { fmt.Println(l.From, l.Text) })
//	err := cl.Connect(ctx)
//	err = Say.Call(ctx, cl, Draft{Room: "lobby", Text: "hi"})
//
// # Order and limits
//
// Calls of one connection run one after the other, in the order they came,
// unless [Limits] says otherwise; answers, cancellations and pings overtake
// waiting calls, so that a handler may ask its own caller; while it waits, the
// caller's next call runs. A stream that a call brings stops its connection from
// being read while ten of its values wait for the handler. Every member of a
// group gets the group's messages in the same order. Nobody waits for another
// client: each connection has a bounded queue, and one that overflows is
// closed, or loses messages where its Audience allows that. All bounds are in
// Limits.
//
// # For protocol authors
//
// [Session], [SessionOptions], [Opening], [Hub.NewSession], [NewClient],
// [DialFunc] and [Client.NewSession], with package wire, are what a protocol
// package is built on. Applications do without them. A [Backplane] joins the
// hubs of several processes; [MemoryBackplane] joins those of one.
//
// # Limitations
//
// A [Backplane] carries broadcasts between nodes, and what makes an audience
// join, leave or close; listing members, asking, and sending to one connection
// reach this node only. A connection that is lost is a new connection when it
// comes back, except with SignalR's stateful reconnect and Socket.IO's recovery.
// Values travel as JSON, or as MessagePack where a client wants that.
package parley
