// Package load is the rig's neutral client: thousands of sockets that do not block,
// driven by one thread that polls its own epoll and never sleeps. It speaks just
// enough WebSocket: frames are masked before the run, answers are parsed by their
// headers, and their lengths are checked.
package load
