// Package classic lets the unmodified clients of ASP.NET SignalR 2 take part in a
// hub, the generation before ASP.NET Core: pages with jQuery and jquery.signalR,
// and .NET programs. They connect over WebSockets, server-sent events, forever
// frames and long polling. Tested are jquery.signalR 2.2.1 to 2.4.3, signalr-client
// and node-signalr, not the clients for .NET.
//
//	mux := http.NewServeMux()
//	classic.Mount(mux, "/signalr", map[string]*parley.Hub{"ChatHub": hub}, nil)
//
// and in the page, as with any such server:
//
//	<script src="/signalr/hubs"></script>
//	const chat = $.connection.chatHub
//	chat.client.said = (from, text) => …
//	$.connection.hub.start().done(() => chat.server.say("lobby", "hi"))
//
// The functions of chat.server reach the hub's handlers by name, without regard to
// case; those of chat.client are called by what the hub sends. signalr.Mount may
// serve the clients of ASP.NET Core at the same path.
//
// docs/signalr-classic.md is for those who know ASP.NET SignalR: where everything
// is, by its name there, how a hub is moved, and what differs.
//
// # Several hubs
//
// One connection may be at several hubs, each a [parley.Hub]. The client names
// those it has functions for, and is a [parley.Conn] of the same ID at each. When
// one of them closes it, the whole connection ends.
//
// # What only these clients have
//
// [State] is the state of the page's proxy, which comes with each call, and goes
// back changed. [parley.Progress] tells how far a call has come. [MountPersistent]
// serves connections that have no hubs, as PersistentConnection does.
//
// # A lost connection
//
// A client that loses its stream comes back by itself, and what was sent meanwhile
// is sent again, in order; the hub does not notice, unless
// [Options.OnReconnected] is set. One that comes to another process with the same
// [Options.Key] has its ID and its groups again: see [parley.Conn.Recovered].
//
// # Who connects
//
// HTTP middleware around the endpoint decides who a client is ([parley.WithUser]);
// [Token] reads what clients send. It cannot change while a connection lives: its
// token is bound to the user. [Options.Authorize] says who may have which hub.
//
// # Errors
//
// Callers see the sentences of Microsoft's server. A [parley.Error] is what a
// HubException is there: its message and its data are shown. Of other errors only
// the hub's log tells, unless [Options.DetailedErrors] is set.
//
// # Limits
//
// A message may have 64 KiB, a state 4,096 characters, a call 1,000 arguments. For
// a connection 1,000 messages are kept, 256 KiB, no longer than a client may ask
// for them; for all of an endpoint 64 MiB, and 65,536 connections. [Options] has
// them all; what may wait for a client, and how many calls it may have, is for the
// Limits of the hub.
//
// # Limitations
//
// Clients answer no calls ([parley.Conn.Call]), know no streams and no binary
// messages: the protocol has no words for them. Overloads of a method, and
// parameters with defaults, are one handler that looks at its arguments. There is
// no scale-out but a [parley.Backplane].
package classic
