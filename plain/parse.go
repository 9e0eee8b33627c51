package plain

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// fields are the values of a message that this protocol knows, each as it lies
// in the message; nil where it is missing, or null and not the value.
type fields struct {
	typ                string
	id, name           []byte
	args, values       []byte
	value, data        []byte
	code, message      []byte
	reason, comingBack []byte
}

// Parse implements [wire.Protocol].
func (protocol) Parse(data []byte, m *wire.Message) error {
	if err := parse(data, m); err != nil {
		return err
	}
	if m.Kind == wire.StreamCall && m.ID == "" {
		return errors.New(`a stream needs an "id"`)
	}
	return nil
}

// parse is Parse of messages that may be given an ID later.
func parse(data []byte, m *wire.Message) error {
	f, err := readFields(data)
	if err != nil {
		return err
	}
	if err := f.readID(&m.ID); err != nil {
		return err
	}
	switch f.typ {
	case "call":
		return f.readCall(wire.Call, m)
	case "event":
		m.ID = ""
		return f.readCall(wire.Call, m)
	case "stream":
		return f.readCall(wire.StreamCall, m)
	case "result":
		return f.readValues(wire.Result, m)
	case "item":
		return f.readValues(wire.Item, m)
	case "error":
		return f.readError(m)
	case "end":
		m.Kind = wire.End
	case "cancel":
		m.Kind = wire.Cancel
	case "ping":
		m.Kind = wire.Ping
	case "pong":
		m.Kind = wire.Pong
	case "close":
		return f.readClose(m)
	}
	return nil // another type is for another version of this protocol
}

func readFields(data []byte) (f fields, err error) {
	if err := rawjson.Check(data); err != nil {
		return f, err
	}
	if rawjson.Kind(data) != '{' {
		return f, errors.New("the message is not a JSON object")
	}
	f.typ = "call"
	for name, value := range rawjson.Fields(data) {
		if string(name) == "type" {
			if err := readString("type", value, &f.typ); err != nil {
				return f, err
			}
		}
		if into := f.named(string(name)); into == &f.value || into != nil && string(value) != "null" {
			*into = value
		}
	}
	return f, nil
}

func (f *fields) named(name string) *[]byte {
	switch name {
	case "id":
		return &f.id
	case "name":
		return &f.name
	case "args":
		return &f.args
	case "value":
		return &f.value
	case "values":
		return &f.values
	case "data":
		return &f.data
	case "code":
		return &f.code
	case "message":
		return &f.message
	case "reason":
		return &f.reason
	case "reconnect":
		return &f.comingBack
	}
	return nil
}

// readID takes a string, or a number as the digits it is written in.
func (f *fields) readID(into *string) error {
	switch {
	case f.id == nil:
		return nil
	case f.id[0] == '-' || '0' <= f.id[0] && f.id[0] <= '9':
		*into = string(f.id)
		return nil
	case f.id[0] != '"':
		return errors.New(`"id" is neither a string nor a number`)
	}
	return readString("id", f.id, into)
}

func (f *fields) readCall(kind wire.Kind, m *wire.Message) (err error) {
	m.Kind = kind
	if f.name == nil {
		return errors.New(`a call needs a "name"`)
	}
	if err := readString("name", f.name, &m.Name); err != nil {
		return err
	}
	m.Args.Values, err = readList("args", f.args)
	return err
}

func (f *fields) readValues(kind wire.Kind, m *wire.Message) (err error) {
	m.Kind = kind
	if f.value != nil {
		m.Args.Values = [][]byte{f.value}
		return nil
	}
	m.Args.Values, err = readList("values", f.values)
	return err
}

func (f *fields) readError(m *wire.Message) error {
	m.Kind, m.Err = wire.Result, &wire.Error{Code: wire.CodeFailed, Data: f.data}
	return errors.Join(
		readString("code", f.code, &m.Err.Code),
		readString("message", f.message, &m.Err.Message))
}

func (f *fields) readClose(m *wire.Message) (err error) {
	m.Kind, m.Bye.Code = wire.Close, 1000
	if f.code != nil {
		if m.Bye.Code, err = strconv.Atoi(string(f.code)); err != nil {
			return errors.New(`"code" is not a whole number`)
		}
	}
	m.Bye.Failed = m.Bye.Code != 1000 && m.Bye.Code != 1001
	m.Bye.Reconnect = string(f.comingBack) == "true"
	return readString("reason", f.reason, &m.Bye.Reason)
}

// readString reads a string, if there is one.
func readString(name string, value []byte, into *string) error {
	s, ok := rawjson.String(value)
	switch {
	case ok:
		*into = s
	case value != nil:
		return fmt.Errorf("%q is not a string", name)
	}
	return nil
}

// readList splits an array into its elements, if there is one.
func readList(name string, value []byte) (list [][]byte, err error) {
	if value == nil {
		return nil, nil
	}
	if value[0] != '[' {
		return nil, fmt.Errorf("%q is not an array", name)
	}
	for element := range rawjson.Elements(value) {
		list = append(list, element)
	}
	return list, nil
}
