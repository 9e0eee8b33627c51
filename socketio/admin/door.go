package admin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
)

// credentials is what a page gives as its auth.
type credentials struct {
	Username  string `json:"username"`
	Password  string `json:"password"`
	SessionID string `json:"sessionId"`
}

var errCredentials = &parley.Error{Code: "unauthorized", Message: "invalid credentials"} // the page knows this sentence

// connected lets a page in.
func (a *Admin) connected(ctx context.Context, c *parley.Conn) error {
	var given credentials
	json.Unmarshal(socketio.Auth(c), &given) // what cannot be read is not known either
	if !a.keys.valid(given.SessionID) {
		if !a.check(ctx, given.Username, given.Password) {
			wait(ctx, failurePause)
			return errCredentials
		}
		if err := c.Send(ctx, "session", a.keys.add()); err != nil {
			return err
		}
	}
	if err := c.Send(ctx, "config", map[string]any{"supportedFeatures": a.features()}); err != nil {
		return err
	}
	a.present.Add(1) // first: what happens meanwhile is told twice rather than never
	if a.o.Quiet {
		return nil
	}
	err := c.Send(ctx, "all_sockets", a.everyone())
	if err != nil {
		a.present.Add(-1)
	}
	return err
}

func (a *Admin) check(ctx context.Context, username, password string) bool {
	if a.o.Check != nil {
		return a.o.Check(ctx, username, password)
	}
	user := subtle.ConstantTimeCompare([]byte(username), []byte(a.o.Username))
	return user&subtle.ConstantTimeCompare([]byte(password), []byte(a.o.Password)) == 1
}

func (a *Admin) features() []string {
	features := []string{"AGGREGATED_EVENTS"}
	if !a.o.ReadOnly {
		features = append(features, "EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT")
	}
	if !a.o.Quiet {
		features = append(features, "ALL_EVENTS")
	}
	return features
}

// failurePause is how long a wrong password is thought about.
const failurePause = time.Second

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// keys are what pages that have shown their password once may show in its place.
// The zero value is ready.
type keys struct {
	mu    sync.Mutex
	until map[string]time.Time
}

const (
	maxKeys = 1000
	keyAge  = 24 * time.Hour
)

func (k *keys) add() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, oldest := time.Now(), ""
	for key, until := range k.until {
		if until.Before(now) {
			delete(k.until, key)
			continue
		}
		if oldest == "" || until.Before(k.until[oldest]) {
			oldest = key
		}
	}
	if len(k.until) >= maxKeys {
		delete(k.until, oldest)
	}
	if k.until == nil {
		k.until = make(map[string]time.Time)
	}
	key := rand.Text()
	k.until[key] = now.Add(keyAge)
	return key
}

func (k *keys) valid(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.until[key].After(time.Now())
}
