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
	spare   [][]byte // buffers of large messages that are done
}

// A reaction answers the bytes that came on s: in begins with what it left of the
// bytes before. It returns what to write, how much of in it used, and the length
// that the rest of in must reach before it is of use. Out is valid until the next
// call, and lies in the loop's buffer, in the reaction's own, or in that of s.
type reaction func(s *socket, in []byte) (out []byte, used, need int, ok bool)

// socket is one connection of a loop. Its fields belong to the loop.
type socket struct {
	fd     int
	tag    int    // for the reaction
	rest   []byte // what the reaction left
	large  []byte // the same, of a message that is longer than the loop's buffer; its capacity is the message's length
	unsent []byte // what the kernel did not take yet; nothing is read meanwhile
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
	if s.unsent != nil && !l.resume(s) {
		return false
	}
	held := copy(l.in, s.rest)
	s.rest = s.rest[:0]
	for range stay {
		if s.unsent != nil {
			break
		}
		into := l.in[held:]
		if s.large != nil {
			into = s.large[len(s.large):cap(s.large)]
		}
		n, errno := rawRead(s.fd, into)
		if errno == unix.EAGAIN || errno == unix.EINTR {
			break
		}
		if n <= 0 {
			return false
		}
		if held, ok = l.answer(s, held, n); !ok {
			return false
		}
		if n < len(into) {
			break
		}
	}
	if held > 0 {
		s.rest = append(s.rest, l.in[:held]...)
	}
	return true
}

// answer lets the reaction answer what has come: the n bytes just read, and those
// held before. It returns how many the loop's buffer holds afterwards.
func (l *loop) answer(s *socket, held, n int) (holds int, ok bool) {
	in := l.in
	if s.large != nil {
		in, held = s.large, len(s.large)
	}
	in = in[:held+n]
	out, used, need, ok := l.react(s, in)
	if !ok || len(out) > 0 && !l.send(s, out) {
		return 0, false
	}
	rest := in[used:]
	switch {
	case s.large != nil && used == 0:
		s.large = in
		return 0, true
	case s.large != nil: // it was read to its end and not beyond
		if s.unsent == nil {
			l.release(s)
		}
		return 0, true
	case need > len(l.in):
		s.large = append(l.borrow(need), rest...)
		return 0, true
	}
	return copy(l.in, rest), true
}

// borrow returns an empty buffer for a message of n bytes.
func (l *loop) borrow(n int) []byte {
	if last := len(l.spare) - 1; last >= 0 && cap(l.spare[last]) >= n {
		p := l.spare[last]
		l.spare = l.spare[:last]
		return p[:0:n]
	}
	return make([]byte, 0, n)
}

func (l *loop) release(s *socket) {
	l.spare = append(l.spare, s.large)
	s.large = nil
}

// send writes out and keeps what the kernel does not take.
func (l *loop) send(s *socket, out []byte) (ok bool) {
	n, ok := write(s.fd, out)
	if !ok || n == len(out) {
		return ok
	}
	s.unsent = out[n:]
	if s.large == nil {
		s.unsent = append([]byte(nil), s.unsent...)
	}
	return l.watch(s, unix.EPOLLOUT)
}

// resume goes on with what was unsent.
func (l *loop) resume(s *socket) (ok bool) {
	n, ok := write(s.fd, s.unsent)
	s.unsent = s.unsent[n:]
	if !ok || len(s.unsent) > 0 {
		return ok
	}
	s.unsent = nil
	if s.large != nil {
		l.release(s)
	}
	return l.watch(s, unix.EPOLLIN)
}

// write returns how much the kernel took, which may be nothing.
func write(fd int, p []byte) (n int, ok bool) {
	n, errno := rawWrite(fd, p)
	return max(n, 0), errno == 0 || errno == unix.EAGAIN || errno == unix.EINTR
}

func (l *loop) watch(s *socket, events uint32) (ok bool) {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, s.fd, &unix.EpollEvent{Events: events, Fd: int32(s.fd)}) == nil
}
