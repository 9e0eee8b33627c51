package protocol1

import (
	"net/http"
	"slices"
	"strings"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// sought is a namespace that is being looked for, and what the client has sent to
// it meanwhile: the client does not wait for an answer to its CONNECT.
type sought struct {
	endpoint string
	packets  []packet
	size     int64 // bytes of their data
}

const packetCost = 64 // bytes that a packet costs beside its data

// join lets the client into a further namespace. It may say so again.
func (c *client) join(main *space, endpoint string) error {
	if c.space(endpoint) != nil {
		return nil
	}
	o := &c.server.o
	name, query, _ := strings.Cut(endpoint, "?")
	r := withQuery(main.session.Request(), query)
	hub := o.Hub(name)
	switch {
	case name == "/" || hub == nil && o.Seek == nil:
		c.refuse(main, endpoint)
		return nil
	case !c.hasRoom():
		return malformed("too many namespaces")
	case hub != nil:
		c.admit(main, &space{client: c, hub: hub, endpoint: endpoint}, r)
		return nil
	case c.search(endpoint):
		go c.seek(main, r, name, endpoint) // ends when Options.Seek returns; nobody waits for it
	}
	return nil
}

// hasRoom counts those too whose last words the client has yet to fetch.
func (c *client) hasRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.spaces)+len(c.ending)+len(c.sought) < c.server.o.MaxNamespaces
}

// admit lets the client in where the hub takes any.
func (c *client) admit(main, s *space, r *http.Request) {
	if c.enter(s, r, &parley.Opening{KeepAlive: -1, IdleTimeout: -1}) == nil {
		return
	}
	c.refuse(main, s.endpoint)
	if s.left != nil {
		s.left()
	}
}

func (c *client) refuse(main *space, endpoint string) {
	main.session.Send(&wire.Encoded{Data: protocol{endpoint}.refusal()}) // unless it is ending
}

// search notes that a namespace is being looked for, unless it is already.
func (c *client) search(endpoint string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seeking(endpoint) != nil {
		return false
	}
	c.sought = append(c.sought, &sought{endpoint: endpoint})
	return true
}

// seeking finds what is being looked for. The caller holds mu.
func (c *client) seeking(endpoint string) *sought {
	for _, s := range c.sought {
		if s.endpoint == endpoint {
			return s
		}
	}
	return nil
}

// later keeps a packet to a namespace that is being looked for, and tells whether
// it is. They may take as much room as one message.
func (c *client) later(p *packet) (waits bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.seeking(p.endpoint)
	if s == nil {
		return false, nil
	}
	if s.size += int64(len(p.data)) + packetCost; s.size > c.server.o.Transport.MaxMessageBytes {
		return true, malformed("too much for a namespace that is not joined yet")
	}
	kept := *p
	kept.data = slices.Clone(p.data)
	s.packets = append(s.packets, kept)
	return true, nil
}

// seek looks for a namespace, and then lets the client in.
func (c *client) seek(main *space, r *http.Request, name, endpoint string) {
	hub, left := c.server.o.Seek(r, name)
	if hub == nil {
		c.refuse(main, endpoint)
	} else {
		c.admit(main, &space{client: c, hub: hub, endpoint: endpoint, left: left, apart: true}, r)
	}
	for {
		packets := c.found(endpoint)
		for _, p := range packets {
			if err := c.deliver(&p); err != nil {
				c.fail(err)
			}
		}
		if len(packets) == 0 {
			return
		}
	}
}

// found takes what has been kept. When there is nothing more, what follows goes to
// the namespace itself.
func (c *client) found(endpoint string) []packet {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.sought, func(s *sought) bool { return s.endpoint == endpoint })
	packets := c.sought[at].packets
	c.sought[at].packets = nil
	if len(packets) > 0 {
		return packets
	}
	c.sought = slices.Delete(c.sought, at, at+1)
	for _, s := range c.spaces {
		if s.endpoint == endpoint {
			s.apart = false
		}
	}
	return nil
}

// withQuery adds the query of an endpoint, /chat?room=1, to that of the request.
func withQuery(r *http.Request, query string) *http.Request {
	if query == "" {
		return r
	}
	r = r.Clone(r.Context())
	r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&"+query, "&")
	return r
}
