package classic

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley"
)

// Whoever has a token may use it in any number of requests at a time, and in any
// order, while a hub lets it in or does not, and closes it. Each connection begins once
// and ends once for all that, and nothing of it is left.
func TestATokenInManyHands(t *testing.T) {
	st := newStress(t)
	st.other.OnConnect(func(context.Context, *parley.Conn) error {
		if rand.IntN(2) == 0 {
			return &parley.Error{Message: "not you"}
		}
		st.connects.Add(1)
		return nil
	})
	st.other.OnDisconnect(func(context.Context, *parley.Conn, error) { st.disconnects.Add(1) })
	for _, hub := range []*parley.Hub{st.hub, st.other} {
		hub.Handle("Close", parley.Func(func(c *parley.Conn) { c.Close("enough") }))
		hub.Handle("CloseNow", parley.Func(func(c *parley.Conn) { c.CloseNow() }))
	}
	before := st.footprint()
	until := time.Now().Add(time.Second)
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), uint64(time.Now().UnixNano())))
			for time.Now().Before(until) && !t.Failed() {
				st.share(rnd)
			}
		})
	}
	all.Wait()
	after := st.footprint()
	if after.goroutines > before.goroutines+5 {
		t.Errorf("%d goroutines became %d", before.goroutines, after.goroutines)
	}
	st.end()
	t.Logf("%d connections", st.connects.Load())
}

// share gives a new token to some who do not know of one another, and takes it back
// by an abort.
func (st *stress) share(rnd *rand.Rand) {
	ctx, cancel := context.WithTimeout(st.Context(), time.Minute)
	defer cancel()
	data := []string{`[]`, `[{"name":"chat"}]`, `[{"name":"chat"},{"name":"other"}]`}
	one := rawClient{base: st.server.URL + "/signalr", data: data[rnd.IntN(len(data))], http: st.http}
	if err := one.negotiate(ctx); err != nil {
		st.Error(err)
		return
	}
	while, stop := context.WithTimeout(ctx, time.Duration(10+rnd.IntN(100))*time.Millisecond)
	defer stop()
	// A connection of net/http may be lent to the next request before the one that is cut off has let go of it, and tells
	// both of them why it was. So these have connections of their own.
	broken := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 6}}
	defer broken.CloseIdleConnections()
	var hands sync.WaitGroup
	for i := range 6 {
		mine, dice := one, rand.New(rand.NewPCG(rnd.Uint64(), uint64(i)))
		mine.http = broken
		hands.Go(func() {
			for while.Err() == nil {
				mine.fumble(while, dice)
			}
		})
	}
	hands.Wait()
	if err := one.abort(ctx, "longPolling"); err != nil {
		st.Error(err)
	}
}

var anyCalls = []string{
	`{"H":"chat","M":"echo","A":["x"],"I":1}`, `{"H":"other","M":"echo","A":["x"],"I":1}`, `{"H":"nobody","M":"echo","A":["x"],"I":1}`,
	`{"H":"chat","M":"close","A":[]}`, `{"H":"other","M":"close","A":[]}`, `{"H":"other","M":"closeNow","A":[]}`, `{`,
}

// fumble makes one request. What comes of it is not to be known.
func (c *rawClient) fumble(ctx context.Context, dice *rand.Rand) {
	transport := allTransports[dice.IntN(4)]
	switch dice.IntN(7) {
	case 0:
		c.ask(ctx, "GET", "start", transport, nil)
	case 1:
		c.ask(ctx, "POST", "send", transport, url.Values{"data": {anyCalls[dice.IntN(len(anyCalls))]}})
	case 2:
		if dice.IntN(4) == 0 {
			c.abort(ctx, transport)
		}
	case 3:
		c.cursor = fmt.Sprintf("%s%d", c.cursor, dice.IntN(3)) // perhaps of what was not sent yet
	default:
		s, err := c.open(ctx, []string{"connect", "reconnect"}[dice.IntN(2)], transport)
		if err != nil {
			return
		}
		defer s.close()
		if transport == "webSockets" {
			c.send(ctx, s, transport, &rawCall{H: "chat", M: "Slow", I: "2"})
		}
		for range dice.IntN(4) {
			if _, err := s.next(); err != nil {
				return
			}
		}
	}
}
