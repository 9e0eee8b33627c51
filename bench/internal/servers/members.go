//go:build linux

package servers

import (
	"bytes"
	"slices"
	"sync"
)

// members are the subscribers of a broadcast. They come and go while nothing is
// published, so a slice under a lock costs a publisher nothing.
type members[C comparable] struct {
	mu  sync.Mutex
	all []C
}

// join adds c and answers it: nothing is published to a member that has no answer yet.
func (m *members[C]) join(c C, answer func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, c)
	return answer()
}

func (m *members[C]) remove(c C) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.all, c); i >= 0 {
		m.all = slices.Delete(m.all, i, i+1)
	}
}

func (m *members[C]) each(do func(C)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.all {
		do(c)
	}
}

// messages holds buffers for messages that are being echoed, so that an idle
// connection keeps none.
var messages pool

type pool struct{ p sync.Pool }

func (p *pool) Get() *bytes.Buffer {
	if b, ok := p.p.Get().(*bytes.Buffer); ok {
		return b
	}
	return new(bytes.Buffer)
}

func (p *pool) Put(b *bytes.Buffer) {
	b.Reset()
	p.p.Put(b)
}
