package parleytest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/parley-go/parley"
)

// Options says who dials. Nil means nobody in particular.
type Options struct {
	// User is who the client is, as by [parley.WithUser].
	User string
	// URL is that of the opening request; empty means "/".
	URL string
	// Header is that of the opening request.
	Header http.Header
	// Setup registers handlers on the client before it connects.
	Setup func(*parley.Client)
	// Client configures the client. It does not reconnect unless a Backoff is
	// set here.
	Client *parley.ClientOptions
}

// Dial connects a client to hub. It fails the test when that is not possible,
// and closes the client when the test ends. A hub that refuses the client may do so
// before Dial has returned: a test of that uses [New].
func Dial(t testing.TB, hub *parley.Hub, o *Options) *parley.Client {
	t.Helper()
	cl := New(hub, o)
	if err := cl.Connect(context.Background()); err != nil {
		t.Fatalf("parleytest: connect: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		cl.Close(ctx)
	})
	return cl
}

// New makes a client of hub that is not yet connected. Whoever connects it
// closes it.
func New(hub *parley.Hub, o *Options) *parley.Client {
	if o == nil {
		o = &Options{}
	}
	co := parley.ClientOptions{Reconnect: parley.Backoff{Off: true}}
	if o.Client != nil {
		co = *o.Client
	}
	cl := parley.NewClient(func(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
		return dial(ctx, cl, hub, o)
	}, &co)
	if o.Setup != nil {
		o.Setup(cl)
	}
	return cl
}

func dial(ctx context.Context, cl *parley.Client, hub *parley.Hub, o *Options) (*parley.Session, error) {
	r, err := o.request(ctx)
	if err != nil {
		return nil, err
	}
	there, here := newPair()
	remote, err := hub.NewSession(r, there, nil)
	if err != nil {
		return nil, err
	}
	local := cl.NewSession(here, nil)
	there.rcv, here.rcv = &end{remote}, &end{local}
	local.Open(&parley.Opening{Protocol: Protocol, KeepAlive: -1, IdleTimeout: -1})
	remote.Open(&parley.Opening{Protocol: Protocol, CallPrefix: "s"})
	there.start()
	here.start()
	return local, nil
}

func (o *Options) request(ctx context.Context) (*http.Request, error) {
	url := o.URL
	if url == "" {
		url = "/"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if o.Header != nil {
		r.Header = o.Header.Clone()
	}
	if o.User != "" {
		r = r.WithContext(parley.WithUser(r.Context(), o.User))
	}
	return r, nil
}

// end joins a session to its pipe.
type end struct{ *parley.Session }

func (e *end) Receive(data []byte, _ bool) { e.ReceiveData(data) }
