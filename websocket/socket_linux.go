package websocket

import (
	"context"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// socket is a descriptor that belongs to a loop. Its calls never wait.
type socket struct {
	fd   int32
	gen  uint32       // tells it from those that had the number before
	refs atomic.Int32 // whoever is in a system call, and the connection itself; at zero fd is closed

	// Guarded by Conn.mu.
	interest   uint32 // what epoll is asked for
	registered bool
}

// acquire keeps fd open for a system call. It fails when the connection has ended.
func (s *socket) acquire() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *socket) release() {
	if s.refs.Add(-1) == 0 {
		syscall.Close(int(s.fd))
	}
}

func (s *socket) closeWrite() {
	if s.acquire() {
		syscall.Shutdown(int(s.fd), syscall.SHUT_WR)
		s.release()
	}
}

// read reads without waiting: into p, and into more what does not fit there.
func (s *socket) read(p, more []byte) (int, syscall.Errno) {
	if !s.acquire() {
		return 0, syscall.EBADF
	}
	defer s.release()
	for {
		var n uintptr
		var errno syscall.Errno
		if len(more) == 0 {
			n, _, errno = syscall.RawSyscall(syscall.SYS_READ, uintptr(s.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		} else {
			vec := [2]syscall.Iovec{{Base: &p[0]}, {Base: &more[0]}}
			vec[0].SetLen(len(p))
			vec[1].SetLen(len(more))
			n, _, errno = syscall.RawSyscall(syscall.SYS_READV, uintptr(s.fd), uintptr(unsafe.Pointer(&vec)), 2)
		}
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

// write writes the pieces of q without waiting, with one system call if it can.
func (s *socket) write(q *queue) (int, syscall.Errno) {
	switch {
	case len(q.pieces) == 1:
		return s.writeBytes(q.pieces[0].b)
	case q.bytes <= corkBytes && q.bytes < gatherBelowBytes*len(q.pieces):
		buf := getBuffer(q.bytes)
		for _, p := range q.pieces {
			buf.b = append(buf.b, p.b...)
		}
		n, errno := s.writeBytes(buf.b)
		putBuffer(buf)
		return n, errno
	}
	return s.writeVector(q)
}

func (s *socket) writeBytes(p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), errno
}

func (s *socket) writeVector(q *queue) (int, syscall.Errno) {
	var vec [64]syscall.Iovec
	count := 0
	for _, p := range q.pieces {
		if len(p.b) == 0 {
			continue
		}
		vec[count].Base = &p.b[0]
		vec[count].SetLen(len(p.b))
		if count++; count == len(vec) {
			break
		}
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(s.fd), uintptr(unsafe.Pointer(&vec)), uintptr(count))
	return int(n), errno
}

// writeRaw writes as much of q as the socket takes at once.
func (c *Conn) writeRaw(q *queue) error {
	s := &c.socket
	if !s.acquire() {
		return c.ended()
	}
	frames, bytes := q.frames, q.bytes
	var err error
	for q.bytes > 0 {
		n, errno := s.write(q)
		if errno == syscall.EINTR {
			continue
		}
		if errno == syscall.EAGAIN {
			break
		}
		if errno != 0 {
			err = lostError("write", os.NewSyscallError("write", errno))
			break
		}
		q.take(n)
	}
	s.release()
	q.frames = 0
	c.stats.sent(int64(frames), int64(bytes-q.bytes))
	return err
}

// writeWaiting writes all of q, for as long as ctx and the write timeout allow.
func (c *Conn) writeWaiting(ctx context.Context, q *queue) error {
	for {
		if err := c.writeRaw(q); err != nil || q.bytes == 0 {
			return err
		}
		if err := c.waitWritable(ctx); err != nil {
			return err
		}
	}
}

// waitWritable waits until the socket takes more. The caller has the turn.
func (c *Conn) waitWritable(ctx context.Context) error {
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return c.err
	}
	x := c.more()
	if x.expired == dropWriteTimeout { // of what was queued; from here on the timeout is ours
		x.deadline, x.expired = time.Time{}, dropNone
	}
	room := make(chan struct{}, 1)
	x.writable = room
	c.out.blocked = true
	c.setInterest(c.socket.interest | syscall.EPOLLOUT)
	c.mu.Unlock()
	timeout := time.NewTimer(c.bounds.write)
	defer timeout.Stop()
	var err error
	select {
	case <-room:
	case <-ctx.Done():
		err = ctx.Err()
	case <-timeout.C:
		err = os.ErrDeadlineExceeded
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x.writable = nil
	if c.err != nil {
		return c.err
	}
	if err != nil {
		c.out.blocked = false // who writes next finds out for itself, and waits with a deadline
	}
	return err
}

// awaitWritable has the loop go on when the socket takes more. Who makes us send a lot
// and does not read it is not read meanwhile: left bytes are waiting.
func (c *Conn) awaitWritable(left int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.out.blocked = true
	events := c.socket.interest | syscall.EPOLLOUT
	if c.handler != nil && left >= c.bounds.queue/2 {
		c.paused.Or(pausedByOutput)
		events &^= syscall.EPOLLIN
	}
	c.setInterest(events)
	if x := c.more(); x.deadline.IsZero() || x.expired == dropWriteTimeout {
		c.setDeadline(time.Now().Add(c.bounds.write), dropWriteTimeout)
	}
}

// nowWritable is called by the loop when the socket takes more.
func (c *Conn) nowWritable() {
	c.mu.Lock()
	c.out.blocked = false
	if x := c.extra; x != nil && x.expired == dropWriteTimeout {
		x.deadline, x.expired = time.Time{}, dropNone
	}
	if x := c.extra; x != nil && x.writable != nil {
		signal(x.writable)
	}
	c.mu.Unlock()
	c.flush()
	c.offer()
	c.flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.blocked {
		return
	}
	events := c.socket.interest &^ syscall.EPOLLOUT
	if old := c.paused.And(^pausedByOutput); old&pausedByOutput != 0 {
		switch old &^ pausedByOutput {
		case 0:
			events |= syscall.EPOLLIN
		case pausedByEarly:
			c.scheduleLocked()
		}
	}
	c.setInterest(events)
}

// setInterest tells epoll what the connection waits for. The caller has mu.
func (c *Conn) setInterest(events uint32) {
	s := &c.socket
	if events == s.interest && s.registered && events&edgeTriggered == 0 || c.err != nil || !s.acquire() {
		return
	}
	op := syscall.EPOLL_CTL_MOD
	if !s.registered {
		op, s.registered = syscall.EPOLL_CTL_ADD, true
		c.loop.publish(c)
	}
	s.interest = events
	ev := syscall.EpollEvent{Events: events, Fd: s.fd, Pad: int32(s.gen)}
	if err := syscall.EpollCtl(c.loop.epoll, op, int(s.fd), &ev); err != nil {
		go c.end(lostError("wait", os.NewSyscallError("epoll_ctl", err))) // ends at once; mu is taken
	}
	s.release()
}

// errWouldBlock says that there is nothing to read yet.
var errWouldBlock error = syscall.EAGAIN

// fillFromSocket reads for Read, waiting for the loop to say that there is
// something. A wait holds no buffer.
func (c *Conn) fillFromSocket(ctx context.Context) (event, error) {
	r := c.reading
	if err := r.failed; err != nil {
		r.failed = nil
		return event{}, err
	}
	for {
		if r.readable.Swap(false) || !r.short || r.hungUp.Load() {
			e, err := c.fillFrom(c.readSocket)
			if err != errWouldBlock {
				return e, err
			}
			r.short = true
		}
		r.release()
		if !r.await(ctx) {
			return event{}, ctx.Err()
		}
		if err := c.ended(); err != nil {
			return event{}, err
		}
	}
}

func (c *Conn) readSocket(p []byte) (int, error) {
	n, errno := c.socket.read(p, nil)
	switch {
	case errno == syscall.EAGAIN:
		return 0, errWouldBlock
	case errno == syscall.EBADF:
		return 0, net.ErrClosed
	case errno != 0:
		return 0, os.NewSyscallError("read", errno)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// attach moves the connection from its net.Conn to a loop, if it is a plain
// socket: the descriptor is duplicated and the net.Conn closed, which frees it.
func (c *Conn) attach() {
	var raw syscall.RawConn
	var err error
	switch nc := c.link.nc.(type) {
	case *net.TCPConn:
		raw, err = nc.SyscallConn()
	case *net.UnixConn:
		raw, err = nc.SyscallConn()
	default:
		return
	}
	if err != nil {
		return
	}
	fd := -1
	raw.Control(func(original uintptr) {
		dup, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, original, syscall.F_DUPFD_CLOEXEC, 0)
		if errno == 0 {
			fd = int(dup)
		}
	})
	if fd < 0 {
		return // out of descriptors: it goes on with the one it has
	}
	l, ok := pollers.join(fd, c)
	if !ok {
		syscall.Close(fd)
		return
	}
	nc := c.link.nc
	c.remote, c.local = addrOf(nc.RemoteAddr()), addrOf(nc.LocalAddr())
	c.loop, c.link = l, nil
	nc.Close()
}

// listen has the loop say when there is something to read.
func (c *Conn) listen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setInterest(c.socket.interest | syscall.EPOLLIN | syscall.EPOLLRDHUP | edgeTriggered)
}

// readable has the loop read c again, or no more. The caller has mu.
func (c *Conn) readable(on bool) {
	events := c.socket.interest &^ syscall.EPOLLIN
	if on {
		events |= syscall.EPOLLIN
	}
	c.setInterest(events)
}
