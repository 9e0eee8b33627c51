package engineio

import (
	"bytes"
	"encoding/json"
	"net/url"
)

// JSONP is how pages poll in browsers without CORS (§3.1, j=n): the answer is a
// script, the POST a form.

// isIndex tells whether j is what a client calls itself: digits, for what it says
// becomes part of a script.
func isIndex(j string) bool {
	_, ok := parseLength([]byte(j), '0')
	return ok
}

// appendScript writes a payload as the script that hands it to client j.
func appendScript(dst, payload []byte, j string) []byte {
	text, _ := json.Marshal(string(payload)) // with U+2028 and 2029 escaped, and < > &; strings cannot fail
	dst = append(dst, "___eio["...)
	dst = append(dst, j...)
	dst = append(dst, "]("...)
	dst = append(dst, text...)
	return append(dst, ");"...)
}

// formPayload finds the payload in the form of a POST: field d.
func formPayload(form []byte) ([]byte, error) {
	fields, err := url.ParseQuery(string(form))
	if err != nil || len(fields["d"]) != 1 {
		return nil, errPayload
	}
	return unescapeNewlines([]byte(fields.Get("d"))), nil
}

// unescapeNewlines undoes what protects newlines from the browser: a newline is
// sent as \n, and what was \n has one backslash more.
func unescapeNewlines(data []byte) []byte {
	out := data[:0]
	for {
		i := bytes.Index(data, []byte(`\n`))
		if i < 0 {
			return append(out, data...)
		}
		if i > 0 && data[i-1] == '\\' {
			out = append(out, data[:i-1]...)
			out = append(out, `\n`...)
		} else {
			out = append(out, data[:i]...)
			out = append(out, '\n')
		}
		data = data[i+2:]
	}
}
