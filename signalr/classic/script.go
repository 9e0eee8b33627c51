package classic

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// appendScript appends JSON so that it may stand in a script: in an HTML page it
// does not end the script, and in old JavaScript no line.
func appendScript(dst, json []byte) []byte {
	for {
		i := bytes.IndexFunc(json, unscriptable)
		if i < 0 {
			return append(dst, json...)
		}
		r, size := utf8.DecodeRune(json[i:])
		dst = append(append(dst, json[:i]...), scripted(r)...)
		json = json[i+size:]
	}
}

func unscriptable(r rune) bool { return scripted(r) != "" }

// scripted is the escape of what must not stand in a script as it is; empty for
// all else. In JSON these stand in strings only.
func scripted(r rune) string {
	switch r {
	case '<':
		return `\u003c`
	case '>':
		return `\u003e`
	case '&':
		return `\u0026`
	case '\u2028':
		return `\u2028`
	case '\u2029':
		return `\u2029`
	}
	return ""
}

// maxCallback bounds the name of a JSONP function, in bytes.
const maxCallback = 200

// validCallback tells whether name may be called by a script that goes to a page:
// identifiers of ASCII letters, digits, $ and _, with dots between them. All else
// could be a script of somebody's own.
func validCallback(name string) bool {
	if len(name) > maxCallback {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		if !isIdentifier(part) {
			return false
		}
	}
	return true
}

func isIdentifier(s string) bool {
	for i := range len(s) {
		switch b := s[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b == '$', b == '_':
		case b >= '0' && b <= '9' && i > 0:
		default:
			return false
		}
	}
	return s != "" && !isReserved(s)
}

// isReserved tells whether s is a word that no function is named (ECMA-262 §12.7.2),
// strict mode and the global constants included.
//
//house:table
func isReserved(s string) bool {
	switch s {
	case "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do",
		"else", "enum", "export", "extends", "false", "finally", "for", "function", "if", "implements", "import",
		"in", "instanceof", "interface", "let", "new", "null", "package", "private", "protected", "public",
		"return", "static", "super", "switch", "this", "throw", "true", "try", "typeof", "var", "void", "while",
		"with", "yield", "NaN", "Infinity", "undefined":
		return true
	}
	return false
}
