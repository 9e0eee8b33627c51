//go:build linux

package load

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// A Fleet is many connections to one server and the epoll that polls them. One
// goroutine at a time may use it.
type Fleet struct {
	script  *Script
	epoll   int
	office  *office // where connections are negotiated; nil until one is
	conns   []*conn
	byFD    []*conn
	events  []unix.EpollEvent
	between func() error // called before each poll; nil: nothing is
	in      []byte
	idle    time.Duration // spent in polls that brought nothing, since the last mark
	bytes   int           // read since the last mark
}

type conn struct {
	fd      int
	parser  parser
	next    int             // number of the frame that it sends next
	pending []byte          // what the kernel did not take yet
	raw     int             // bytes of a bare echo's unfinished message
	due     []time.Duration // when the messages that are not answered yet should have been sent
}

// How many connections are opened side by side, and how long the server has.
const (
	openAtOnce = 128
	patience   = 20 * time.Second
)

// errStalled says that a server stopped answering.
var errStalled = fmt.Errorf("load: no answer for %v", patience)

// Open connects n times and shakes hands at path, unless the script is for a bare
// TCP echo.
func Open(address string, path string, n int, script *Script) (*Fleet, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("load: epoll: %w", err)
	}
	f := &Fleet{script: script, epoll: epoll, events: make([]unix.EpollEvent, 256), in: make([]byte, 256<<10)}
	if err := f.add(address, path, n); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// add opens n more connections.
func (f *Fleet) add(address, path string, n int) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	for n > 0 {
		batch := min(n, openAtOnce)
		first := len(f.conns)
		for range batch {
			if err := f.connect(to, path); err != nil {
				return err
			}
		}
		for _, c := range f.conns[first:] {
			if err := f.settle(c); err != nil {
				return err
			}
		}
		n -= batch
	}
	return nil
}

// connect opens a socket and sends the request.
func (f *Fleet) connect(to netip.AddrPort, path string) error {
	fd, err := dial(to, 0)
	if err != nil {
		return err
	}
	c := &conn{fd: fd, parser: parser{joined: f.script.hub != nil}}
	f.conns = append(f.conns, c)
	for len(f.byFD) <= fd {
		f.byFD = append(f.byFD, nil)
	}
	f.byFD[fd] = c
	if f.script.raw > 0 {
		return nil
	}
	query, err := f.query(to, path)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, request(to, path+query, f.script.offer))
	return err
}

// settle reads the answer to the handshake and makes the socket one that does not block.
func (f *Fleet) settle(c *conn) error {
	if f.script.raw == 0 {
		answer, rest, err := readResponse(c.fd)
		if err != nil {
			return err
		}
		if err := f.script.accept(answer); err != nil {
			return err
		}
		if err := f.script.hub.greet(c.fd, rest); err != nil {
			return err
		}
	}
	if err := unix.SetNonblock(c.fd, true); err != nil {
		return err
	}
	return unix.EpollCtl(f.epoll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)})
}

// Close resets all connections, so that no port has to wait for a last word.
func (f *Fleet) Close() {
	for _, c := range f.conns {
		reset(c.fd)
	}
	f.office.close()
	unix.Close(f.epoll)
}

// Len returns the number of connections.
func (f *Fleet) Len() int { return len(f.conns) }

// poll calls ready for each connection with something to read, after sending what
// it has pending, once. It never waits.
func (f *Fleet) poll(ready func(c *conn) error) error {
	if f.between != nil {
		if err := f.between(); err != nil {
			return err
		}
	}
	before := time.Now()
	n := pollOnce(f.epoll, f.events)
	if n == 0 {
		f.idle += time.Since(before)
		return nil
	}
	for _, e := range f.events[:n] {
		c := f.byFD[e.Fd]
		if e.Events&unix.EPOLLOUT != 0 {
			if err := f.send(c, nil); err != nil {
				return err
			}
		}
		if e.Events&^unix.EPOLLOUT != 0 {
			if err := ready(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// say sends the next n frames of a connection.
func (f *Fleet) say(c *conn, n int) error {
	frames, next := f.script.next(c.next, n)
	c.next = next
	if c.pending != nil {
		c.pending = append(c.pending[:len(c.pending):len(c.pending)], frames...)
		return nil
	}
	return f.send(c, frames)
}

// send writes what is pending, or else p, and keeps what the kernel does not take.
func (f *Fleet) send(c *conn, p []byte) error {
	waited := c.pending != nil
	if waited {
		p = c.pending
	}
	n, errno := rawWrite(c.fd, p)
	if errno != 0 && errno != unix.EAGAIN {
		return fmt.Errorf("load: write: %w", errno)
	}
	c.pending = p[max(n, 0):]
	switch {
	case len(c.pending) == 0:
		c.pending = nil
		if waited {
			return f.watch(c, unix.EPOLLIN)
		}
	case !waited:
		return f.watch(c, unix.EPOLLIN|unix.EPOLLOUT)
	}
	return nil
}

func (f *Fleet) watch(c *conn, events uint32) error {
	return unix.EpollCtl(f.epoll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: events, Fd: int32(c.fd)})
}

// hear reads once and returns how many messages ended.
func (f *Fleet) hear(c *conn) (messages int, err error) {
	p, err := f.read(c)
	if err != nil || len(p) == 0 {
		return 0, err
	}
	if f.script.raw == 0 {
		return c.parser.count(p, f.script.answer)
	}
	c.raw += len(p)
	messages = c.raw / f.script.raw
	c.raw %= f.script.raw
	return messages, nil
}

// read returns what has come, nothing if nothing has.
func (f *Fleet) read(c *conn) ([]byte, error) {
	n, errno := rawRead(c.fd, f.in)
	switch {
	case errno == unix.EAGAIN:
		return nil, nil
	case errno != 0:
		return nil, fmt.Errorf("load: read: %w", errno)
	case n == 0:
		return nil, errors.New("load: the server closed a connection")
	}
	f.bytes += n
	return f.in[:n], nil
}

// Check lets the first connection echo the first messages of the script, one after
// the other, and compares them byte by byte. It must be the fleet's first use.
func (f *Fleet) Check() error {
	answers := answers{script: f.script}
	for i := range f.script.checked() {
		if err := f.say(f.conns[0], 1); err != nil {
			return err
		}
		err := f.until(func(c *conn) error {
			p, err := f.read(c)
			answers.add(p)
			return err
		}, answers.complete)
		if err != nil {
			return err
		}
		if err := answers.compare(i); err != nil {
			return err
		}
	}
	return nil
}

// until polls until done.
func (f *Fleet) until(ready func(*conn) error, done func() bool) error {
	for deadline := time.Now().Add(patience); !done(); {
		if err := f.poll(ready); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errStalled
		}
	}
	return nil
}

// Round lets each connection echo one message and waits for the last.
func (f *Fleet) Round() error {
	for _, c := range f.conns {
		if err := f.say(c, 1); err != nil {
			return err
		}
	}
	left := len(f.conns)
	return f.until(func(c *conn) error {
		n, err := f.hear(c)
		left -= n
		return err
	}, func() bool { return left <= 0 })
}
