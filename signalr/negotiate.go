package signalr

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-go/parley"
)

// negotiation is the answer to a negotiation, in the order Microsoft's server
// writes its properties. Some clients insist on negotiateVersion.
type negotiation struct {
	UseStatefulReconnect bool        `json:"useStatefulReconnect,omitempty"`
	NegotiateVersion     int         `json:"negotiateVersion"`
	URL                  string      `json:"url,omitempty"`
	AccessToken          string      `json:"accessToken,omitempty"`
	ConnectionID         string      `json:"connectionId,omitempty"`
	ConnectionToken      string      `json:"connectionToken,omitempty"` // since version 1
	AvailableTransports  []available `json:"availableTransports"`
	lifetime                         // where it may be prolonged
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
	version, wrong := e.version(query(r, "negotiateVersion"))
	if wrong != "" {
		refuseNegotiation(w, wrong)
		return
	}
	if e.redirect(w, r, version) {
		return
	}
	c := e.negotiated(r, version, strings.EqualFold(query(r, "useStatefulReconnect"), "true"))
	if !e.table.add(c) {
		w.Header().Set("Retry-After", "5")
		answer(w, http.StatusServiceUnavailable, "Too many negotiations are waiting for their connection.")
		return
	}
	n := negotiation{UseStatefulReconnect: c.stateful, NegotiateVersion: version, ConnectionID: c.id, AvailableTransports: e.available}
	if version > 0 {
		n.ConnectionToken = c.token
	}
	if e.o.EnableRefresh {
		n.lifetime = lifetime{secondsUntil(parley.ExpiryOf(r.Context()))}
	}
	writeJSON(w, http.StatusOK, n)
}

// negotiated is a new connection that waits for its transport. In version 0
// its name is its secret.
func (e *endpoint) negotiated(r *http.Request, version int, stateful bool) *connection {
	c := &connection{
		endpoint: e,
		id:       parley.NewID(),
		stateful: stateful && e.o.AllowStatefulReconnect && e.o.Transports.has(WebSockets),
		user:     parley.UserOf(r.Context()),
		expires:  time.Since(e.start) + e.o.DisconnectTimeout,
	}
	c.token = c.id
	if version > 0 {
		c.token = parley.NewID()
	}
	return c
}

// version is the version to answer with, or what is wrong with the one that
// was asked for.
func (e *endpoint) version(asked string) (version int, wrong string) {
	n, err := int64(0), error(nil)
	if asked != "" {
		n, err = strconv.ParseInt(asked, 10, 32)
	}
	if err != nil {
		return 0, "The client requested a non-integer protocol version."
	}
	if n < int64(e.o.MinimumProtocolVersion) {
		return 0, "The client requested version '" + strconv.FormatInt(n, 10) + "', but the server does not support this version."
	}
	return int(min(n, 1)), ""
}

// redirect sends a client elsewhere, or away. It tells whether it has answered.
func (e *endpoint) redirect(w http.ResponseWriter, r *http.Request, version int) bool {
	if e.o.Redirect == nil {
		return false
	}
	url, token, err := e.o.Redirect(r)
	if err != nil {
		refuseNegotiation(w, e.refusal(err))
		return true
	}
	if url == "" {
		return false
	}
	writeJSON(w, http.StatusOK, negotiation{NegotiateVersion: version, URL: url, AccessToken: token, AvailableTransports: []available{}})
	return true
}

// refuseNegotiation answers with nothing but an error, which clients report.
func refuseNegotiation(w http.ResponseWriter, why string) {
	writeJSON(w, http.StatusOK, map[string]string{"error": why})
}

// refusal words an error of Options.Redirect, or logs what clients must not
// see.
func (e *endpoint) refusal(err error) string {
	var meant *parley.Error
	if errors.As(err, &meant) {
		return meant.Message
	}
	e.log.Error("signalr: Redirect failed", "error", err)
	return e.words.hidden("The server refused the connection.", "Exception", err.Error())
}

// offer lists the transports as negotiations answer them.
func offer(t Transports) []available {
	list := []available{}
	for _, one := range []Transports{WebSockets, ServerSentEvents, LongPolling} {
		if !t.has(one) {
			continue
		}
		if one == ServerSentEvents {
			list = append(list, available{one.String(), []string{"Text"}})
			continue
		}
		list = append(list, available{one.String(), []string{"Text", "Binary"}})
	}
	return list
}

// writeJSON answers with v. Clients take no negotiation but with status 200.
func writeJSON(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // strings and numbers, which always can be written
	data := bytes.TrimSuffix(body.Bytes(), []byte("\n"))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	w.Write(data) // a client that has gone needs no answer
}
