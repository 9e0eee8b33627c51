package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/parley-go/parley/wire"
)

// DialedEventStream is the client's side of an [EventStream]. Whoever makes it
// calls Start.
type DialedEventStream struct {
	posts
	body io.ReadCloser // owned by the reader
}

// DialEventStream opens an event stream of a server. ctx bounds the opening.
func DialEventStream(ctx context.Context, how *Requesting, o *Options) (*DialedEventStream, error) {
	p := &DialedEventStream{}
	p.init(how, o)
	defer context.AfterFunc(ctx, p.cancel)()
	resp, err := p.request(p.ctx, http.MethodGet, nil, "Accept", "text/event-stream")
	if err == nil {
		err = isEventStream(resp)
	}
	if err != nil {
		p.cancel()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	p.body = resp.Body
	return p, nil
}

func isEventStream(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return &StatusError{Code: resp.StatusCode}
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "text/event-stream" {
		return errors.New("transport: the server answered with something else than an event stream")
	}
	return nil
}

// Start hands what comes in to rcv from now on. It returns at once.
func (p *DialedEventStream) Start(rcv wire.Receiver) { p.start(rcv, p.read) }

// Transport implements [wire.Pipe].
func (p *DialedEventStream) Transport() string { return "sse" }

// read hands up the events. An end in good order is a goodbye.
func (p *DialedEventStream) read() error {
	defer p.body.Close()
	events := eventReader{r: bufio.NewReader(p.body), limit: int(orDefault(p.o.MaxMessageBytes, 1<<20))}
	for {
		data, err := events.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("transport: event stream: %w", err)
		}
		if !p.wait(p.ctx.Done()) {
			return nil
		}
		p.rcv.Receive(data, false)
	}
}

// eventReader reads an event stream (WHATWG HTML §9.2.6).
type eventReader struct {
	r     *bufio.Reader
	limit int  // of one event, and of one line
	cr    bool // the last line ended with a carriage return, to which a line feed may belong
}

// next returns the data of the next event of the default type.
func (e *eventReader) next() ([]byte, error) {
	var data []byte
	some, other := false, false
	for {
		line, err := e.line()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			if some && !other {
				return data, nil
			}
			data, some, other = nil, false, false
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			other = len(value) > 0 && string(value) != "message"
		case "data":
			if some {
				data = append(data, '\n')
			}
			some = true
			if data = append(data, value...); len(data) > e.limit {
				return nil, e.tooLong("event")
			}
		}
	}
}

// line returns the next line, which a carriage return, a line feed or both
// have ended.
func (e *eventReader) line() ([]byte, error) {
	var line []byte
	for {
		if _, err := e.r.Peek(1); err != nil {
			return nil, err
		}
		have, _ := e.r.Peek(e.r.Buffered())
		if e.cr && have[0] == '\n' {
			e.r.Discard(1)
			e.cr = false
			continue
		}
		e.cr = false
		n := bytes.IndexAny(have, "\r\n")
		if n >= 0 {
			e.cr = have[n] == '\r'
			line = append(line, have[:n]...)
			e.r.Discard(n + 1)
		} else {
			line = append(line, have...)
			e.r.Discard(len(have))
		}
		if len(line) > e.limit {
			return nil, e.tooLong("line")
		}
		if n >= 0 {
			return line, nil
		}
	}
}

func (e *eventReader) tooLong(what string) error {
	return fmt.Errorf("the %s has more than %d bytes", what, e.limit)
}
