package socketio

import (
	"encoding/json"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/rawjson"
)

// recovery is the client's wish to be who it was, which comes in its auth and is
// taken out of it. Nil means that nobody is recovered.
func (s *space) recovery() *parley.Recover {
	if s.server.namespaces.keep == nil || s.revision() < 4 {
		return nil
	}
	r := &parley.Recover{}
	rest, pid, offset := cutRecovery(s.authJSON())
	s.auth, r.ID, r.Offset = string(rest), pid, offset
	return r
}

const noOffset = "?" // recovers nobody

// cutRecovery takes a client's secret, and the offset of the last event it has,
// out of the object that it has put them in beside the application's auth. Nil
// is left when there was nothing else.
func cutRecovery(auth json.RawMessage) (rest json.RawMessage, pid, offset string) {
	before := byte('{')
	for name, value := range rawjson.Fields(auth) {
		text, isText := rawjson.String(value)
		switch string(name) {
		case "pid":
			pid = text
			continue
		case "offset":
			if offset = text; !isText && string(value) != "null" {
				offset = noOffset
			}
			continue
		}
		rest = rawjson.AppendString(append(rest, before), string(name))
		rest = append(append(rest, ':'), value...)
		before = ','
	}
	if pid == "" { // what looks like it is the application's
		return auth, "", ""
	}
	if rest != nil {
		rest = append(rest, '}')
	}
	return rest, pid, offset
}
