// Package signalr lets the unmodified clients of ASP.NET Core SignalR take
// part in a hub. @microsoft/signalr is tested; the .NET, Java and Swift clients
// speak the same protocol and are not.
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
// stream reaches those that answer with a stream; on receives what the hub
// sends, and what a handler registered with on returns answers
// [parley.Conn.Call].
//
// # Values
//
// JSON names the properties of structs in camelCase, as Microsoft's server does,
// unless [Options.JSONNames] or a json tag says otherwise; MessagePack names
// them as they are declared or tagged. Names are read without regard to case.
// In MessagePack a []byte is binary and a [time.Time] a timestamp; what a type
// says to encoding/json counts there, too.
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
// most 65,536 of them. [Options] has them all.
//
// # Limitations
//
// Paths depend on case, which ASP.NET's do not.
// docs/protocols/signalr.md lists what works.
package signalr
