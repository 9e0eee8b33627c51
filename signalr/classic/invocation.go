package classic

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/parley-go/parley/internal/rawjson"
)

// invocation is a call of a client: {"H":"chathub","M":"Send","A":["hi"],"I":0}.
// What is raw points into the message it was read from.
type invocation struct {
	hub, method string // as the client writes them
	id          string // the client's number for the call, as text
	hasID       bool   // it wants an answer
	args        [][]byte
	state       []byte // an object, or nil
}

// What one invocation may hold, beside the bytes that the transport allows.
const (
	maxDepth     = 64   // brackets in brackets
	maxArguments = 1000 // no method has so many
	maxID        = 128  // bytes
	maxState     = 4096 // characters (UTF-16), as Microsoft's server counts
)

// stateTooLong is what Microsoft's server says.
const stateTooLong = "State has exceeded the maximum length of 4096 bytes."

// parseInvocation reads what a client calls. After an error the invocation still
// has its ID, if that could be read: the caller can be told.
func parseInvocation(data []byte) (in invocation, err error) {
	var f fields
	if err := f.read(data); err != nil {
		return in, err
	}
	if err := in.readID(f.id); err != nil {
		return in, err
	}
	if in.hub, err = text("H", f.hub); err != nil {
		return in, err
	}
	if in.method, err = text("M", f.method); err != nil {
		return in, err
	}
	if f.wrong != nil {
		return in, f.wrong
	}
	in.args = f.args
	in.state, err = stateOf(f.state)
	return in, err
}

// fields are the raw values of an invocation; nil where it has none.
type fields struct {
	hub, method, id, state []byte
	args                   [][]byte
	wrong                  error // what is wrong with A
}

// read finds the fields and checks that data is JSON. Names it does not know are
// ignored; of two with one name the last counts.
func (f *fields) read(data []byte) error {
	w := rawjson.Walk(data, maxDepth)
	if w.Kind() != '{' {
		if err := rawjson.Check(data); err != nil {
			return err
		}
		return errors.New("the message is not a JSON object")
	}
	for w.Open('{'); w.More('}'); {
		switch name := w.Name(); string(name) {
		case "H":
			f.hub = w.Value()
		case "M":
			f.method = w.Value()
		case "I":
			f.id = w.Value()
		case "S":
			f.state = w.Value()
		case "A":
			f.readArguments(&w)
		default:
			w.Value()
		}
	}
	return w.Err()
}

func (f *fields) readArguments(w *rawjson.Walker) {
	f.args, f.wrong = nil, nil
	if kind := w.Kind(); kind != '[' {
		if string(w.Value()) != "null" {
			f.wrong = errors.New("'A' is not an array")
		}
		return
	}
	for w.Open('['); w.More(']'); {
		value := w.Value()
		if len(f.args) == maxArguments {
			f.wrong = fmt.Errorf("the call has more than %d arguments", maxArguments)
			continue
		}
		if f.args == nil {
			const most = 4 // have no more than so many
			f.args = make([][]byte, 0, most)
		}
		f.args = append(f.args, value)
	}
}

// readID takes numbers, which the clients for JavaScript count, and strings, as
// those for .NET do. It is echoed as a string either way.
func (in *invocation) readID(raw []byte) error {
	if raw == nil || string(raw) == "null" {
		return nil
	}
	var id string
	switch kind := raw[0]; {
	case kind == '"':
		id, _ = rawjson.String(raw)
	case kind == '-' || kind >= '0' && kind <= '9':
		id = string(raw)
	default:
		return errors.New("'I' is neither a number nor a string")
	}
	if id == "" || len(id) > maxID {
		return fmt.Errorf("'I' has %d bytes", len(id))
	}
	in.id, in.hasID = id, true
	return nil
}

func text(name string, raw []byte) (string, error) {
	s, ok := rawjson.String(raw)
	if !ok || s == "" {
		return "", fmt.Errorf("'%s' is not a name", name)
	}
	return s, nil
}

func stateOf(raw []byte) ([]byte, error) {
	switch {
	case raw == nil || string(raw) == "null":
		return nil, nil
	case raw[0] != '{':
		return nil, errors.New("'S' is not an object")
	case characters(raw) > maxState:
		return nil, sentence(stateTooLong)
	}
	return raw, nil
}

// characters counts as JavaScript and .NET do.
func characters(s []byte) int {
	n := 0
	for len(s) > 0 {
		r, size := utf8.DecodeRune(s)
		if n++; r > 0xffff {
			n++
		}
		s = s[size:]
	}
	return n
}
