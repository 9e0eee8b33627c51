//go:build linux

package servers

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	loopBuffer = 64 << 10 // bytes read at once
	stay       = 16       // reads from one socket in a row, as long as each fills the buffer
)

// A loop is a bare epoll loop: it reads what has come, asks react what to say, and
// writes that with one system call. Its calls cannot block, so they need not tell
// the scheduler, except for the wait when there is nothing to do.
type loop struct {
	epoll   int
	in      []byte
	sockets []atomic.Pointer[socket] // by descriptor
	react   reaction
}

// A reaction answers the bytes that came on s: in begins with what it left of the
// bytes before. It returns what to write, how much of in it used, and the length
// that the rest of in must reach before it is of use. Out is valid until the next call.
type reaction func(s *socket, in []byte) (out []byte, used, need int, ok bool)

// socket is one connection of a loop. Its fields belong to the loop.
type socket struct {
	fd     int
	unsent []byte // what the kernel did not take yet; nothing is read meanwhile
	rest   []byte // what the reaction left; its capacity is what the reaction needs
	tag    int    // for the reaction
}

// newLoops starts a loop per processor. They end with the process.
func newLoops(react func() reaction) ([]*loop, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, fmt.Errorf("servers: limit of descriptors: %w", err)
	}
	loops := make([]*loop, runtime.GOMAXPROCS(0))
	for i := range loops {
		epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return nil, fmt.Errorf("servers: epoll: %w", err)
		}
		loops[i] = &loop{epoll: epoll, in: make([]byte, loopBuffer), react: react(),
			sockets: make([]atomic.Pointer[socket], min(limit.Cur, 1<<20))}
		go loops[i].run()
	}
	return loops, nil
}

// adopt takes the connection over from nc, which is closed: a duplicate of its
// descriptor lives on in the loop.
func (l *loop) adopt(nc net.Conn, tag int) error {
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	fd := -1
	cerr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(cerr, err); err != nil {
		return err
	}
	nc.Close()
	l.sockets[fd].Store(&socket{fd: fd, tag: tag})
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (l *loop) run() {
	events := make([]unix.EpollEvent, 256)
	for {
		n := epollWait(l.epoll, events)
		for _, e := range events[:n] {
			if s := l.sockets[e.Fd].Load(); s != nil && !l.serve(s) {
				l.sockets[e.Fd].Store(nil)
				unix.Close(int(e.Fd))
			}
		}
	}
}

// serve handles what a socket is ready for and reports whether it lives.
func (l *loop) serve(s *socket) (ok bool) {
	if s.unsent != nil && !l.send(s, nil) {
		return false
	}
	for range stay {
		if s.unsent != nil {
			return true
		}
		into := l.in
		if s.rest != nil {
			into = s.rest[len(s.rest):cap(s.rest)]
		}
		n, errno := rawRead(s.fd, into)
		if errno == unix.EAGAIN || errno == unix.EINTR {
			return true
		}
		if n <= 0 || !l.answer(s, into[:n]) {
			return false
		}
		if n < len(into) {
			return true
		}
	}
	return true
}

// answer lets the reaction answer what was read and keeps what it left.
func (l *loop) answer(s *socket, in []byte) (ok bool) {
	if s.rest != nil {
		in = s.rest[:len(s.rest)+len(in)]
	}
	out, used, need, ok := l.react(s, in)
	if !ok || len(out) > 0 && !l.send(s, out) {
		return false
	}
	rest := in[used:]
	switch {
	case len(rest) == 0:
		s.rest = nil
	case used == 0 && s.rest != nil && cap(s.rest) >= need:
		s.rest = in
	default:
		s.rest = append(make([]byte, 0, max(need, len(rest)+1)), rest...)
	}
	return true
}

// send writes what is unsent, or else out, and keeps what the kernel does not take.
func (l *loop) send(s *socket, out []byte) (ok bool) {
	waited := s.unsent != nil
	if waited {
		out = s.unsent
	}
	n, errno := rawWrite(s.fd, out)
	if errno != 0 && errno != unix.EAGAIN && errno != unix.EINTR {
		return false
	}
	rest := out[max(n, 0):]
	switch {
	case len(rest) == 0 && !waited:
		return true
	case len(rest) == 0:
		s.unsent = nil
		return l.watch(s, unix.EPOLLIN)
	case waited:
		s.unsent = rest
		return true
	}
	s.unsent = append([]byte(nil), rest...)
	return l.watch(s, unix.EPOLLOUT)
}

func (l *loop) watch(s *socket, events uint32) (ok bool) {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, s.fd, &unix.EpollEvent{Events: events, Fd: int32(s.fd)}) == nil
}
