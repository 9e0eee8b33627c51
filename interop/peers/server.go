package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley/websocket"
)

// Server is our end of conversations with peers that connect.
type Server struct {
	http *httptest.Server

	mu    sync.Mutex
	plans map[string]*expected // by ID
}

// expected is a conversation to come, or under way.
type expected struct {
	plan  Plan
	begun bool
	done  chan error
}

// NewServer serves on a free port of this machine, with TLS and HTTP/2 if it is to
// be secure. Its certificate is nobody's. It must be closed.
func NewServer(secure bool) *Server {
	s := &Server{plans: make(map[string]*expected)}
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // a browser tries, frowns at the certificate, and comes back
	if secure {
		s.http.EnableHTTP2 = true
		s.http.StartTLS()
		return s
	}
	s.http.Start()
	return s
}

// Close stops listening.
func (s *Server) Close() { s.http.Close() }

// Expect returns the URL at which the peer finds the conversation, once.
func (s *Server) Expect(p Plan) (url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plans[p.ID] = &expected{plan: p, done: make(chan error, 1)}
	return "ws" + strings.TrimPrefix(s.http.URL, "http") + "/talk?" + p.query()
}

// Outcome waits for the end of a conversation that was expected, and says how it
// was at our end. The peer must have come by now.
func (s *Server) Outcome(p Plan) error {
	s.mu.Lock()
	e := s.plans[p.ID]
	delete(s.plans, p.ID)
	s.mu.Unlock()
	if !e.begun {
		return errors.New("our end: nobody came")
	}
	if err := <-e.done; err != nil {
		return fmt.Errorf("our end: %w", err)
	}
	return nil
}

// ServeHTTP has the conversation the URL names. There is also an empty page, from
// which browsers may connect.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" {
		w.Header().Set("Content-Type", "text/html")
		return
	}
	e := s.begin(r.URL.Query().Get("id"))
	if e == nil {
		http.Error(w, "no such conversation", http.StatusNotFound)
		return
	}
	e.done <- e.plan.accept(w, r)
}

func (s *Server) begin(id string) *expected {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.plans[id]
	if e == nil || e.begun {
		return nil
	}
	e.begun = true
	return e
}

func (p Plan) accept(w http.ResponseWriter, r *http.Request) error {
	if p.HTTP2 != (r.ProtoMajor == 2) {
		http.Error(w, "another version of HTTP was expected", http.StatusHTTPVersionNotSupported)
		return fmt.Errorf("the peer came by %s", r.Proto)
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errPatience)
	defer cancel()
	var stats websocket.Stats
	o := &websocket.AcceptOptions{Compression: p.Compression, Limits: limits, Stats: &stats}
	if err := p.serve(ctx, w, r, o); err != nil {
		return err
	}
	return p.checkStats(&stats)
}

func (p Plan) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, o *websocket.AcceptOptions) error {
	if p.Way == ByHandler {
		e := p.newEvents()
		c, err := e.handler(o).Accept(w, r)
		if err != nil {
			return err
		}
		return e.wait(ctx, c)
	}
	c, err := websocket.Accept(w, r, o)
	if err != nil {
		return err
	}
	return p.talk(ctx, c)
}

// patience bounds a conversation, to end one that stands still.
const patience = 10 * time.Minute

var errPatience = errors.New("the conversation stands still")
