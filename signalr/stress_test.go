package signalr

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
)

// stressEnv is how long the stress lasts, such as 10m; two seconds when empty.
const stressEnv = "PARLEY_STRESS"

// Clients of both protocols mix everything there is, over real sockets: their
// bytes are joined and cut at random, some leave in the middle. Each answer is
// checked, and that plain calls begin in order, and that every connection ends.
func TestStress(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv(stressEnv))
	if err != nil {
		length = 2 * time.Second
	}
	hub := parley.NewHub(&parley.HubOptions{
		Log:    slog.New(slog.DiscardHandler),
		Limits: parley.Limits{Streams: 4 * stressPending, AskTimeout: time.Minute},
	})
	st := &stress{T: t, until: time.Now().Add(length)}
	st.handle(hub)
	mux := http.NewServeMux()
	Mount(mux, "/chat", hub, nil)
	srv := httptest.NewServer(mux)
	defer srv.Close()
	var peers sync.WaitGroup
	for i := range 8 {
		d := dialect(protocol{manner: manner{client: true}})
		if i%2 == 1 {
			d = packed{manner{client: true}}
		}
		peers.Go(func() { st.visit(srv.URL, d, rand.New(rand.NewPCG(uint64(i), uint64(time.Now().UnixNano())))) })
	}
	peers.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := hub.Shutdown(ctx); err != nil {
		t.Error("Shutdown:", err)
	}
	if st.connects.Load() != st.disconnects.Load() {
		t.Errorf("%d connections began, %d ended", st.connects.Load(), st.disconnects.Load())
	}
	t.Logf("%d connections, %d answers", st.connects.Load(), st.answers.Load())
}

type stress struct {
	*testing.T
	until                          time.Time
	connects, disconnects, answers atomic.Int64
}

// turnstile sees to it that plain calls begin in order.
type turnstile struct {
	last, running atomic.Int64
}

type turnKey struct{}

