package classic

import (
	"fmt"
	"strings"

	"github.com/parley-go/parley/wire"
)

// sentence is an error in words that are for the client.
type sentence string

// Error implements error.
func (s sentence) Error() string { return string(s) }

// sentence words the failure of the call m answers as Microsoft's server does. It
// is meant for the caller if the method has said so: a HubException.
func (p hubProtocol) sentence(m *wire.Message) (said string, meant bool) {
	e := m.Err
	hub, method := p.called(m)
	switch {
	case e.Code == wire.CodeUnauthorized: // of middleware, which speaks for the hub
		return unauthorized(hub, method), false
	case !e.Hub:
		return e.Message, true
	}
	switch e.Code {
	case wire.CodeNotFound:
		return unresolved(method, "No method found with that name."), false
	case wire.CodeArguments:
		if candidate := candidate(method, e.Message); candidate != "" {
			return unresolved(method, "Potential candidates are: \n"+candidate), false
		}
	case wire.CodeStreaming:
		return fmt.Sprintf("'%s' answers with a stream, which this client cannot read.", method), false
	}
	said = fmt.Sprintf("There was an error invoking Hub method '%s.%s'.", hub, method)
	switch {
	case p.detailed && e.Detail != "":
		said = e.Detail
	case p.detailed:
		said = e.Message
	}
	return said, false
}

// called is what the caller has called, in its own words.
func (p hubProtocol) called(m *wire.Message) (hub, method string) {
	if bag, _ := m.Aside.(*Bag); bag != nil {
		return bag.hub, bag.method
	}
	return p.hub, m.Name
}

func unresolved(method, why string) string {
	return fmt.Sprintf("'%s' method could not be resolved. %s", method, why)
}

// candidate shows the method there is to a caller with another number of
// arguments; empty when message tells of another fault.
func candidate(method, message string) string {
	var sent, wanted int
	n, _ := fmt.Sscanf(message, "call provides %d argument(s), handler expects %d", &sent, &wanted)
	if n != 2 {
		return ""
	}
	names := make([]string, wanted)
	for i := range names {
		names[i] = fmt.Sprintf("arg%d", i+1)
	}
	return method + "(" + strings.Join(names, ", ") + ")"
}

// unauthorized is what Microsoft's server says to who may not call a method, or
// have its hub.
func unauthorized(hub, method string) string {
	return fmt.Sprintf("Caller is not authorized to invoke the %s method on %s.", method, hub)
}

// unresolvedHub is what Microsoft's server says of a hub it does not know.
func unresolvedHub(name string) string { return fmt.Sprintf("'%s' Hub could not be resolved.", name) }
