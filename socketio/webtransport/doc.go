// Package webtransport lets Socket.IO clients connect over HTTP/3: it is the
// transport that socket.io-client calls "webtransport", one stream of a
// WebTransport session. It is a module of its own, because it needs a QUIC
// implementation.
//
//	endpoint := socketio.NewServer(hub, nil)
//	quic := webtransport.New(endpoint, &http3.Server{Addr: ":443", TLSConfig: certificates}, nil)
//	mux.Handle("/socket.io/", quic)
//	go quic.ListenAndServe()                                  // over UDP
//	http.ListenAndServeTLS(":443", certFile, keyFile, mux)    // over TCP, as ever
//
// Clients ask for it by name (the option transports: ["polling", "websocket",
// "webtransport"]), and prefer it to a WebSocket when the server offers it, which
// it does from New on. The sections cited are those of docs/protocols/socketio.md.
package webtransport
