//go:build linux

package servers

import "net"

// floor is a bare TCP echo on its own epoll: it reads what comes and writes it
// back. No server can do an echo for less from Go.
func floor(l net.Listener, _ Options) error {
	loops, err := newLoops(func() reaction {
		return func(_ *socket, in []byte) ([]byte, int, int, bool) { return in, len(in), 0, true }
	})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		if err := loops[i%len(loops)].adopt(nc, 0); err != nil {
			return err
		}
	}
}

// floorNet is a bare TCP echo on net.Conn, with a goroutine and a buffer for each
// connection: what every engine on net.Conn stands on.
func floorNet(l net.Listener, _ Options) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go echoNet(nc) // ends with the connection
	}
}

func echoNet(nc net.Conn) {
	defer nc.Close()
	buf := make([]byte, loopBuffer)
	for {
		n, err := nc.Read(buf)
		if err != nil {
			return
		}
		if _, err := nc.Write(buf[:n]); err != nil {
			return
		}
	}
}
