package classic

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/parley-go/parley"
)

// refused is an answer to a request that is refused.
type refused struct {
	status int
	text   string // Microsoft's sentence, where it has one
}

func (no *refused) answer(w http.ResponseWriter) {
	switch no.status {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", methods)
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(no.status)
	w.Write([]byte(no.text)) // a client that has gone needs no answer
}

var (
	noJSONP          = &refused{http.StatusForbidden, "Forbidden: JSONP is disabled."}
	badCallback      = &refused{http.StatusBadRequest, "The callback is not the name of a function."}
	badConnections   = &refused{http.StatusInternalServerError, "The connectionData is in the incorrect format."}
	tooManyHubs      = &refused{http.StatusInternalServerError, "There are too many hubs in the connectionData."}
	twiceHub         = &refused{http.StatusInternalServerError, "Duplicate Hub names found."}
	unauthenticated  = &refused{http.StatusUnauthorized, ""}
	forbidden        = &refused{http.StatusForbidden, ""}
	unknownTransport = &refused{http.StatusBadRequest, "Protocol error: Unknown transport."}
	noToken          = &refused{http.StatusBadRequest, "Protocol error: Missing connection token."}
	badToken         = &refused{http.StatusBadRequest, "The ConnectionId is in the incorrect format."}
	otherUser        = &refused{http.StatusForbidden, "Unrecognized user identity.  The user identity cannot change during an active SignalR connection."}
	noSocket         = &refused{http.StatusBadRequest, "Not a valid web socket request."}
	badFrame         = &refused{http.StatusBadRequest, "The supplied frameId is in the incorrect format."}
	badCursor        = &refused{http.StatusBadRequest, errCursor.Error()}
	full             = &refused{http.StatusServiceUnavailable, "There are too many connections."}
	leaving          = &refused{http.StatusServiceUnavailable, "The server is shutting down."}
	badMessage       = &refused{http.StatusInternalServerError, "The message could not be handled."}
	tooLong          = &refused{http.StatusRequestEntityTooLarge, ""}
	badMethod        = &refused{http.StatusMethodNotAllowed, ""}
)

// methods are what an endpoint answers.
const methods = "GET, POST, OPTIONS"

// checkCallback refuses a callback that is not wanted, or would be more than a name
// in a script.
func (e *endpoint) checkCallback(q *request) *refused {
	switch {
	case q.Method != http.MethodGet && q.Method != http.MethodPost && q.Method != http.MethodConnect: // CONNECT is an upgrade (RFC 8441)
		return badMethod
	case !q.query.Has("callback"):
		return nil
	case !e.o.EnableJSONP:
		return noJSONP
	case !validCallback(q.query.Get("callback")):
		return badCallback
	}
	return nil
}

// authorize finds the hubs that the request asks for, and may have.
func (e *endpoint) authorize(q *request) *refused {
	if e.raw != nil {
		q.hubs = []*served{e.raw}
		return e.keepAllowed(q)
	}
	data := q.query.Get("connectionData")
	if data == "" {
		return nil
	}
	if len(data) > 256*(e.o.MaxHubs+1) {
		return tooManyHubs
	}
	var asked []struct{ Name string } // encoding/json finds "name" as well
	if json.Unmarshal([]byte(data), &asked) != nil {
		return badConnections
	}
	if len(asked) > e.o.MaxHubs {
		return tooManyHubs
	}
	for _, a := range asked {
		h := e.hubs[strings.ToLower(a.Name)]
		if h == nil {
			return &refused{http.StatusInternalServerError, unresolvedHub(brief(a.Name))}
		}
		for _, other := range q.hubs {
			if other == h {
				return twiceHub
			}
		}
		q.hubs = append(q.hubs, h)
	}
	return e.keepAllowed(q)
}

// keepAllowed leaves out the hubs that the client may not have, unless that is all.
func (e *endpoint) keepAllowed(q *request) *refused {
	if e.o.Authorize == nil || len(q.hubs) == 0 {
		return nil
	}
	var allowed []*served
	for _, h := range q.hubs {
		if e.o.Authorize(q.Request, h.name) == nil {
			allowed = append(allowed, h)
		}
	}
	q.hubs = allowed
	if len(allowed) > 0 {
		return nil
	}
	return q.unwelcome()
}

// unwelcome refuses a client that may not have what it wants: it may be somebody who
// has not said so.
func (q *request) unwelcome() *refused {
	if q.user() == "" {
		return unauthenticated
	}
	return forbidden
}

// claim finds the connection that the request is for, or makes it.
func (e *endpoint) claim(q *request) (*connection, *farewell, *refused) {
	c, f, no := e.table.claim(q.id, func() *connection { return e.newConnection(q.id, q.until) })
	if c != nil && !c.welcomes(q) {
		return nil, nil, q.unwelcome()
	}
	return c, f, no
}

// welcomes tells whether the client may still have all the hubs at which it is,
// whichever of them the request names.
func (c *connection) welcomes(q *request) bool {
	allowed := c.endpoint.o.Authorize
	if allowed == nil {
		return true
	}
	c.mu.Lock()
	list := c.presences
	c.mu.Unlock()
	return !slices.ContainsFunc(list, func(p *presence) bool {
		return !slices.Contains(q.hubs, p.hub) && allowed(q.Request, p.hub.name) != nil
	})
}

// barred lists the hubs that the client may not have: also those that it does not
// ask for, as it may call them all the same.
func (e *endpoint) barred(q *request) (list []*served) {
	for _, h := range e.sorted {
		if e.o.Authorize != nil && !slices.Contains(q.hubs, h) && e.o.Authorize(q.Request, h.name) != nil {
			list = append(list, h)
		}
	}
	return list
}

// identify finds out whose connection the request is for.
func (e *endpoint) identify(q *request) *refused {
	if q.kind == 0 || !e.o.Transports.has(q.kind) && q.verb != "abort" { // some clients do not say there how they are connected
		return unknownTransport
	}
	token := q.query.Get("connectionToken")
	if token == "" {
		return noToken
	}
	id, user, until, ok := e.keys.open(token)
	switch {
	case !ok:
		return badToken
	case !strings.EqualFold(user, q.user()):
		return otherUser
	}
	q.id, q.until = id, never
	if !until.IsZero() {
		q.until = until.Sub(e.began)
	}
	return nil
}

// refusalOf is what an error of the application says to a client, if it is meant
// for that.
func (e *endpoint) refusalOf(err error, hidden string) string {
	var meant *parley.Error
	if errors.As(err, &meant) {
		return cmp.Or(meant.Message, hidden)
	}
	if e.o.DetailedErrors {
		return err.Error()
	}
	return hidden
}
