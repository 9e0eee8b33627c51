package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// ErrTooLarge means a body over the limit; answer it with 413.
var ErrTooLarge = errors.New("transport: body too large")

// ErrBodyLate means a body that did not come in time; answer it with 408.
var ErrBodyLate = errors.New("transport: body not sent in time")

const bodyTimeout = 30 * time.Second // for a whole body

// ReadBody reads the body of a POST, at most MaxMessageBytes of it and for at
// most 30 s. The error wraps ErrTooLarge, ErrBodyLate, or is that of the
// client's connection; nothing has been answered.
func ReadBody(w http.ResponseWriter, r *http.Request, o *Options) ([]byte, error) {
	limit := o.maxMessage()
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // where unsupported, net/http's own stands
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, ErrBodyLate
	case err != nil:
		return nil, fmt.Errorf("transport: read body: %w", err)
	}
	rc.SetReadDeadline(time.Time{})
	return body, nil
}

func tooLarge(limit int64) error {
	return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
}
