//go:build linux

package load

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Pin locks the caller to its thread and that thread to the given processors.
func Pin(cores ...int) error {
	runtime.LockOSThread()
	var set unix.CPUSet
	for _, c := range cores {
		set.Set(c)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("load: pin to processors %v: %w", cores, err)
	}
	return nil
}

// dial connects a TCP socket with small delays switched off; flags may make it one
// that does not block.
func dial(to netip.AddrPort, flags int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
	if err != nil {
		return -1, fmt.Errorf("load: socket: %w", err)
	}
	wait := unix.NsecToTimeval(patience.Nanoseconds())
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait)
	err = unix.EINTR
	for err == unix.EINTR { // by the runtime's own signals
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	}
	if err != nil && err != unix.EINPROGRESS && err != unix.EALREADY && err != unix.EISCONN {
		unix.Close(fd)
		return -1, fmt.Errorf("load: connect: %w", err)
	}
	return fd, nil
}

// reset closes a connection without a last word.
func reset(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}

// request is an opening handshake, RFC 6455 §4.1, with an offer of extensions or none.
func request(to netip.AddrPort, path, offer string) []byte {
	p := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n", path, to)
	if offer != "" {
		p = fmt.Appendf(p, "Sec-WebSocket-Extensions: %s\r\n", offer)
	}
	return append(p, "\r\n"...)
}

var errHungUp = errors.New("load: handshake: the server hung up")

// readSome reads once from a socket that blocks.
func readSome(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		switch {
		case err == unix.EINTR: // by the runtime's own signals
		case err != nil:
			return 0, fmt.Errorf("load: handshake: %w", err)
		case n == 0:
			return 0, errHungUp
		default:
			return n, nil
		}
	}
}

var endOfHeader = []byte("\r\n\r\n")

// readResponse reads the answer to a handshake, and what came with it, from a socket
// that blocks.
func readResponse(fd int) (header, rest []byte, err error) {
	var got []byte
	buf := make([]byte, 4096)
	for {
		n, err := readSome(fd, buf)
		if err != nil {
			return nil, nil, fmt.Errorf("%w after %q", err, got)
		}
		got = append(got, buf[:n]...)
		if end := bytes.Index(got, endOfHeader); end >= 0 {
			end += len(endOfHeader)
			return got[:end], got[end:], nil
		}
	}
}

// greet shakes hands in the words of the hub protocol, on a socket that blocks; got is
// what has come already. A nil hub has no words.
func (h *hub) greet(fd int, got []byte) error {
	if h != nil && len(h.first) > 0 {
		if err := hear(fd, got, h.first); err != nil {
			return err
		}
		got = nil
	}
	if len(got) > 0 {
		return fmt.Errorf("load: handshake: a message came before any was sent: %q", got)
	}
	if h == nil {
		return nil
	}
	if _, err := unix.Write(fd, h.hello); err != nil {
		return fmt.Errorf("load: handshake: %w", err)
	}
	return hear(fd, nil, h.welcome)
}

// hear reads one message, of which got has come already, and no more. It begins with
// want.
func hear(fd int, got, want []byte) error {
	var p parser
	n, err := p.count(got, -1)
	for buf := make([]byte, 512); n == 0 && err == nil; {
		var read int
		if read, err = readSome(fd, buf); err != nil {
			return fmt.Errorf("%w after %q", err, got)
		}
		got = append(got, buf[:read]...)
		n, err = p.count(buf[:read], -1)
	}
	if err != nil {
		return err
	}
	if said, _ := unframe(got); n > 1 || !bytes.HasPrefix(said, want) {
		return fmt.Errorf("load: handshake: the hub said %q, want %q", said, want)
	}
	return nil
}

// pollOnce returns the sockets that are ready now.
func pollOnce(epoll int, events []unix.EpollEvent) int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

func rawRead(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), errno
}

func rawWrite(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), errno
}
