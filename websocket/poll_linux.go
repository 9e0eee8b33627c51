package websocket

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	edgeTriggered = 1 << 31 // EPOLLET, which package syscall has as a negative number

	eventsPerTurn = 128

	// stayReads bounds how often a loop reads from one connection before it turns
	// to the next.
	stayReads = 16

	// sweepTime is how exactly loops keep the deadlines of slow peers.
	sweepTime = 100 * time.Millisecond

	// yieldTurns is how many turns a busy loop makes before it lets other
	// goroutines run: at least the one that watches over it.
	yieldTurns = 32
)

// pollers are the loops that all connections share, one per processor. They run
// while there are connections.
var pollers poller

type poller struct {
	mu    sync.Mutex
	loops []*loop
	next  int
	gen   uint32

	watching atomic.Bool
}

// loop waits for what happens on many sockets with epoll, reads, and calls the
// handlers. The goroutine that runs it is replaced when a handler takes long.
type loop struct {
	epoll int // descriptor
	alarm int // eventfd that ends a wait

	runner

	// Owned by the goroutine of the moment.
	events     []syscall.EpollEvent
	count, pos int
	look       []*Conn
	handed     bool // other goroutines have been woken in this turn
	turns      int
	sweep      time.Time

	// conns has the connections by descriptor. It is replaced when it has to grow,
	// under mu.
	conns atomic.Pointer[[]atomic.Pointer[Conn]]

	awake atomic.Bool // not waiting in epoll

	// Guarded by mu.
	mu        sync.Mutex
	scheduled []*Conn // to be looked after before the next wait
	due       []*Conn // with a deadline
	members   int
	running   bool
}

// join makes c a member of one of the loops.
func (p *poller) join(fd int, c *Conn) (*loop, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loops == nil && !p.open() {
		return nil, false
	}
	p.gen++
	p.next++
	l := p.loops[p.next%len(p.loops)]
	c.socket.fd, c.socket.gen = int32(fd), p.gen
	c.socket.refs.Store(1)
	l.add()
	return l, true
}

// open makes the loops.
func (p *poller) open() bool {
	var loops []*loop
	for range runtime.GOMAXPROCS(0) {
		l, err := newLoop()
		if err != nil {
			break
		}
		loops = append(loops, l)
	}
	p.loops = loops
	return len(loops) > 0
}

func newLoop() (*loop, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	alarm, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		syscall.Close(epoll)
		return nil, errno
	}
	l := &loop{epoll: epoll, alarm: int(alarm), events: make([]syscall.EpollEvent, eventsPerTurn)}
	l.runner.run = l.run
	table := make([]atomic.Pointer[Conn], 64)
	l.conns.Store(&table)
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(alarm)}
	if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, int(alarm), &ev); err != nil {
		syscall.Close(epoll)
		syscall.Close(int(alarm))
		return nil, err
	}
	return l, nil
}

// add makes room for a member, and starts the loop with the first.
func (l *loop) add() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.members++
	l.start()
}

// publish puts c into the table, where its events are looked up.
func (l *loop) publish(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fd, table := int(c.socket.fd), *l.conns.Load()
	if fd >= len(table) {
		larger := make([]atomic.Pointer[Conn], max(2*len(table), fd+1))
		for i := range table {
			larger[i].Store(table[i].Load())
		}
		table = larger
		l.conns.Store(&table)
	}
	table[fd].Store(c)
}

// remove takes c out of the table and out of epoll, which forgets a descriptor by
// itself when it is closed: unless somebody is in the middle of using it.
func (l *loop) remove(c *Conn) {
	s := &c.socket
	c.mu.Lock()
	if s.registered && s.refs.Load() > 1 {
		syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_DEL, int(s.fd), &syscall.EpollEvent{})
	}
	published := s.registered
	s.registered = false
	c.mu.Unlock()
	l.mu.Lock()
	if published {
		(*l.conns.Load())[s.fd].CompareAndSwap(c, nil)
	}
	l.members--
	last := l.members == 0
	l.mu.Unlock()
	if last {
		l.wake()
	}
}

func (l *loop) find(fd int32, gen uint32) *Conn {
	table := *l.conns.Load()
	if int(fd) >= len(table) {
		return nil
	}
	c := table[fd].Load()
	if c == nil || c.socket.gen != gen {
		return nil
	}
	return c
}