func (st *stress) handle(hub *parley.Hub) {
	hub.OnConnect(func(_ context.Context, c *parley.Conn) error {
		st.connects.Add(1)
		c.Set(turnKey{}, new(turnstile))
		return nil
	})
	hub.OnDisconnect(func(_ context.Context, c *parley.Conn, _ error) {
		st.disconnects.Add(1)
		if n := c.Value(turnKey{}).(*turnstile).running.Load(); n != 0 {
			st.Errorf("OnDisconnect while %d calls run", n)
		}
	})
	enter := func(c *parley.Conn, n int64) (leave func()) {
		turn := c.Value(turnKey{}).(*turnstile)
		if before := turn.last.Swap(n); before >= n {
			st.Errorf("call %d began after call %d", n, before)
		}
		turn.running.Add(1)
		return func() { turn.running.Add(-1) }
	}
	hub.Handle("echo", parley.Func(func(c *parley.Conn, n int64, text string) string {
		defer enter(c, n)()
		return text
	}))
	hub.Handle("slow", parley.Func(func(c *parley.Conn, n int64, text string) string {
		defer enter(c, n)()
		<-time.After(time.Duration(len(text)) * time.Microsecond)
		return text
	}))
	hub.Handle("fail", parley.Func(func(c *parley.Conn, n int64, text string) error {
		defer enter(c, n)()
		if len(text)%2 == 0 {
			panic(text)
		}
		return errors.New(text)
	}))
	hub.Handle("ask", parley.Func(func(ctx context.Context, c *parley.Conn, n int64, text string) (answer string, err error) {
		defer enter(c, n)()
		err = c.Call(ctx, "confirm", &answer, text)
		return answer, err
	}))
	hub.Handle("wait", parley.Func(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
	hub.Handle("join", parley.Func(func(text string, items iter.Seq2[string, error]) (string, error) {
		for item, err := range items {
			if err != nil {
				return "", err
			}
			text += item
		}
		return text, nil
	}))
	hub.Handle("split", parley.Func(func(text string) iter.Seq[string] {
		return func(yield func(string) bool) {
			for _, part := range strings.SplitAfter(text, "s") {
				if !yield(part) {
					return
				}
			}
		}
	}))
}

// visit connects again and again.
func (st *stress) visit(url string, d dialect, rnd *rand.Rand) {
	for time.Now().Before(st.until) && !st.Failed() {
		c, err := websocket.Dial(st.Context(), "ws"+strings.TrimPrefix(url, "http")+"/chat", nil)
		if err != nil {
			st.Error(err)
			return
		}
		p := &stressPeer{stress: st, dialect: d, conn: c, rnd: rnd, places: make(chan struct{}, stressPending)}
		p.talk()
	}
}

const stressPending = 48 // calls that one peer has open at a time

// stressPeer is a client that writes whatever it likes.
type stressPeer struct {
	*stress
	dialect dialect
	conn    *websocket.Conn
	places  chan struct{} // has an element for each open call
	calls   sync.Map      // *expected by ID
	left    atomic.Bool   // it has gone without a word
	over    chan struct{} // nothing is read any more

	// owned by talk
	rnd     *rand.Rand
	number  int64
	uploads []*upload

	mu  sync.Mutex // of the writing half
	out []byte     // not yet sent
}

// expected is what a call is to be answered with.
type expected struct {
	name, text string
	got        string
	fails      bool
}

// upload is a stream under way.
type upload struct {
	id    string
	items []string
}

// talk makes some hundred calls, and leaves in one of three ways.
func (p *stressPeer) talk() {
	p.over = make(chan struct{})
	p.out = fmt.Appendf(nil, `{"protocol":"%s","version":1}`+"\x1e", p.dialect.Name())
	go p.listen() // ends with the connection, which talk ends
	defer func() {
		p.conn.CloseNow()
		<-p.over
	}()
	for range 50 + p.rnd.IntN(400) {
		p.say()
		if p.rnd.IntN(3) == 0 && p.flush(p.rnd.IntN) != nil {
			break
		}
	}
	if p.rnd.IntN(3) == 0 {
		p.left.Store(true)
		p.mu.Lock()
		p.out = p.out[:len(p.out)/2]
		p.mu.Unlock()
		p.flush(p.rnd.IntN)
		return
	}
	for len(p.uploads) > 0 {
		p.goOn()
	}
	p.flush(p.rnd.IntN)
	for range cap(p.places) { // all are answered
		select {
		case p.places <- struct{}{}:
		case <-p.over:
		}
	}
	p.put(&wire.Message{Kind: wire.Close})
	p.flush(p.rnd.IntN)
	<-p.over
}

// say adds one message, or a few.
func (p *stressPeer) say() {
	text := strings.Repeat("stress ", 1+p.rnd.IntN(1<<p.rnd.IntN(9)))
	switch p.rnd.IntN(12) {
	case 0:
		p.call("slow", text, text, false)
	case 1:
		p.call("ask", text, text, false)
	case 2:
		p.call("fail", text, "", true)
	case 3:
		id := p.begin(&wire.Message{Kind: wire.Call, Name: "wait"}, &expected{name: "wait", fails: true})
		p.put(&wire.Message{Kind: wire.Cancel, ID: id})
	case 4:
		p.begin(&wire.Message{Kind: wire.StreamCall, Name: "split", Args: p.args(text)}, &expected{name: "split", text: text})
	case 5:
		p.bring(text)
	case 6, 7, 8:
		p.goOn()
	case 9: // what belongs to nothing
		for _, k := range []wire.Kind{wire.Cancel, wire.Item, wire.Result, wire.End, wire.Ping} {
			p.put(&wire.Message{Kind: k, ID: "nobody", Args: p.args(text)})
		}
	default:
		p.call("echo", text, text, false)
	}
}

// call makes a plain call, whose turn is checked.
func (p *stressPeer) call(name, text, want string, fails bool) {
	p.number++
	p.begin(&wire.Message{Kind: wire.Call, Name: name, Args: p.args(p.number, text)}, &expected{name: name, text: want, fails: fails})
}

// begin makes a call, when a place is free.
func (p *stressPeer) begin(m *wire.Message, e *expected) string {
	select {
	case p.places <- struct{}{}:
	default:
		for len(p.uploads) > 0 { // which their calls wait for
			p.goOn()
		}
		p.flush(p.rnd.IntN)
		select {
		case p.places <- struct{}{}:
		case <-p.over:
		}
	}
	p.number++
	m.ID = fmt.Sprint("c", p.number)
	p.calls.Store(m.ID, e)
	p.put(m)
	return m.ID
}

func (p *stressPeer) bring(text string) {
	u := &upload{id: fmt.Sprint("u", p.number)}
	e := &expected{name: "join", text: text}
	for i := range p.rnd.IntN(30) {
		u.items = append(u.items, fmt.Sprint(" item ", i))
		e.text += u.items[i]
	}
	p.begin(&wire.Message{Kind: wire.Call, Name: "join", Args: p.args(text), Streams: []string{u.id}}, e)
	p.uploads = append(p.uploads, u)
}

// goOn adds to a stream, or ends it.
func (p *stressPeer) goOn() {
	if len(p.uploads) == 0 {
		return
	}
	i := p.rnd.IntN(len(p.uploads))
	u := p.uploads[i]
	if len(u.items) == 0 {
		p.put(&wire.Message{Kind: wire.End, ID: u.id})
		p.uploads = append(p.uploads[:i], p.uploads[i+1:]...)
		return
	}
	p.put(&wire.Message{Kind: wire.Item, ID: u.id, Args: p.args(u.items[0])})
	u.items = u.items[1:]
}

func (p *stressPeer) args(values ...any) wire.Args {
	a, err := p.dialect.Codec().Marshal(values...)
	if err != nil {
		p.Error(err)
	}
	return a
}

func (p *stressPeer) put(m *wire.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	if p.out, err = p.dialect.Append(p.out, m); err != nil {
		p.Error(err)
	}
}

// flush sends what was put, in pieces of any length, some of them of several frames.
func (p *stressPeer) flush(intN func(int) int) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.out) > 0 && err == nil {
		n := min(len(p.out), 1+intN(1<<intN(15)))
		err = p.write(p.out[:n], intN(n+1), intN(4) == 0)
		p.out = p.out[n:]
	}
	p.out = p.out[:0]
	return err
}

