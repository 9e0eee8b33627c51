package plain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// readMessages reads the body of a POST: messages of p one after another. On
// false it has answered r with an error.
func (e *endpoint) readMessages(w http.ResponseWriter, r *http.Request, p wire.Protocol) (messages [][]byte, ok bool) {
	body, err := transport.ReadBody(w, r, &e.http)
	if err == nil {
		messages, err = split(body, p)
	}
	switch {
	case errors.Is(err, transport.ErrTooLarge):
		writeError(w, http.StatusRequestEntityTooLarge, "too_large", err.Error())
	case errors.Is(err, transport.ErrBodyLate):
		writeError(w, http.StatusRequestTimeout, "timeout", err.Error())
	case err != nil:
		writeError(w, http.StatusBadRequest, "malformed", err.Error())
	}
	return messages, err == nil
}

// split cuts a body into messages, each of which p can parse.
func split(body []byte, p wire.Protocol) (messages [][]byte, err error) {
	values := json.NewDecoder(bytes.NewReader(body))
	for {
		var raw json.RawMessage
		err := values.Decode(&raw)
		if err == io.EOF {
			return messages, nil
		}
		if err == nil {
			err = p.Parse(raw, new(wire.Message))
		}
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", len(messages)+1, err)
		}
		messages = append(messages, raw)
	}
}
