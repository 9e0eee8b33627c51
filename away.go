package parley

// Away tells that the peer cannot be reached for a while, and Away(false) that
// it is back: in between, its idle time does not count. A protocol package
// whose pipe outlives its sockets calls it, in pairs.
func (s *Session) Away(yes bool) { s.pause(yes) }

// Waiting is the number of bytes that wait in the session's queue.
func (s *Session) Waiting() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return s.queue.bytes
}