func (p *stressPeer) write(piece []byte, cut int, fragments bool) error {
	if !fragments {
		return p.conn.Write(p.Context(), websocket.Message{Type: websocket.Binary, Data: piece})
	}
	w, err := p.conn.Writer(p.Context(), websocket.Binary)
	for _, part := range [][]byte{piece[:cut], piece[cut:]} {
		if err == nil {
			_, err = w.Write(part)
		}
	}
	if err == nil {
		err = w.Close()
	}
	return err
}

// listen reads until the end.
func (p *stressPeer) listen() {
	defer close(p.over)
	shaking, records := &records{limit: 1 << 20}, p.dialect.splitter(1<<20)
	shaken := false
	for {
		frame, err := p.conn.Read(p.Context())
		if err != nil {
			p.ended(err)
			return
		}
		data := frame.Data
		for len(data) > 0 {
			var record []byte
			if shaken {
				record, data, err = records.next(data)
			} else {
				record, data, err = shaking.next(data)
			}
			if err != nil || record == nil {
				p.Errorf("a frame ends in the middle of a message: %v", err)
				return
			}
			if shaken {
				p.hear(record)
			}
			shaken = true
		}
	}
}

func (p *stressPeer) ended(err error) {
	var bye *websocket.CloseError
	if p.left.Load() || errors.As(err, &bye) && bye.Code == 1000 {
		return
	}
	p.Errorf("the connection ended with %v", err)
}

func (p *stressPeer) hear(record []byte) {
	var m message
	if err := p.dialect.parse(record, &m); err != nil {
		p.Errorf("%q: %v", record, err)
		return
	}
	switch m.Kind {
	case wire.Call:
		p.put(&wire.Message{Kind: wire.Result, ID: m.ID, Args: m.Args})
		go p.flush(rand.IntN) // ends when all of it is sent, or with the connection
	case wire.Item:
		if e, ok := p.calls.Load(m.ID); ok {
			e.(*expected).got += p.text(&m.Message)
		}
	case wire.Result, wire.End:
		p.answered(&m.Message)
	case wire.Close:
		if !p.left.Load() && m.Bye.Failed {
			p.Errorf("the server has said goodbye: %+v", m.Bye)
		}
	}
}

func (p *stressPeer) answered(m *wire.Message) {
	found, ok := p.calls.LoadAndDelete(m.ID)
	if !ok {
		p.Errorf("an answer to %q, which was answered or never asked", m.ID)
		return
	}
	e := found.(*expected)
	if e.got += p.text(m); (m.Err != nil) != e.fails || e.got != e.text {
		p.Errorf("%s %s: got %.60q and %v, want %.60q", e.name, m.ID, e.got, m.Err, e.text)
	}
	p.answers.Add(1)
	<-p.places
}

func (p *stressPeer) text(m *wire.Message) (text string) {
	if len(m.Args.Values) == 1 {
		if err := p.dialect.Codec().Unmarshal(m.Args, 0, &text); err != nil {
			p.Error(err)
		}
	}
	return text
}
