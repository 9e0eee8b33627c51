package websocket

import (
	"errors"
	"iter"
	"strings"
)

// extension is one element of a Sec-WebSocket-Extensions header. Its parameters
// are kept as permessage-deflate knows them (RFC 7692 §7.1), whatever its name.
type extension struct {
	name string

	serverNoTakeover, clientNoTakeover bool

	// Window bits are 8–15; zero means that the parameter is absent, and
	// anyBits that it stands there without a value.
	serverBits, clientBits uint8

	// unacceptable: some parameter is unknown, comes twice or has a value it
	// must not have.
	unacceptable bool
}

const (
	deflateName = "permessage-deflate"
	anyBits     = 1
)

var errExtensions = errors.New("websocket: Sec-WebSocket-Extensions is malformed")

// extensions goes through the values of all Sec-WebSocket-Extensions headers,
// which count as one list (RFC 6455 §9.1), and ends after the first error. It
// looks at every byte once and keeps none of them, whatever stands there. Empty
// elements are passed over, as in every list (RFC 9110 §5.6.1).
func extensions(values []string) iter.Seq2[extension, error] {
	return func(yield func(extension, error) bool) {
		for _, value := range values {
			s := scanner{value}
			for s.skip(); s.rest != ""; s.skip() {
				if s.take(',') {
					continue
				}
				e, ok := s.extension()
				if !ok || s.rest != "" && !s.take(',') {
					yield(extension{}, errExtensions)
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// add notes a parameter. RFC 7692 §7.1: an element with a parameter that is
// unknown, comes twice or has an invalid value is not acceptable.
func (e *extension) add(name, value string, hasValue bool) {
	switch {
	case name == "server_no_context_takeover" && !hasValue && !e.serverNoTakeover:
		e.serverNoTakeover = true
	case name == "client_no_context_takeover" && !hasValue && !e.clientNoTakeover:
		e.clientNoTakeover = true
	case name == "server_max_window_bits" && hasValue && e.serverBits == 0:
		e.serverBits = e.bits(value)
	case name == "client_max_window_bits" && hasValue && e.clientBits == 0:
		e.clientBits = e.bits(value)
	case name == "client_max_window_bits" && !hasValue && e.clientBits == 0:
		e.clientBits = anyBits
	default:
		e.unacceptable = true
	}
}

// bits reads a decimal of 8–15 without leading zeros (RFC 7692 §7.1.2).
func (e *extension) bits(value string) uint8 {
	switch {
	case len(value) == 1 && (value[0] == '8' || value[0] == '9'):
		return value[0] - '0'
	case len(value) == 2 && value[0] == '1' && '0' <= value[1] && value[1] <= '5':
		return 10 + value[1] - '0'
	}
	e.unacceptable = true
	return 0
}

// scanner takes pieces off the front of a header's value.
type scanner struct{ rest string }

// skip passes over white space.
func (s *scanner) skip() { s.rest = strings.TrimLeft(s.rest, " \t") }

// take passes over white space and then c, if that is what comes next.
func (s *scanner) take(c byte) bool {
	s.skip()
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// token takes a token and the white space before it; it is empty if something
// else comes next.
func (s *scanner) token() string {
	s.skip()
	n := 0
	for n < len(s.rest) && isToken(s.rest[n:n+1]) {
		n++
	}
	token := s.rest[:n]
	s.rest = s.rest[n:]
	return token
}

// extension takes a name, its parameters and the white space behind them.
func (s *scanner) extension() (e extension, ok bool) {
	if e.name = s.token(); e.name == "" {
		return e, false
	}
	for s.take(';') {
		name, value, hasValue := s.token(), "", false
		if s.take('=') {
			value, hasValue = s.value(), true
		}
		if name == "" || hasValue && value == "" {
			return e, false
		}
		e.add(name, value, hasValue)
	}
	return e, true
}

// value takes a token or a quoted string, which without its quotes and escapes
// must be a token, too (RFC 6455 §9.1). It is empty if neither comes next.
func (s *scanner) value() string {
	if !s.take('"') {
		return s.token()
	}
	var value strings.Builder
	for i := 0; i < len(s.rest); i++ {
		c := s.rest[i]
		if c == '"' {
			s.rest = s.rest[i+1:]
			return value.String()
		}
		if c == '\\' && i+1 < len(s.rest) {
			i++
			c = s.rest[i]
		}
		if !isToken(string(rune(c))) {
			return ""
		}
		value.WriteByte(c)
	}
	return ""
}
