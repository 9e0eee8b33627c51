package websocket

import (
	"errors"
	"io"
	"sync/atomic"
	"time"
)

var errEOF = io.EOF

// solo reads one connection of a Handler where no loop can: over TLS and HTTP/2, and
// on systems without pollers. Its goroutine waits in Read.
type solo struct {
	runner
	c     *Conn
	size  int           // of the next chunk
	watch *time.Timer   // looks whether the call of the moment takes long
	busy  atomic.Bool   // there is something to look at
	seen  atomic.Uint64 // the turn when it last looked
}

// startSolo starts the reading of c.
func startSolo(c *Conn) {
	s := &solo{c: c, size: readBytes}
	s.runner.run = s.run
	s.watch = time.AfterFunc(time.Hour, s.look)
	go s.loop() // ends with the connection
}

// run goes on where another goroutine was left behind.
func (s *solo) run() {
	if s.resume() && s.settle() {
		s.loop()
	}
}

func (s *solo) loop() {
	for s.read() {
	}
}

// read reads once, and hands on what it brings. It reports false when another
// goroutine has taken over, or the connection has ended.
func (s *solo) read() bool {
	c := s.c
	c.awaitResume()
	c.mu.Lock()
	early := c.takeEarly()
	again := early == nil && c.err == nil && c.extra != nil && c.extra.early != nil // it was paused once more
	c.mu.Unlock()
	switch {
	case early != nil:
		return s.serveEarly(early)
	case again:
		return true
	}
	room := c.in.wanted()
	direct := len(room) >= readBytes
	if !direct {
		room = s.buffer()
	}
	n, err := c.link.nc.Read(room)
	if n > 0 {
		c.countIn(n)
		if !direct && c.paused.Load() != 0 { // since the read began
			c.putAside(room[:n])
			return true
		}
		mine := s.deal(room[:n], direct)
		if mine && !direct {
			s.resize(n, len(room))
		}
		return mine
	}
	switch {
	case errors.Is(err, io.EOF):
		c.streamEnded()
	case err != nil:
		c.lost("read", err)
	}
	if c.ended() == nil {
		return true
	}
	s.begins()
	if s.finish(c) {
		s.ends()
	}
	return false
}

func (s *solo) deal(p []byte, direct bool) bool {
	if !direct {
		return s.serveAll(p)
	}
	e, err := s.c.advance(len(p))
	switch {
	case err != nil:
		s.c.fail(err)
	case e.op != opContinuation:
		s.begins()
		return s.message(s.c, e, nil) && s.settle()
	}
	return true
}

// serveAll hands on what lies in p and sends the answers.
func (s *solo) serveAll(p []byte) bool {
	s.begins()
	return s.serve(s.c, p) && s.settle()
}

// serveEarly hands on what was put aside.
func (s *solo) serveEarly(early *buffer) bool {
	if s.chunk != nil {
		putBuffer(s.chunk)
	}
	s.chunk = early
	s.begins()
	s.c.countIn(0)
	if !s.serve(s.c, early.b) {
		return false
	}
	s.c.earlyServed()
	return s.settle()
}

func (s *solo) begins() {
	s.now = time.Now().UnixNano()
	s.c.cork()
	s.busy.Store(true)
	s.watch.Reset(patience)
}

func (s *solo) ends() {
	s.busy.Store(false)
	s.watch.Stop()
}

// settle sends the answers. That may take long too.
func (s *solo) settle() bool {
	turn, _ := s.begin(nil, nil, true)
	s.c.uncork()
	if !s.end(turn) {
		return false
	}
	s.ends()
	return true
}

// look takes the connection away from a call that takes long.
func (s *solo) look() {
	if !s.busy.Load() {
		return
	}
	turn := s.turn.Load()
	taken := turn == s.seen.Load() && s.takeOver(turn)
	s.seen.Store(turn)
	s.watch.Reset(patience)
	if taken {
		s.run() // this goroutine reads now, and ends with the connection
	}
}

// buffer returns where to read to: little while the connection waits, more when much
// comes.
func (s *solo) buffer() []byte {
	if s.chunk == nil || cap(s.chunk.b) < s.size || cap(s.chunk.b) > chunkBytes {
		if s.chunk != nil {
			putBuffer(s.chunk)
		}
		s.chunk = getBuffer(s.size)
	}
	return s.chunk.b[:cap(s.chunk.b)]
}

func (s *solo) resize(n, room int) {
	switch {
	case n == room:
		s.size = chunkBytes
	case n < readBytes && s.size > readBytes:
		s.size = readBytes
		putBuffer(s.chunk)
		s.chunk = nil
	}
}

// awaitResume waits while the connection is paused.
func (c *Conn) awaitResume() {
	for c.paused.Load()&^pausedByEarly != 0 {
		c.mu.Lock()
		x := c.more()
		if x.resumed == nil {
			x.resumed = make(chan struct{}, 1)
		}
		resumed, ended := x.resumed, c.err != nil
		c.mu.Unlock()
		if ended || c.paused.Load()&^pausedByEarly == 0 {
			return
		}
		<-resumed
	}
}
