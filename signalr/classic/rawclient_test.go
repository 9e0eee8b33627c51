package classic

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/parley-go/parley/websocket"
)

// rawClient is a client over real sockets that keeps to the protocol and leaves
// nothing out, for tests that ask it to break off anywhere.
type rawClient struct {
	base string // such as http://127.0.0.1:4711/signalr
	data string // connectionData
	http *http.Client
	id   string // the public one

	token, cursor, groups string
}

// rawEnvelope is what a server sends: an envelope, or a result that stands by itself.
type rawEnvelope struct {
	C *string
	S int
	M []json.RawMessage
	G *string
	T int
	rawAnswer
}

// rawAnswer is the result of a call, or how far it has come.
type rawAnswer struct {
	I *string
	R json.RawMessage
	E *string
	P *struct {
		I string
		D json.RawMessage
	}
}

// rawCall is what either side calls.
type rawCall struct {
	H, M string
	A    []json.RawMessage
	I    string `json:",omitempty"`
}

// rawStream brings envelopes, by one transport.
type rawStream interface {
	next() (*rawEnvelope, error)
	close()
}

var errStatus = errors.New("refused")

// ask requests one of the verbs and returns the body of a 200.
func (c *rawClient) ask(ctx context.Context, method, verb, transport string, form url.Values) (string, error) {
	res, err := c.request(ctx, method, verb, transport, form)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func (c *rawClient) request(ctx context.Context, method, verb, transport string, form url.Values) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url(verb, transport), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return nil, fmt.Errorf("%w: %s %s: %d %.200s", errStatus, transport, verb, res.StatusCode, body)
	}
	return res, nil
}

func (c *rawClient) url(verb, transport string) string {
	q := url.Values{"clientProtocol": {"2.1"}, "connectionData": {c.data}}
	if transport != "" {
		q.Set("transport", transport)
		q.Set("connectionToken", c.token)
		if transport == "foreverFrame" {
			q.Set("frameId", "7")
		}
	}
	if c.cursor != "" && verb == "reconnect" && transport != "longPolling" {
		q.Set("messageId", c.cursor)
		q.Set("groupsToken", c.groups)
	}
	return c.base + "/" + verb + "?" + q.Encode()
}

func (c *rawClient) negotiate(ctx context.Context) error {
	body, err := c.ask(ctx, "GET", "negotiate", "", nil)
	if err != nil {
		return err
	}
	var n struct{ ConnectionToken, ConnectionID string }
	if err := json.Unmarshal([]byte(body), &n); err != nil {
		return err
	}
	c.token, c.id = n.ConnectionToken, n.ConnectionID
	return nil
}

// open makes a stream: verb is connect or reconnect.
func (c *rawClient) open(ctx context.Context, verb, transport string) (rawStream, error) {
	switch transport {
	case "webSockets":
		conn, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(c.url(verb, transport), "http"), nil)
		if err != nil {
			return nil, err
		}
		return &socketStream{c: c, ctx: ctx, conn: conn}, nil
	case "longPolling":
		ctx, cancel := context.WithCancel(ctx)
		return &pollStream{c: c, ctx: ctx, cancel: cancel, verb: verb}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	res, err := c.request(ctx, "GET", verb, transport, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	s := &bodyStream{c: c, body: bufio.NewReader(res.Body), closer: res.Body, cancel: cancel, line: eventLine}
	if transport == "foreverFrame" {
		s.line = scriptLine
	}
	return s, nil
}

// start opens the first stream and waits until the server lets the client begin.
func (c *rawClient) start(ctx context.Context, transport string) (rawStream, error) {
	s, err := c.open(ctx, "connect", transport)
	if err != nil {
		return nil, err
	}
	for {
		e, err := s.next()
		if err != nil {
			s.close()
			return nil, err
		}
		if e.S == 1 {
			break
		}
	}
	if body, err := c.ask(ctx, "GET", "start", transport, nil); err != nil || !strings.Contains(body, "started") {
		s.close()
		return nil, errors.Join(fmt.Errorf("start: %q", body), err)
	}
	return s, nil
}

// send makes a call, by the stream of a WebSocket or by a POST.
func (c *rawClient) send(ctx context.Context, s rawStream, transport string, call *rawCall) error {
	text, err := json.Marshal(call)
	if err != nil {
		return err
	}
	if ws, ok := s.(*socketStream); ok {
		return ws.conn.Write(ctx, websocket.Message{Type: websocket.Text, Data: text})
	}
	body, err := c.ask(ctx, "POST", "send", transport, url.Values{"data": {string(text)}})
	if err == nil && body != "" {
		err = fmt.Errorf("send answered %q", body)
	}
	return err
}

func (c *rawClient) abort(ctx context.Context, transport string) error {
	_, err := c.ask(ctx, "POST", "abort", transport, nil)
	return err
}

// note takes over what the next stream needs to know.
func (c *rawClient) note(e *rawEnvelope) *rawEnvelope {
	if e.C != nil {
		c.cursor = *e.C
	}
	if e.G != nil {
		c.groups = *e.G
	}
	return e
}

func (c *rawClient) parse(text []byte) (*rawEnvelope, error) {
	var e rawEnvelope
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("%w: %.300q", err, text)
	}
	return c.note(&e), nil
}

// socketStream is a WebSocket.
type socketStream struct {
	c    *rawClient
	ctx  context.Context
	conn *websocket.Conn
}

func (s *socketStream) next() (*rawEnvelope, error) {
	m, err := s.conn.Read(s.ctx)
	if err != nil {
		return nil, err
	}
	return s.c.parse(m.Data)
}

func (s *socketStream) close() { s.conn.CloseNow() }

// bodyStream is a response that goes on: server-sent events, or a forever frame.
type bodyStream struct {
	c      *rawClient
	body   *bufio.Reader
	closer io.Closer
	cancel context.CancelFunc
	line   func(line []byte) (text []byte, is bool)
}

func (s *bodyStream) next() (*rawEnvelope, error) {
	for {
		line, err := s.body.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if text, is := s.line(bytes.TrimSpace(line)); is {
			return s.c.parse(text)
		}
	}
}

func (s *bodyStream) close() {
	s.cancel()
	s.closer.Close()
}

func eventLine(line []byte) ([]byte, bool) {
	text, is := bytes.CutPrefix(line, []byte("data: "))
	return text, is && string(text) != "initialized"
}

var script = regexp.MustCompile(`^<script>r\(c, (.*)\);</script>$`)

func scriptLine(line []byte) ([]byte, bool) {
	found := script.FindSubmatch(line)
	if found == nil || bytes.ContainsAny(found[1], "<>") {
		return nil, false
	}
	return found[1], true
}

// pollStream is one poll after the other.
type pollStream struct {
	c      *rawClient
	ctx    context.Context
	cancel context.CancelFunc
	verb   string // of the next one
}

func (s *pollStream) next() (*rawEnvelope, error) {
	verb := s.verb
	s.verb = "poll"
	form := url.Values{}
	if verb != "connect" {
		form = url.Values{"messageId": {s.c.cursor}, "groupsToken": {s.c.groups}}
	}
	body, err := s.c.ask(s.ctx, "POST", verb, "longPolling", form)
	if err != nil {
		return nil, err
	}
	return s.c.parse([]byte(strings.TrimSpace(body)))
}

func (s *pollStream) close() { s.cancel() }
