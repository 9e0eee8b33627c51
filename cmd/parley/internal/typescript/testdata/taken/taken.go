// Package taken has a contract whose name Socket.IO takes for itself.
package taken

import "github.com/parley-go/parley"

// Connect is what SignalR pages may call.
const Connect parley.Command[string] = "connect"
