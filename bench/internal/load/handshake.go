//go:build linux

package load

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// handshakes opens connections one after the other in each of its slots.
type handshakes struct {
	to      netip.AddrPort
	request []byte
	script  *Script
	epoll   int
	slots   map[int32]*[]byte // what came of the answer so far, by descriptor
	done    int
}

// Handshakes connects, shakes hands and resets the connection, over and over, with
// so many handshakes at once.
func Handshakes(address string, atOnce int, w Window) (r Result, err error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return r, fmt.Errorf("load: %w", err)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return r, fmt.Errorf("load: epoll: %w", err)
	}
	h := &handshakes{to: to, request: request(to, "/", ""), script: Echo(1, 1), epoll: epoll, slots: make(map[int32]*[]byte)}
	defer h.close()
	for range atOnce {
		if err := h.open(); err != nil {
			return r, err
		}
	}
	if _, err := h.poll(w.Warm); err != nil {
		return r, err
	}
	call(w.Begin)
	r, err = h.poll(w.Measure)
	call(w.End)
	return r, err
}

func (h *handshakes) close() {
	for fd := range h.slots {
		reset(int(fd))
	}
	unix.Close(h.epoll)
}

func (h *handshakes) open() error {
	fd, err := dial(h.to, unix.SOCK_NONBLOCK)
	if err != nil {
		return err
	}
	h.slots[int32(fd)] = new([]byte)
	return unix.EpollCtl(h.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(fd)})
}

// poll goes on for d, or until one handshake is done.
func (h *handshakes) poll(d time.Duration) (r Result, err error) {
	events := make([]unix.EpollEvent, 64)
	began, before := time.Now(), h.done
	for r.Elapsed < d || r.Messages == 0 {
		n := pollOnce(h.epoll, events)
		for _, e := range events[:n] {
			if err := h.advance(e); err != nil {
				return r, err
			}
		}
		elapsed := time.Since(began)
		if n == 0 {
			r.Idle += elapsed - r.Elapsed
		}
		r.Elapsed, r.Messages = elapsed, h.done-before
		if elapsed > d+patience {
			return r, errStalled
		}
	}
	return r, nil
}

// advance takes the next step of a handshake; the last one begins another.
func (h *handshakes) advance(e unix.EpollEvent) error {
	fd := int(e.Fd)
	if e.Events&unix.EPOLLOUT != 0 { // connected, or refused, which the write tells
		if n, errno := rawWrite(fd, h.request); n != len(h.request) {
			return fmt.Errorf("load: handshake: write: %w", errno)
		}
		return unix.EpollCtl(h.epoll, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: e.Fd})
	}
	var buf [2048]byte
	n, errno := rawRead(fd, buf[:])
	if errno == unix.EAGAIN {
		return nil
	}
	if n <= 0 {
		return fmt.Errorf("load: handshake: read: %w", errno)
	}
	answer := h.slots[e.Fd]
	*answer = append(*answer, buf[:n]...)
	if !bytes.HasSuffix(*answer, endOfHeader) {
		return nil
	}
	if err := h.script.accept(*answer); err != nil {
		return err
	}
	h.done++
	delete(h.slots, e.Fd)
	reset(fd)
	return h.open()
}
