package forwarded

import (
	"net/netip"
	"strings"
)

// forElement reads an element of Forwarded, whose parameter "for" has the address
// (RFC 7239 §4 and §6): for=192.0.2.43, for="[2001:db8::17]:4711". An obfuscated address
// or "unknown" is none.
func forElement(s string) (addr netip.AddrPort, ok bool) {
	for found := false; s != ""; {
		name, value, rest, wellFormed := parameter(s)
		if !wellFormed {
			return netip.AddrPort{}, false
		}
		if s = rest; !strings.EqualFold(name, "for") {
			continue
		}
		if found { // RFC 7239 §4: "Each parameter MUST NOT occur more than once"
			return netip.AddrPort{}, false
		}
		found = true
		if at := strings.LastIndex(value, ":_"); at >= 0 { // §6.3: an obfuscated port
			value = value[:at]
		}
		addr, ok = element(value)
	}
	return addr, ok
}

// parameter reads name=value at the start of an element, and the semicolon behind it.
func parameter(s string) (name, value, rest string, ok bool) {
	name, s, ok = strings.Cut(s, "=")
	if !ok {
		return "", "", "", false
	}
	if strings.HasPrefix(s, `"`) {
		if value, s, ok = quotedString(s[1:]); !ok {
			return "", "", "", false
		}
		s = trim(s)
		if s != "" && s[0] != ';' {
			return "", "", "", false
		}
		return trim(name), value, strings.TrimPrefix(s, ";"), true
	}
	value, rest, _ = strings.Cut(s, ";")
	return trim(name), trim(value), rest, !strings.Contains(value, `"`)
}

// quotedString reads up to the closing quote (RFC 9110 §5.6.4).
func quotedString(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
