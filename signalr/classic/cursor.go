package classic

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
)

// A cursor is what clients remember of the last message they have, and say when
// they come back. Like that of Microsoft's server it begins with "d-" and eight
// hexadecimal digits, the epoch. There it is that of a process, here of a
// connection at one. What follows is a position in the connection's log.

// newEpoch makes one up.
func newEpoch() string {
	var b [4]byte
	rand.Read(b[:]) // never fails: crypto/rand
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

func appendCursor(dst []byte, epoch string, position int64) []byte {
	dst = append(append(append(dst, "d-"...), epoch...), '-')
	return strconv.AppendInt(dst, position, 10)
}

const errCursor sentence = "The messageId is in the incorrect format."

// parseCursor reads a cursor. known is false for none, and for one of another
// epoch, whatever that looks like.
func parseCursor(s, epoch string) (position int64, known bool, err error) {
	if s == "" {
		return 0, false, nil
	}
	const lead = len("d-01234567-")
	if len(s) < lead || !strings.HasPrefix(s, "d-") || s[lead-1] != '-' || strings.Trim(s[2:lead-1], "0123456789abcdefABCDEF") != "" {
		return 0, false, errCursor
	}
	if s[2:lead-1] != epoch {
		return 0, false, nil
	}
	position, err = strconv.ParseInt(s[lead:], 10, 64)
	if err != nil || position < 0 || s[lead] == '+' {
		return 0, false, errCursor
	}
	return position, true, nil
}
