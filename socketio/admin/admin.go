package admin

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley"
)

// Options configures an Admin.
type Options struct {
	// Username is who may look in. Empty means "admin".
	Username string
	// Password is what they have to know. Empty is an error, unless there is a
	// Check.
	Password string
	// Check decides in place of Username and Password, for instance with a hash. It
	// may block, and is called for several at a time. Nil means that those two
	// decide.
	Check func(ctx context.Context, username, password string) bool
	// ReadOnly lets nobody send, join, leave or disconnect.
	ReadOnly bool
	// Quiet shows numbers only: no clients, rooms and events. It costs little,
	// whatever the load.
	Quiet bool
	// ServerID names this server among several. Empty means the name of its host.
	ServerID string
	// Interval is the time between two reports of numbers. Zero means 2 seconds.
	Interval time.Duration
}

// Admin serves the pages that look in, by a hub of its own, and watches the hubs it
// was told to show. All methods are safe for concurrent use.
type Admin struct {
	// fixed after construction
	o       Options
	hub     *parley.Hub
	host    string
	began   time.Time
	keys    keys
	present atomic.Int64 // pages that look in

	mu        sync.Mutex
	shown     []*shown
	transport map[*parley.Conn]string // as it was told last
}

// maxWaiting bounds, in bytes, what waits for a page, of which one message
// describes all clients.
const maxWaiting = 64 << 20

// shown is a hub under the name of its namespace.
type shown struct {
	name   string
	hub    *parley.Hub
	before parley.Stats // when the numbers were reported last
}

// New makes an Admin. Its hub is to be mounted as a namespace, by custom "/admin",
// and to be shut down like any other; then nothing is watched any more. The error is
// about missing credentials.
func New(o *Options) (*Admin, error) {
	if o == nil {
		o = &Options{}
	}
	if o.Password == "" && o.Check == nil {
		return nil, errors.New("admin: a password is required")
	}
	a := &Admin{o: *o, began: time.Now(), transport: make(map[*parley.Conn]string)}
	a.o.Username = cmp.Or(o.Username, "admin")
	a.o.Interval = cmp.Or(o.Interval, 2*time.Second)
	a.host, _ = os.Hostname()
	a.o.ServerID = cmp.Or(o.ServerID, a.host)
	a.hub = parley.NewHub(&parley.HubOptions{Name: "admin", Limits: parley.Limits{QueueBytes: maxWaiting}})
	a.hub.OnConnect(a.connected)
	a.hub.OnDisconnect(func(context.Context, *parley.Conn, error) { a.present.Add(-1) })
	if !o.ReadOnly {
		a.handle()
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.hub.WhenShutdown(cancel)
	go a.report(ctx) // ends with the hub
	return a, nil
}

// Hub is where the pages connect: the namespace "/admin".
func (a *Admin) Hub() *parley.Hub { return a.hub }

// Show has the clients of hub shown under the name of its namespace, such as "/".
// Its handlers and its sending pass the Admin from then on, unless that is Quiet. A
// name is shown once, until its hub is shut down, and the Admin's own hub never.
func (a *Admin) Show(name string, hub *parley.Hub) {
	a.mu.Lock()
	known := hub == a.hub || slices.ContainsFunc(a.shown, func(s *shown) bool { return s.name == name })
	if !known {
		a.shown = append(a.shown, &shown{name: name, hub: hub, before: hub.Stats()})
	}
	a.mu.Unlock()
	if known {
		return
	}
	hub.WhenShutdown(func() { a.hide(hub) })
	if !a.o.Quiet {
		a.watch(name, hub)
	}
}

// hide shows a hub no more, under any name.
func (a *Admin) hide(hub *parley.Hub) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shown = slices.DeleteFunc(a.shown, func(s *shown) bool { return s.hub == hub })
}

// hubs lists what is shown.
func (a *Admin) hubs() []*shown {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.shown)
}

// find is the hub shown under a name, or nil.
func (a *Admin) find(name string) *parley.Hub {
	for _, s := range a.hubs() {
		if s.name == name {
			return s.hub
		}
	}
	return nil
}

// tell sends to the pages that look in, if there are any.
func (a *Admin) tell(event string, args ...any) {
	if a.present.Load() > 0 {
		a.hub.Audience().DropOldest().Send(context.Background(), event, args...) // fails with what JSON cannot say, or at the end
	}
}
