//go:build linux

package load

import "errors"

// Broadcast lets one more connection, at path, publish burst messages at a time, and
// the next ones when all connections have had them. A message that gets lost is an
// error, and the first one is compared. It must be the fleet's first use.
func (f *Fleet) Broadcast(address, path string, burst int, w Window) (Result, error) {
	subscribers := len(f.conns)
	if err := f.Round(); err != nil { // who has an answer is subscribed
		return Result{}, err
	}
	f.script = f.script.publication()
	if err := f.add(address, path, 1); err != nil {
		return Result{}, err
	}
	publisher := f.conns[subscribers]
	if err := f.checkBroadcast(publisher, subscribers); err != nil {
		return Result{}, err
	}
	left, over := 0, false
	publish := func() error {
		if left > 0 || over {
			return nil
		}
		left = burst * subscribers
		return f.say(publisher, burst)
	}
	react := func(c *conn) (int, error) {
		n, err := f.hear(c)
		if n > 0 && c == publisher {
			err = errors.New("load: the publisher got its own message")
		}
		if left -= n; left < 0 {
			err = errors.New("load: a message came twice")
		}
		return n, errors.Join(err, publish())
	}
	if err := publish(); err != nil {
		return Result{}, err
	}
	r, err := f.measure(w, react)
	if err != nil {
		return r, err
	}
	over = true
	return r, f.until(func(c *conn) error {
		_, err := react(c)
		return err
	}, func() bool { return left == 0 })
}

// checkBroadcast publishes one message to all and compares what the first one gets
// byte by byte.
func (f *Fleet) checkBroadcast(publisher *conn, subscribers int) error {
	if err := f.say(publisher, 1); err != nil {
		return err
	}
	first := answers{script: f.script}
	others := subscribers - 1
	err := f.until(func(c *conn) error {
		if c == f.conns[0] {
			p, err := f.read(c)
			first.add(p)
			return err
		}
		n, err := f.hear(c)
		others -= n
		return err
	}, func() bool { return first.complete() && others <= 0 })
	if err != nil {
		return err
	}
	return first.compare(0)
}
