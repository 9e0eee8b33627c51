package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/parley-go/parley/websocket"
)

// Server is our end of conversations with peers that connect.
type Server struct {
	server http.Server
	addr   string

	mu    sync.Mutex
	plans map[string]*expected // by ID
}

// expected is a conversation to come, or under way.
type expected struct {
	plan  Plan
	begun bool
	done  chan error
}

// NewServer serves on a free port of this machine. It must be closed.
func NewServer() (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{addr: listener.Addr().String(), plans: make(map[string]*expected)}
	s.server = http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go s.server.Serve(listener) // ends with Close
	return s, nil
}

// Close stops listening. Conversations go on.
func (s *Server) Close() error { return s.server.Close() }

// Expect returns the URL at which the peer finds the conversation, once.
func (s *Server) Expect(p Plan) (url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plans[p.ID] = &expected{plan: p, done: make(chan error, 1)}
	return fmt.Sprintf("ws://%s/talk?%s", s.addr, p.query())
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
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errPatience)
	defer cancel()
	return p.talk(ctx, c)
}

// patience bounds a conversation, to end one that stands still.
const patience = 10 * time.Minute

var errPatience = errors.New("the conversation stands still")