// scheduleLocked has the loop look after c before it waits again. The caller has c.mu.
func (c *Conn) scheduleLocked() {
	if c.out.scheduled {
		return
	}
	c.out.scheduled = true
	l := c.loop
	l.mu.Lock()
	l.scheduled = append(l.scheduled, c)
	l.start()
	l.mu.Unlock()
	l.wake()
}

// start runs the loop if it is not running. The caller has mu.
func (l *loop) start() {
	if !l.running {
		l.running = true
		l.awake.Store(true)
		pollers.watch()
		go l.run() // ends when the last member has left
	}
}

// wake ends the loop's wait, if it is in one.
func (l *loop) wake() {
	if l.awake.Load() || !l.awake.CompareAndSwap(false, true) {
		return
	}
	one := uint64(1)
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(l.alarm), uintptr(unsafe.Pointer(&one)), 8)
}

// run is the loop. It goes on where the goroutine before it was left behind.
func (l *loop) run() {
	if !l.resume() {
		return
	}
	for {
		for l.pos < l.count {
			ev := &l.events[l.pos]
			l.pos++
			if !l.happened(ev) {
				return // another goroutine runs the loop
			}
		}
		if !l.settle() {
			return
		}
		if len(l.look) == 0 && !l.wait() {
			return // there are no members
		}
	}
}

// wait fetches the next events. It reports false when the loop is to end.
func (l *loop) wait() bool {
	l.pos = 0
	if l.turns++; l.handed || l.turns%yieldTurns == 0 {
		l.handed = false
		runtime.Gosched() // those who were woken go first: what they write is flushed with the rest
		l.now = time.Now().UnixNano()
	}
	if l.poll(0) > 0 {
		return true
	}
	l.awake.Store(false)
	l.mu.Lock()
	busy, due := len(l.scheduled) > 0, len(l.due) > 0
	if l.members == 0 && !busy {
		l.running, l.due = false, nil
		l.mu.Unlock()
		return false
	}
	l.mu.Unlock()
	timeout := -1
	switch {
	case busy:
		timeout = 0
	case due:
		timeout = int(sweepTime / time.Millisecond)
	}
	if timeout != 0 {
		l.poll(timeout)
	}
	l.awake.Store(true)
	l.now = time.Now().UnixNano()
	pollers.watch()
	return true
}

// poll asks epoll. A call that may wait tells the scheduler so; one that cannot
// does without.
func (l *loop) poll(timeout int) int {
	var n uintptr
	var errno syscall.Errno
	events := uintptr(unsafe.Pointer(&l.events[0]))
	if timeout == 0 {
		n, _, errno = syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(l.epoll), events, eventsPerTurn, 0, 0, 0)
	} else {
		n, _, errno = syscall.Syscall6(syscall.SYS_EPOLL_PWAIT, uintptr(l.epoll), events, eventsPerTurn, uintptr(timeout), 0, 0)
	}
	if errno != 0 {
		n = 0
	}
	l.count = int(n)
	return l.count
}

// happened deals with one event. It reports false when the loop was taken away.
func (l *loop) happened(ev *syscall.EpollEvent) bool {
	if int(ev.Fd) == l.alarm {
		var sink uint64
		syscall.RawSyscall(syscall.SYS_READ, uintptr(l.alarm), uintptr(unsafe.Pointer(&sink)), 8)
		return true
	}
	c := l.find(ev.Fd, uint32(ev.Pad))
	if c == nil {
		return true
	}
	if ev.Events&syscall.EPOLLOUT != 0 {
		c.nowWritable()
	}
	if ev.Events&^syscall.EPOLLOUT == 0 {
		return true
	}
	if r := c.reading; r != nil {
		if ev.Events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
			r.hungUp.Store(true)
		}
		r.readable.Store(true)
		signal(r.ready)
		l.handed = true
		return true
	}
	if c.paused.Load() != 0 { // nothing is read, also what came just before the pause
		if ev.Events&(syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
			c.lost("read", syscall.ECONNRESET)
		}
		return true
	}
	return l.read(c)
}

// read reads from c while full buffers come, and hands on what they hold.
func (l *loop) read(c *Conn) bool {
	for range stayReads {
		if l.chunk == nil {
			l.chunk = getBuffer(chunkBytes)
		}
		buf := l.chunk.b[:cap(l.chunk.b)]
		room := c.in.wanted()
		var n int
		var errno syscall.Errno
		if room != nil {
			n, errno = c.socket.read(room, buf)
		} else {
			n, errno = c.socket.read(buf, nil)
		}
		if n <= 0 || errno != 0 {
			c.readEnded(errno)
			break
		}
		full := n == len(room)+len(buf)
		c.countIn(n)
		c.cork()
		if !l.serveRead(c, room, buf, n) {
			return false
		}
		if !full || c.paused.Load() != 0 {
			break
		}
	}
	c.uncork()
	return true
}

