//go:build linux

package servers

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epollWait first asks whether there is anything, without telling the scheduler;
// only if there is not it waits, and lets go of the processor.
func epollWait(epoll int, events []unix.EpollEvent) int {
	p, size := unsafe.Pointer(&events[0]), uintptr(len(events))
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(p), size, 0, 0, 0)
	if errno == 0 && n > 0 {
		return int(n)
	}
	const forever = ^uintptr(0)
	n, _, errno = syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(p), size, forever, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// rawRead reads from a socket that does not block.
func rawRead(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), errno
}

// rawWrite writes to a socket that does not block.
func rawWrite(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), errno
}
