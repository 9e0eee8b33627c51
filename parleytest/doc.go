// Package parleytest connects an application's tests to its hub: a Go client
// in memory, without sockets. It works inside testing/synctest bubbles.
//
//	hub := chat.New().Hub()
//	ann := parleytest.Dial(t, hub, &parleytest.Options{User: "ann"})
//	err := chat.Say.Call(ctx, ann, chat.Draft{Room: "lobby", Text: "hi"})
//
// What a real client sees besides, the encoding of its protocol and the
// behaviour of its transport, is for tests with that client.
package parleytest
