// Package protocol1 serves hubs to the clients of 2011 to 2014: Socket.IO 0.9,
// whose protocol is number 1 and shares nothing with later ones but the name.
//
// A client asks GET /socket.io/1/ for a session ID, two timeouts and the names
// of the transports, and opens one of them at /socket.io/1/<transport>/<id>:
// websocket, xhr-polling, or jsonp-polling where that is allowed. There is no
// upgrade: when a transport does not work, the client begins anew with the next.
//
// A packet is text, type:id:endpoint:data, and an endpoint a namespace. The
// server pings, with a heartbeat of its own. Messages, as opposed to events, are
// calls named "message"; binary values travel in base64, as JSON has them.
package protocol1
