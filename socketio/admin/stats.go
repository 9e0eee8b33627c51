package admin

import (
	"context"
	"maps"
	"os"
	"time"

	"github.com/parley-go/parley"
)

// count is how often something has happened since the last report.
type count struct {
	At    int64  `json:"timestamp"` // milliseconds since 1970
	Type  string `json:"type"`
	Sub   string `json:"subType,omitempty"`
	Count int64  `json:"count"`
}

type namespace struct {
	Name  string `json:"name"`
	Conns int    `json:"socketsCount"`
}

type numbers struct {
	ServerID   string      `json:"serverId"`
	Host       string      `json:"hostname"`
	PID        int         `json:"pid"`
	Uptime     float64     `json:"uptime"` // seconds
	Clients    int         `json:"clientsCount"`
	Polling    int         `json:"pollingClientsCount"`
	Counts     []count     `json:"aggregatedEvents"`
	Namespaces []namespace `json:"namespaces"`
}

// report sends the numbers now and then.
func (a *Admin) report(ctx context.Context) {
	tick := time.NewTicker(a.o.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n := a.numbers()
		if a.present.Load() > 0 {
			a.tell("server_stats", n)
			a.tellUpgrades()
		}
	}
}

// numbers are those of this moment, and counts since they were asked for last.
func (a *Admin) numbers() *numbers {
	n := &numbers{
		ServerID: a.o.ServerID, Host: a.host, PID: os.Getpid(), Uptime: time.Since(a.began).Seconds(),
		Counts: []count{}, Namespaces: []namespace{{"/admin", a.hub.Stats().Conns}},
	}
	now := time.Now().Truncate(time.Second).UnixMilli()
	add := func(kind, sub string, times int64) {
		if times > 0 {
			n.Counts = append(n.Counts, count{now, kind, sub, times})
		}
	}
	for _, s := range a.hubs() {
		stats := s.hub.Stats()
		before := a.exchange(s, stats)
		n.Clients += stats.Conns
		n.Namespaces = append(n.Namespaces, namespace{s.name, stats.Conns})
		add("rawConnection", "", stats.Opened-before.Opened)
		add("packetsIn", "", stats.Received-before.Received)
		add("packetsOut", "", stats.Sent-before.Sent)
		for reason := range maps.Keys(stats.Closed) {
			add("rawDisconnection", reason, stats.Closed[reason]-before.Closed[reason])
		}
	}
	if a.present.Load() > 0 {
		n.Polling = a.polling()
	}
	return n
}

// exchange keeps the counters for the next report and returns those of the last.
func (a *Admin) exchange(s *shown, stats parley.Stats) (before parley.Stats) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, s.before = s.before, stats
	return before
}

func (a *Admin) polling() (n int) {
	for _, s := range a.hubs() {
		for _, c := range s.hub.Audience().Conns() {
			if c.Transport() == "polling" {
				n++
			}
		}
	}
	return n
}

// tellUpgrades tells of the connections whose transport has changed since the
// pages heard of them.
func (a *Admin) tellUpgrades() {
	for _, s := range a.hubs() {
		for _, c := range s.hub.Audience().Conns() {
			if now, changed := a.changed(c); changed {
				a.tell("socket_updated", map[string]string{"id": c.ID(), "nsp": s.name, "transport": now})
			}
		}
	}
}

func (a *Admin) changed(c *parley.Conn) (now string, changed bool) {
	now = c.Transport()
	a.mu.Lock()
	defer a.mu.Unlock()
	before, known := a.transport[c]
	if known {
		a.transport[c] = now
	}
	return now, known && before != now
}
