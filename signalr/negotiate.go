package signalr

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley"
)

func isNegotiation(r *http.Request) bool {
	path := r.URL.Path
	const last = "/negotiate"
	return len(path) >= len(last) && strings.EqualFold(path[len(path)-len(last):], last)
}

// negotiation is the answer to a negotiation, in the order Microsoft's server
// writes its properties. Some clients insist on negotiateVersion.
type negotiation struct {
	NegotiateVersion    int         `json:"negotiateVersion"`
	ConnectionID        string      `json:"connectionId"`
	ConnectionToken     string      `json:"connectionToken,omitempty"` // since version 1
	AvailableTransports []available `json:"availableTransports"`
}

type available struct {
	Transport       string   `json:"transport"`
	TransferFormats []string `json:"transferFormats"`
}

// negotiate answers POST …/negotiate (transport protocols, "POST
// endpoint-base/negotiate request").
func (e *endpoint) negotiate(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, "")
		return
	}
	version, wrong := negotiateVersion(query(r, "negotiateVersion"))
	if wrong != "" {
		writeJSON(w, map[string]string{"error": wrong})
		return
	}
	n := negotiation{NegotiateVersion: version, ConnectionID: parley.NewID()}
	n.AvailableTransports = []available{{"WebSockets", []string{"Text"}}}
	token := n.ConnectionID
	if version > 0 {
		token = parley.NewID()
		n.ConnectionToken = token
	}
	if !e.table.add(token, n.ConnectionID) {
		answer(w, http.StatusServiceUnavailable, "Too many negotiations are waiting for their connection.")
		return
	}
	writeJSON(w, n)
}

// negotiateVersion is the version to answer with, or what is wrong with the
// one that was asked for.
func negotiateVersion(asked string) (version int, wrong string) {
	if asked == "" {
		return 0, ""
	}
	n, err := strconv.ParseInt(asked, 10, 32)
	if err != nil {
		return 0, "The client requested a non-integer protocol version."
	}
	if n < 0 {
		return 0, "The client requested version '" + strconv.FormatInt(n, 10) + "', but the server does not support this version."
	}
	return int(min(n, 1)), ""
}

// writeJSON answers with status 200: clients take no other.
func writeJSON(w http.ResponseWriter, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // strings and numbers, which always can be written
	data := bytes.TrimSuffix(body.Bytes(), []byte("\n"))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.Write(data) // a client that has gone needs no answer
}

// table knows the connections that were negotiated: waiting for their
// WebSocket, which they do for a bounded time, and attached ones. It needs no
// timer, as whoever looks clears out what has expired.
type table struct {
	limit   int           // fixed after construction
	timeout time.Duration // fixed after construction

	mu      sync.Mutex
	entries map[string]*entry // by connection token
	waiting int               // entries without a WebSocket
	order   []expiry          // of entries that wait, the oldest first; some have been attached since
}

type entry struct {
	id       string // the connection's public name
	attached bool
}

type expiry struct {
	token string
	entry *entry
	at    time.Time
}

// add lets a negotiated connection wait, unless too many do.
func (t *table) add(token, id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	if t.waiting >= t.limit {
		return false
	}
	if t.entries == nil {
		t.entries = make(map[string]*entry)
	}
	e := &entry{id: id}
	t.entries[token] = e
	t.waiting++
	t.order = append(t.order, expiry{token, e, time.Now().Add(t.timeout)})
	return true
}

// expire forgets the connections that have waited too long.
func (t *table) expire() {
	now := time.Now()
	for len(t.order) > 0 && !now.Before(t.order[0].at) {
		if old := t.order[0]; !old.entry.attached {
			delete(t.entries, old.token)
			t.waiting--
		}
		t.order[0] = expiry{}
		t.order = t.order[1:]
	}
}

func (t *table) has(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	return t.entries[token] != nil
}

// attach gives the connection of a token its WebSocket. known is false when
// there is no such connection, free when it has a WebSocket already.
func (t *table) attach(token string) (id string, known, free bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	e := t.entries[token]
	if e == nil {
		return "", false, false
	}
	if e.attached {
		return "", true, false
	}
	e.attached = true
	t.waiting--
	return e.id, true, true
}

// remove forgets an attached connection.
func (t *table) remove(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.entries, token)
}