// serveRead hands on n bytes that were read into room first and then into buf.
func (l *loop) serveRead(c *Conn, room, buf []byte, n int) bool {
	if room == nil {
		return l.serve(c, buf[:n])
	}
	e, err := c.advance(min(n, len(room)))
	buf = buf[:max(n-len(room), 0)]
	if err != nil {
		c.fail(err)
		return true
	}
	if e.op != opContinuation && !l.message(c, e, buf) {
		return false
	}
	return l.serve(c, buf)
}

// readEnded deals with a read that brought nothing.
func (c *Conn) readEnded(errno syscall.Errno) {
	switch errno {
	case syscall.EAGAIN, syscall.EBADF:
	case 0:
		c.streamEnded()
	default:
		c.lost("read", errno)
	}
}

// settle looks after the connections that have something to be written, or have
// ended, since the last time.
func (l *loop) settle() bool {
	if len(l.look) == 0 {
		l.mu.Lock()
		l.look, l.scheduled = l.scheduled, l.look
		l.mu.Unlock()
	}
	for len(l.look) > 0 {
		last := len(l.look) - 1
		c := l.look[last]
		l.look[last] = nil
		l.look = l.look[:last]
		if !l.lookAfter(c) {
			return false
		}
	}
	if now := l.now; now-l.sweep.UnixNano() > int64(sweepTime) {
		l.sweep = time.Unix(0, now)
		l.expire(l.sweep)
	}
	return true
}

// lookAfter does for c what others have asked for.
func (l *loop) lookAfter(c *Conn) bool {
	c.mu.Lock()
	c.out.scheduled = false
	ended := c.err != nil
	early := c.takeEarly()
	c.mu.Unlock()
	if early != nil {
		if !l.serveEarly(c, early) {
			return false
		}
	}
	if ended && c.handler != nil {
		return l.finish(c)
	}
	c.offer()
	c.flush()
	return true
}

func (l *loop) serveEarly(c *Conn, early *buffer) bool {
	if l.chunk == nil || cap(l.chunk.b) < len(early.b) {
		l.chunk = getBuffer(max(chunkBytes, len(early.b)))
	}
	p := l.chunk.b[:copy(l.chunk.b[:cap(l.chunk.b)], early.b)]
	putBuffer(early)
	c.countIn(0)
	c.cork()
	if !l.serve(c, p) {
		return false
	}
	c.earlyServed()
	c.uncork()
	return true
}

// expire ends what has waited too long.
func (l *loop) expire(now time.Time) {
	l.mu.Lock()
	due := l.due
	l.due = nil
	l.mu.Unlock()
	kept := due[:0]
	for _, c := range due {
		if c.expire(now) {
			kept = append(kept, c)
		}
	}
	clear(due[len(kept):])
	l.mu.Lock()
	l.due = append(kept, l.due...)
	l.mu.Unlock()
}

// becomesDue puts c on the list of those with a deadline.
func (l *loop) becomesDue(c *Conn) {
	l.mu.Lock()
	l.due = append(l.due, c)
	l.mu.Unlock()
	l.wake()
}

// watch sees to it that somebody watches over the loops.
func (p *poller) watch() {
	if !p.watching.Load() && p.watching.CompareAndSwap(false, true) {
		go p.watchdog() // ends when the loops wait
	}
}

// watchdog takes loops away from handlers that run for long: the handler keeps the
// goroutine, and the loop goes on in another.
func (p *poller) watchdog() {
	p.mu.Lock()
	loops := p.loops
	p.mu.Unlock()
	seen := make([]uint64, len(loops))
	for quiet := 0; quiet < 8; quiet++ {
		time.Sleep(patience)
		for i, l := range loops {
			turn := l.turn.Load()
			if turn == seen[i] && l.takeOver(turn) {
				go l.run() // ends when the last member has left
			}
			if l.awake.Load() {
				quiet = 0
			}
			seen[i] = turn
		}
	}
	p.watching.Store(false)
	for _, l := range loops {
		if l.awake.Load() {
			p.watch() // it woke just now, and may have seen somebody watching
		}
	}
}
