package classic

import (
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/parley-go/parley"
)

// request is a request, and what it says.
type request struct {
	*http.Request
	query url.Values
	form  url.Values    // of the body; nil before it is read
	verb  string        // the last segment of the path, in lower case
	kind  Transports    // 0: unknown
	id    string        // of the connection, from its token
	until time.Duration // when that ends, on the endpoint's clock
	hubs  []*served     // that it asks for, and may have
}

func newRequest(r *http.Request) *request {
	query, _ := url.ParseQuery(r.URL.RawQuery) // as far as it can be read, like net/http
	whole := strings.TrimRight(r.URL.Path, "/")
	return &request{
		Request: r,
		query:   query,
		verb:    strings.ToLower(whole[strings.LastIndexByte(whole, '/')+1:]),
		kind:    transports[strings.ToLower(query.Get("transport"))],
	}
}

var transports = map[string]Transports{
	"websockets":       WebSockets,
	"serversentevents": ServerSentEvents,
	"foreverframe":     ForeverFrame,
	"longpolling":      LongPolling,
}

// param is a parameter of the query or else of the form: clients that poll put
// theirs into either.
func (q *request) param(name string) string {
	if q.query.Has(name) {
		return q.query.Get(name)
	}
	return q.form.Get(name)
}

// base is the path of the endpoint, from that of a request to a part of it.
func (q *request) base(o *Options) string {
	if o.Path != "" {
		return strings.TrimRight(o.Path, "/")
	}
	base := path.Clean("/" + q.URL.Path)
	return strings.TrimRight(base[:strings.LastIndexByte(base, '/')], "/")
}

// version is a version of the protocol.
type version struct{ major, minor int }

func (v version) less(than version) bool {
	return v.major < than.major || v.major == than.major && v.minor < than.minor
}

func (v version) String() string { return strconv.Itoa(v.major) + "." + strconv.Itoa(v.minor) }

var (
	oldest      = version{1, 2}
	newest      = version{2, 0}
	asksToStart = version{1, 4} // since then, clients ask for the start
	redirects   = version{2, 0} // likewise, they may be sent elsewhere, and be told to stop
)

// speaks is the version that client and server speak: what the client says,
// between the oldest and the newest that is known here. What is no version counts
// as the oldest.
func (q *request) speaks() version {
	v, ok := parseVersion(q.query.Get("clientProtocol"))
	switch {
	case !ok || v.less(oldest):
		return oldest
	case newest.less(v):
		return newest
	}
	return v
}

// parseVersion reads two to four numbers with dots between them, as .NET does.
func parseVersion(s string) (v version, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) < 2 || len(parts) > 4 {
		return v, false
	}
	var numbers [4]int
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return v, false
		}
		numbers[i] = int(n)
	}
	return version{numbers[0], numbers[1]}, true
}

// Token returns the bearer token of a request to an endpoint, or "": that of
// the Authorization header, else the access_token of the query, which pages use
// where they cannot set headers. Middleware calls it, as [parley.Conn.Request] no
// longer has the query's.
func Token(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); token != "" && strings.EqualFold(scheme, "Bearer") {
		return token
	}
	return r.URL.Query().Get("access_token")
}

// secrets are parameters of a query that nobody else is to see.
var secrets = []string{"connectionToken", "groupsToken", "access_token"}

// discreet is the request without its secrets and its body, for the hub.
func (q *request) discreet() *http.Request {
	var kept []string
	for part := range strings.SplitSeq(q.URL.RawQuery, "&") {
		key, _, _ := strings.Cut(part, "=")
		if name, err := url.QueryUnescape(key); err == nil && isSecret(name) {
			continue
		}
		kept = append(kept, part)
	}
	copied, at := *q.Request, *q.URL
	at.RawQuery = strings.Join(kept, "&")
	copied.URL, copied.RequestURI, copied.Body = &at, at.RequestURI(), http.NoBody
	return &copied
}

func isSecret(name string) bool {
	for _, secret := range secrets {
		if strings.EqualFold(name, secret) {
			return true
		}
	}
	return false
}

// user is who makes the request.
func (q *request) user() string { return parley.UserOf(q.Context()) }
