package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/msgpack"
	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
	"github.com/tinylib/msgp/msgp"
)

// joiner joins one namespace, again and again. It knows what outlives a
// connection.
type joiner struct {
	// fixed after construction
	manager *Manager
	words   words
	name    string
	o       ClientOptions

	mu        sync.Mutex
	pid       string // by which the server knows the client again; empty for not at all
	offset    string // of the last event; empty for none
	recovered bool   // the connection of the moment goes on where the last one ended
}

// dial is the client's [parley.DialFunc].
func (j *joiner) dial(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, j.manager.o.ConnectTimeout)
	defer cancel()
	session, err := j.join(ctx, cl)
	if err != nil {
		return nil, fmt.Errorf("socketio: connect: %w", err)
	}
	return session, nil
}

func (j *joiner) join(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
	if j.manager.wrong != nil {
		return nil, j.manager.wrong
	}
	for {
		v, err := j.manager.reach(ctx)
		if err != nil {
			return nil, err
		}
		request, err := j.request(ctx)
		p := newPresence(v, j, cl)
		if err == nil {
			err = v.enter(p, request)
		}
		if err == nil {
			err = p.await(ctx)
		}
		if err == nil {
			return p.session, nil
		}
		p.abandon(err)
		if err != errOver { // else its last namespace was left in that moment
			return nil, err
		}
	}
}

// request is the CONNECT packet of one attempt.
func (j *joiner) request(ctx context.Context) ([]byte, error) {
	auth := j.o.Auth
	if j.o.AuthFunc != nil {
		var err error
		if auth, err = j.o.AuthFunc(ctx); err != nil {
			return nil, fmt.Errorf("auth: %w", err)
		}
	}
	j.mu.Lock()
	pid, offset := j.pid, j.offset
	j.mu.Unlock()
	if pid == "" {
		return j.words.connect(auth)
	}
	again, err := comeback(auth, pid, offset, j.words.Binary())
	if err != nil {
		return nil, err
	}
	return j.words.connect(again)
}

// comeback adds to auth by what the server knows the client again. What auth
// has of the same name counts, as the last of two.
func comeback(auth any, pid, offset string, packed bool) (any, error) {
	if packed {
		return packedComeback(auth, pid, offset)
	}
	b := rawjson.AppendString([]byte(`{"pid":`), pid)
	if offset != "" {
		b = rawjson.AppendString(append(b, `,"offset":`...), offset)
	}
	if auth == nil {
		return json.RawMessage(append(b, '}')), nil
	}
	a, err := wire.JSON.Marshal(auth)
	if err != nil {
		return nil, err
	}
	if !isObject(a.Values[0]) {
		return nil, errAuth
	}
	for name, value := range rawjson.Fields(a.Values[0]) {
		b = rawjson.AppendString(append(b, ','), string(name))
		b = append(append(b, ':'), value...)
	}
	return json.RawMessage(append(b, '}')), nil
}

func packedComeback(auth any, pid, offset string) (any, error) {
	own, rest := uint32(0), []byte(nil)
	if auth != nil {
		a, err := javaScript.Marshal(auth)
		if err != nil {
			return nil, err
		}
		n, pairs, ok := msgpack.CountPairs(a.Values[0])
		if !ok {
			return nil, errAuth
		}
		own, rest = uint32(n), pairs
	}
	b := msgp.AppendMapHeader(nil, own+2)
	b = msgp.AppendString(msgp.AppendString(b, "pid"), pid)
	b = msgp.AppendString(msgp.AppendString(b, "offset"), offset)
	return msgp.Raw(append(b, rest...)), nil
}

var (
	errOver   = errors.New("the connection ends")
	errJoined = errors.New("another client of this manager has joined the namespace")
	errLeft   = errors.New("the server closed the connection")
	errOld    = fmt.Errorf("the server's answer names no connection, as those of Socket.IO 2 do: %w", wire.ErrProtocol)
)

// joined notes the answer of a server that lets the client in.
func (j *joiner) joined(payload []byte) error {
	var w welcome
	if err := json.Unmarshal(payload, &w); err != nil || w.SID == "" {
		return errOld
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.recovered = w.PID != "" && w.PID == j.pid
	if j.pid = w.PID; !j.recovered {
		j.offset = ""
	}
	return nil
}

const maxOffset = 64 // bytes

// note takes the offset off an event, if it has one: a server that gives a pid
// puts it behind the arguments of every event that wants no ack.
func (j *joiner) note(m *wire.Message) {
	n := len(m.Args.Values)
	if m.Kind != wire.Call || m.ID != "" || n == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.pid == "" {
		return
	}
	last := m.Args.Values[n-1]
	offset, ok := rawjson.String(last)
	if j.words.Binary() {
		offset, ok = msgpack.String(last)
	}
	if ok && isOffset(offset) {
		j.offset, m.Args.Values = offset, m.Args.Values[:n-1]
	}
}

// isOffset tells whether a string looks like an offset: the volatile events of
// the reference have none, and may end with a string of their own.
func isOffset(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= maxOffset
}

type recoveredKey struct{}

// tell is the context of OnConnect.
func (j *joiner) tell(ctx context.Context) context.Context {
	j.mu.Lock()
	defer j.mu.Unlock()
	return context.WithValue(ctx, recoveredKey{}, j.recovered)
}

// Recovered tells, in the OnConnect of [ClientOptions], whether the client goes
// on where it was lost (connection state recovery): the server has kept its ID,
// rooms and data, and what it missed comes now. When it is false after a loss,
// something may be missing. The context is that which OnConnect was given.
//
// The events of a server that recovers end with their offset, which handlers
// are not given. As the Node.js server writes none in volatile events, a last
// argument of theirs that is a word is taken for one.
func Recovered(ctx context.Context) bool {
	is, _ := ctx.Value(recoveredKey{}).(bool)
	return is
}
