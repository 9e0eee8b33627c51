package parleytest

import (
	"bytes"
	"encoding/json"

	"github.com/parley-go/parley/wire"
)

// Protocol is how clients in memory talk: each message as one JSON object. It
// has words for everything a wire.Message can say.
var Protocol wire.Protocol = protocol{}

type protocol struct{}

type message struct {
	Kind wire.Kind
	ID   string            `json:",omitempty"`
	Name string            `json:",omitempty"`
	Args []json.RawMessage `json:",omitempty"`
	Err  *failure          `json:",omitempty"`
	Bye  *wire.Goodbye     `json:",omitempty"`

	Streams []string          `json:",omitempty"`
	Headers map[string]string `json:",omitempty"`
}

type failure struct {
	Code, Message, Type string
	Data                json.RawMessage `json:",omitempty"`
}

func (protocol) Name() string      { return "memory" }
func (protocol) Codec() wire.Codec { return wire.JSON }
func (protocol) Binary() bool      { return false }

func (protocol) Append(dst []byte, m *wire.Message) ([]byte, error) {
	if m.Kind == 0 || m.Kind > wire.Close {
		return dst, nil
	}
	out := message{Kind: m.Kind, ID: m.ID, Name: m.Name, Streams: m.Streams, Headers: m.Headers}
	for _, v := range m.Args.Values {
		out.Args = append(out.Args, v)
	}
	if e := m.Err; e != nil {
		out.Err = &failure{e.Code, e.Message, e.Type, e.Data}
	}
	if m.Kind == wire.Close {
		out.Bye = &m.Bye
	}
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false) // values go in as they are
	err := enc.Encode(&out)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

func (protocol) Parse(data []byte, m *wire.Message) error {
	var in message
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	m.Kind, m.ID, m.Name, m.Streams, m.Headers = in.Kind, in.ID, in.Name, in.Streams, in.Headers
	for _, v := range in.Args {
		m.Args.Values = append(m.Args.Values, v)
	}
	if e := in.Err; e != nil {
		m.Err = &wire.Error{Code: e.Code, Message: e.Message, Type: e.Type, Data: e.Data}
	}
	if in.Bye != nil {
		m.Bye = *in.Bye
	}
	return nil
}
