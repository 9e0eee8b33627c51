// Package admin speaks the protocol of npm's @socket.io/admin-ui, whose page shows
// who is connected to a server, in which rooms, and what is said. It shows the
// clients of all protocols that share the hubs.
//
//	watch, err := admin.New(&admin.Options{Password: os.Getenv("ADMIN_PASSWORD")})
//	if err != nil {
//		log.Fatal(err)
//	}
//	watch.Show("/", hub)
//	socketio.Mount(mux, "/socket.io/", hub, &socketio.Options{
//		Namespaces: map[string]*parley.Hub{"/admin": watch.Hub()},
//	})
//
// Whoever knows the password can read what clients send, write to them and
// disconnect them: see [Options.ReadOnly] and [Options.Quiet]. What credentials the
// requests of clients have brought is not shown.
package admin
