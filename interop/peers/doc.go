// Package peers lets package websocket talk to other implementations of the
// protocol, each in both roles: messages of many sizes go to the peer, which
// echoes them, and come back the same byte for byte; both sides ping; each closes
// once with a status and a reason.
//
// A [Plan] is one such conversation. Its URL tells the peer what it needs to know:
//
//	id      to be named in the peer's report
//	after   the number of messages after which the peer closes; 0: never
//	code    the status it then closes with
//	reason  and its reason
//
// The peer offers or accepts permessage-deflate wherever it can, echoes some of
// the messages in fragments if it can, pings now and then if it can, and says in
// a [Report] what it has seen. Implementations in Go are tested in this folder's
// tests, the others, as programs of their own, by Command living.
package peers
