package signalr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/parley-go/parley/internal/transport"
)

// endpointOf reads the address of a server.
func endpointOf(address string) (*url.URL, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, errors.Unwrap(err) // without the address, which may hold a secret
	}
	at.Scheme = strings.Replace(at.Scheme, "ws", "http", 1)
	if at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return nil, errors.New("the address needs a scheme, http or https, and a host")
	}
	at.Fragment = ""
	return at, nil
}

// withQuery is at with one more parameter; the query stays as it was written.
func withQuery(at *url.URL, name, value string) *url.URL {
	to := *at
	if to.RawQuery != "" {
		to.RawQuery += "&"
	}
	to.RawQuery += name + "=" + url.QueryEscape(value)
	return &to
}

// asks is at with a parameter, unless it has it already.
func asks(at *url.URL, name, value string) *url.URL {
	if at.Query().Has(name) {
		return at
	}
	return withQuery(at, name, value)
}

// offered is what a server may answer to a negotiation.
type offered struct {
	negotiation
	Error           string          `json:"error"`
	ProtocolVersion json.RawMessage `json:"ProtocolVersion"`
}

// token is what the connection is opened with.
func (n *offered) token() string {
	if n.NegotiateVersion < 1 {
		return n.ConnectionID
	}
	return n.ConnectionToken
}

const (
	maxHops  = 100
	hopLimit = "Negotiate redirection limit exceeded." // as other clients say
)

// negotiate asks for a new connection, wherever the server leads to.
func (v *visit) negotiate(ctx context.Context) (*offered, error) {
	for range maxHops {
		n, err := v.negotiateHere(ctx)
		if err != nil {
			return nil, fmt.Errorf("negotiation: %w", err)
		}
		if n.URL == "" {
			return n, nil
		}
		if err := v.follow(n); err != nil {
			return nil, fmt.Errorf("negotiation: redirect: %w", err)
		}
	}
	return nil, fmt.Errorf("negotiation: %s", hopLimit)
}

// follow goes where the server leads to. A token that it gives takes the place
// of the client's.
func (v *visit) follow(n *offered) error {
	to, err := url.Parse(n.URL)
	if err != nil {
		return errors.Unwrap(err)
	}
	from := v.at
	if v.at, err = endpointOf(from.ResolveReference(to).String()); err != nil {
		return err
	}
	if from.Scheme == "https" && v.at.Scheme == "http" {
		return errors.New("it leads from https to http")
	}
	if n.AccessToken != "" {
		v.factory = nil
		v.setToken(n.AccessToken)
	}
	return nil
}

func (v *visit) negotiateHere(ctx context.Context) (*offered, error) {
	if err := v.ask(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, v.o.RequestTimeout)
	defer cancel()
	to := *v.at
	to.Path = strings.TrimSuffix(to.Path, "/") + "/negotiate"
	if to.RawPath != "" {
		to.RawPath = strings.TrimSuffix(to.RawPath, "/") + "/negotiate"
	}
	url := asks(&to, "negotiateVersion", "1")
	if v.o.StatefulReconnect {
		url = asks(url, "useStatefulReconnect", "true")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := v.send(v.o.HTTPClient, req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	n, err := readOffer(resp)
	if err == nil && n.UseStatefulReconnect && !v.o.StatefulReconnect {
		err = errors.New("the server grants a stateful reconnect that was not asked for")
	}
	return n, err
}

func readOffer(resp *http.Response) (*offered, error) {
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, errors.New("the server answered 404 Not Found: there is no SignalR endpoint, or a proxy in front of it")
	default:
		return nil, fmt.Errorf("the server answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	const limit = 64 << 10 // of an answer, which has some hundred bytes
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if len(body) > limit {
		return nil, fmt.Errorf("the answer has more than %d bytes", limit)
	}
	var n offered
	if err := json.Unmarshal(body, &n); err != nil {
		return nil, fmt.Errorf("the answer is none: %w", err)
	}
	return &n, n.check()
}

func (n *offered) check() error {
	switch {
	case n.Error != "":
		return errors.New(n.Error)
	case len(n.ProtocolVersion) > 0 && string(n.ProtocolVersion) != "null":
		return errors.New("the server speaks the older protocol of ASP.NET SignalR, which this client does not: " +
			"it knows that of ASP.NET Core SignalR")
	case n.URL == "" && n.token() == "":
		return errors.New("the answer names no connection")
	}
	return nil
}

// negotiated opens the first of the offered transports that works. Each that
// was tried has used up its negotiation.
func (v *visit) negotiated(ctx context.Context) error {
	n, err := v.negotiate(ctx)
	if err != nil {
		return err
	}
	var failed failures
	var tried []string
	for _, way := range n.AvailableTransports {
		if slices.Contains(tried, way.Transport) {
			continue
		}
		tried = append(tried, way.Transport)
		kind, err := v.usable(&way)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if n == nil {
			if n, err = v.negotiate(ctx); err != nil {
				return errors.Join(failed, err)
			}
		}
		v.stateful = n.UseStatefulReconnect && kind == WebSockets
		err = v.start(ctx, kind, withQuery(v.at, "id", n.token()))
		if err == nil || ctx.Err() != nil {
			return err
		}
		failed = append(failed, fmt.Errorf("%s: %w%s", kind, err, unknownHere(err)))
		n = nil
	}
	if failed == nil {
		return errors.New("the server offers no transport")
	}
	return failed
}

// unknownHere adds what a 404 means right after a negotiation.
func unknownHere(err error) string {
	var refused *transport.StatusError
	if errors.As(err, &refused) && refused.Code == http.StatusNotFound {
		return " (several servers behind one address need sticky sessions)"
	}
	return ""
}

// usable finds a transport, or tells why it is not tried.
func (v *visit) usable(way *available) (Transports, error) {
	format := "Text"
	if v.speaks.Binary() {
		format = "Binary"
	}
	for _, kind := range []Transports{WebSockets, ServerSentEvents, LongPolling} {
		if kind.String() != way.Transport {
			continue
		}
		if !v.o.Transports.has(kind) {
			return 0, fmt.Errorf("%s: not among the client's transports", kind)
		}
		if !slices.Contains(way.TransferFormats, format) {
			return 0, fmt.Errorf("%s: does not carry the transfer format %s", kind, format)
		}
		return kind, nil
	}
	return 0, fmt.Errorf("%.30q: not known", way.Transport)
}

// failures are why no transport could be opened.
type failures []error

// Error lists them.
func (f failures) Error() string {
	texts := make([]string, len(f))
	for i, err := range f {
		texts[i] = err.Error()
	}
	return "no transport could be opened: " + strings.Join(texts, "; ")
}

// Unwrap returns them.
func (f failures) Unwrap() []error { return f }
