// The WebSocket that is built into Node since 22, for the versions before: it is undici's there, too. To be imported
// before engine.io-client, which looks for it when it is loaded.

import { WebSocket } from 'undici'

globalThis.WebSocket ??= WebSocket
