package signalr

import (
	"fmt"
	"strings"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// hubException is the class of errors that callers may always see.
const hubException = "HubException"

const noMethod = "Method does not exist."

// manner is how one end words what went wrong.
type manner struct {
	client   bool // the Go client's end
	detailed bool // see Options.DetailedErrors
}

// sentence words the failure of the call m answers as Microsoft's server does
// (docs/protocols/signalr.md, "Error sentences").
//
//house:table
func (p manner) sentence(m *wire.Message) string {
	e := m.Err
	if p.client {
		return clientSentence(e)
	}
	invoking := fmt.Sprintf("An unexpected error occurred invoking '%s' on the server.", m.Name)
	base := invoking
	if m.Kind == wire.End {
		base = "An error occurred on the server while streaming results."
	}
	switch {
	case e.Code == wire.CodeUnauthorized: // of middleware, which speaks for the hub
		return fmt.Sprintf("Failed to invoke '%s' because user is unauthorized", m.Name)
	case !e.Hub:
		return shown(base, e.Type, e.Message)
	}
	switch e.Code {
	case wire.CodeNotFound:
		return shown(failedToInvoke(m.Name), "", noMethod)
	case wire.CodeArguments:
		return p.hidden(failedToInvoke(m.Name), invalidData, binding(e.Message))
	case wire.CodeStreaming:
		return fmt.Sprintf("The client attempted to invoke the streaming '%s' method with a non-streaming invocation.", m.Name)
	case wire.CodeNotStream:
		return fmt.Sprintf("The client attempted to invoke the non-streaming '%s' method with a streaming invocation.", m.Name)
	case wire.CodeDuplicate:
		return fmt.Sprintf("Invocation ID '%s' is already in use.", m.ID)
	case wire.CodeStreams:
		return shown(invoking, "", e.Message)
	case wire.CodeBusy:
		return shown(base, "", e.Message)
	case wire.CodeCancelled:
		return p.hidden(base, "OperationCanceledException", e.Message)
	}
	return p.hidden(base, "Exception", e.Detail)
}

// invalidData is the class of errors in what a client has sent.
const invalidData = "InvalidDataException"

// binding says what is wrong with the arguments of a call. The hub says it in
// its own words: how many there are, or which one does not fit.
func binding(message string) string {
	var sent, wanted int
	if n, _ := fmt.Sscanf(message, "call provides %d argument(s), handler expects %d", &sent, &wanted); n == 2 {
		return fmt.Sprintf("Invocation provides %d argument(s) but target expects %d.", sent, wanted)
	}
	return "Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."
}

func failedToInvoke(name string) string {
	return fmt.Sprintf("Failed to invoke '%s' due to an error on the server.", name)
}

// shown is a sentence with the error behind it.
func shown(base, class, message string) string {
	if class == "" {
		class = hubException
	}
	return base + " " + class + ": " + message
}

// hidden is a sentence with the error behind it only in detailed mode.
func (p manner) hidden(base, class, message string) string {
	if !p.detailed || message == "" {
		return base
	}
	return shown(base, class, message)
}

// clientSentence is how a client fails a call of the server.
func clientSentence(e *wire.Error) string {
	if e.Hub && e.Code == wire.CodeNotFound {
		return "Client didn't provide a result."
	}
	if e.Hub && e.Code == wire.CodeInternal {
		return "The client failed to handle this call."
	}
	return e.Message
}

const closedWithError = "Connection closed with an error."

// farewell is the error in a Close; empty for none.
func (p manner) farewell(bye wire.Goodbye) string {
	if !bye.Failed {
		return ""
	}
	if bye.Code == 1002 {
		return p.hidden(closedWithError, invalidData, bye.Reason)
	}
	return p.hidden(closedWithError, "Exception", bye.Reason)
}

// oversize is what is wrong with a message longer than limit bytes.
func oversize(limit int) string {
	return fmt.Sprintf("The maximum message size of %dB was exceeded. The message size can be configured in AddHubOptions.", limit)
}

// huge is what is wrong with a message whose length does not fit 31 bits.
func huge() string { return "Messages over 2GB in size are not supported." }

// cutShort is what is wrong when a connection ends inside a message.
func cutShort() string { return "Connection terminated while reading a message." }

// understand reads the sentence of a failed call. What a client answers is its
// own; a server's is taken apart as sentence has put it together.
func (p manner) understand(said string) *wire.Error {
	e := &wire.Error{Code: wire.CodeFailed, Message: said}
	if !p.client {
		return e
	}
	base, rest, found := strings.Cut(said, " on the server")
	if !found {
		e.Code = codeOf(said)
		return e
	}
	class, message, shown := strings.Cut(rest[strings.IndexByte(rest, '.')+1:], ": ")
	class = strings.TrimSpace(class)
	switch {
	case strings.HasPrefix(base, "Failed to invoke ") && message == noMethod:
		e.Code = wire.CodeNotFound
	case strings.HasPrefix(base, "Failed to invoke "):
		e.Code = wire.CodeArguments
	case !shown:
		e.Code = wire.CodeInternal
	case class != hubException:
		e.Type, e.Message = class, message
	case strings.HasPrefix(message, "Client sent ") && strings.Contains(message, " stream(s), Hub method expects "):
		e.Code, e.Message = wire.CodeStreams, message
	default:
		e.Message = message
	}
	return e
}

// codeOf finds the code of a sentence that says everything by itself.
func codeOf(said string) string {
	for _, s := range []struct{ begin, end, code string }{
		{"Failed to invoke '", "' because user is unauthorized", wire.CodeUnauthorized},
		{"The client attempted to invoke the streaming '", "' method with a non-streaming invocation.", wire.CodeStreaming},
		{"The client attempted to invoke the non-streaming '", "' method with a streaming invocation.", wire.CodeNotStream},
		{"Invocation ID '", "' is already in use.", wire.CodeDuplicate},
		{"Unknown hub method '", "'", wire.CodeNotFound},
	} {
		if strings.HasPrefix(said, s.begin) && strings.HasSuffix(said, s.end) {
			return s.code
		}
	}
	return wire.CodeFailed
}

// The sentences that refuse a handshake.
const (
	handshakeCanceled = "Handshake was canceled."
	handshakeFailed   = "An unexpected error occurred during connection handshake."
)

// refused is the error in the Close of a client that OnConnect did not want.
func (p manner) refused(e *wire.Error) string {
	if e.Hub {
		return p.hidden(closedWithError, "Exception", e.Detail)
	}
	return shown(closedWithError, e.Type, e.Message)
}

// welcome accepts a handshake.
const welcome = "{}\x1e"

// handshakeError refuses one.
func handshakeError(said string) []byte {
	return append(rawjson.AppendString([]byte(`{"error":`), said), '}', separator)
}

// failed wraps the reason a client was closed for breaking the protocol.
func failed(err error) error { return fmt.Errorf("%w: %w", parley.ErrProtocol, err) }
