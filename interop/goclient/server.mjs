// npm's socket.io, for Parley's Go client: six servers, whose addresses are
// told in one line of JSON. It ends when its standard input does.

import { createServer } from 'node:http'

import { Server } from 'socket.io'
import * as msgpack from 'socket.io-msgpack-parser'

const recovery = { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } }
const kinds = {
  json: {},
  msgpack: { parser: msgpack },
  'json recovering': recovery,
  'json recovering too': recovery,
  'msgpack recovering': { parser: msgpack, ...recovery },
  'msgpack recovering too': { parser: msgpack, ...recovery },
}

/** serve starts one server and returns its address. */
function serve(options) {
  const http = createServer()
  const io = new Server(http, { pingInterval: 500, ...options })
  const reasons = [] // why sockets have left, as [id, reason]
  const waiting = [] // for those

  function left(id, reason) {
    reasons.push([id, reason])
    for (const look of waiting.splice(0)) look()
  }

  /** why calls back with the reason why the socket with that id has left, once it has, and forgets it. */
  function why(id, ack) {
    const found = reasons.findIndex(([gone]) => gone === id)
    if (found >= 0) ack(reasons.splice(found, 1)[0][1])
    else waiting.push(() => why(id, ack))
  }

  /** idle calls back when a socket's poll waits, or it has a WebSocket: then a cut is noticed. */
  function idle(id, ack) {
    const sockets = ['/', '/other'].map((name) => io.of(name).sockets.get(id)).filter(Boolean)
    if (sockets[0].conn.transport.writable) ack()
    else setTimeout(idle, 5, id, ack)
  }

  function attend(socket) {
    socket.on('disconnect', (reason) => left(socket.id, reason))
    socket.on('echo', (...args) => args.pop()(...args))
    socket.on('say', (...args) => socket.emit('said', ...args))
    socket.on('ask', async (question, ack) => ack(await socket.emitWithAck('question', question)))
    socket.on('leave', () => socket.disconnect())
    socket.on('cut', () => socket.conn.close())
    socket.on('why', why)
    socket.on('idle', idle)
    socket.on('join', (room, ack) => { socket.join(room); ack() })
    socket.on('publish', (room, event, ...args) => { const ack = args.pop(); io.to(room).emit(event, ...args); ack() })
    socket.on('who', (ack) => ack({
      id: socket.id, auth: socket.handshake.auth, query: socket.handshake.query.color ?? '',
      header: socket.request.headers['x-color'] ?? '', transport: socket.conn.transport.name,
      connection: socket.conn.id, recovered: socket.recovered, namespace: socket.nsp.name,
    }))
    let beats = 0
    let look = () => {}
    socket.conn.on('heartbeat', () => { beats++; look() })
    socket.on('beats', (n, ack) => {
      const from = beats
      look = () => { if (beats >= from + n) { look = () => {}; ack() } }
    })
  }

  io.on('connection', attend)
  io.of('/other').on('connection', attend)
  io.of('/secret').use((socket, next) => {
    if (socket.handshake.auth.token === 'let me in') return next()
    next(Object.assign(new Error('who are you?'), { data: { asked: 'token', got: socket.handshake.auth.token ?? null } }))
  }).on('connection', attend)

  return new Promise((resolve) => {
    http.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${http.address().port}`))
  })
}

const addresses = {}
for (const [kind, options] of Object.entries(kinds)) addresses[kind] = await serve(options)
console.log(JSON.stringify(addresses))
process.stdin.resume().on('end', () => process.exit())
