// The endpoints of ../testserver/judges.go on npm's socket.io, so that what the tests claim can be held against the
// reference: REFERENCE=1 node --test socketio.recovery.test.mjs
//
// It takes testserver's flags and says its address in the same words.

import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import { join, normalize } from 'node:path'
import { parseArgs } from 'node:util'

import { Server } from 'socket.io'
import msgpack from 'socket.io-msgpack-parser'

const { values: flags } = parseArgs({
  options: Object.fromEntries(['listen', 'origin', 'files', 'keepalive', 'idle', 'ask'].map(name => [name, { type: 'string' }])),
})

const ms = (text, otherwise) => text ? parseFloat(text) * (text.endsWith('ms') ? 1 : 1000) : otherwise

/** failing turns what goes wrong into the answer of Parley's hub. */
const failure = err => ({ error: { code: err.code ?? 'internal', message: err.message } })

const named = error => Object.assign(new Error(error.message), { data: error.data })

/** vocabulary gives a socket what judges.go gives a connection. */
function vocabulary(socket) {
  const nsp = socket.nsp
  const handle = (name, act) => socket.on(name, async (...args) => {
    const answer = typeof args.at(-1) === 'function' ? args.pop() : () => {}
    try {
      answer(await act(...args))
    } catch (err) {
      answer(failure(err))
    }
  })
  handle('echo', value => value)
  handle('nothing', () => null)
  handle('add', (a, b) => a + b)
  handle('big', bytes => 'x'.repeat(bytes))
  handle('back', (...args) => { socket.emit('back', ...args) })
  handle('auth', () => socket.handshake.auth)
  handle('me', () => ({ id: socket.id, transport: socket.conn.transport.name, recovered: socket.recovered }))
  handle('describe', () => JSON.stringify({
    id: socket.id, path: socket.request.url.split('?')[0], query: socket.handshake.query, headers: socket.handshake.headers,
  }))
  handle('join', group => socket.join(group))
  handle('leave', group => socket.leave(group))
  handle('groups', () => [...socket.rooms].filter(room => room !== socket.id).sort())
  handle('say', (group, ...args) => { nsp.to(group).emit('said', ...args) })
  handle('remember', value => { socket.data.value = value })
  handle('remembered', () => socket.data.value ?? null)
  handle('ask', question => socket.timeout(ms(flags.ask, 15000)).emitWithAck('confirm', question))
  handle('askFor', question => socket.timeout(ms(flags.ask, 15000)).emitWithAck('answer', question))
  handle('kick', goodbye => {
    if (goodbye) socket.disconnect()
    else socket.conn.transport.name === 'websocket' ? socket.conn.transport.socket.terminate() : socket.conn.close(true)
  })
  handle('deluge', (group, id, n) => deluge(nsp, group, id, n))
  socket.on('disconnect', reason => nsp.to('watchers').emit('gone', socket.id, reason))
}

/** deluge is what judges.go says, but for the strings at the end of what is volatile or wants an ack: this server's clients
    take them for offsets. */
async function deluge(nsp, group, id, n) {
  for (let i = 1; i <= n; i++) {
    if (i % 50 === 1) nsp.to(group).volatile.emit('mist', i)
    if (i % 5 === 0) nsp.to(group).emit('drop', i)
    else if (i % 5 === 1) nsp.to(id).emit('drop', i)
    else if (i % 5 === 2) nsp.to(group).emit('drop', i, 'ends in a string')
    else if (i % 5 === 3) nsp.to(id).emit('drop', i, { bytes: Buffer.from([i & 255]) })
    else {
      nsp.to(id).timeout(2000).emit('asked', i, () => {})
      nsp.to(group).emit('drop', i)
    }
    if (i % 50 === 0) await new Promise(resolve => setTimeout(resolve, 10))
  }
}

function welcome(socket) {
  vocabulary(socket)
  if (socket.recovered) return
  socket.join('everyone')
  socket.emit('welcome', socket.id)
}

/** refuse is what a namespace's admission says. */
function refuse(socket, next) {
  const why = socket.handshake.query.refuse ?? socket.handshake.auth.refuse
  next(why ? named({ message: why, data: { code: 'refused', hint: 'come without refuse' } }) : undefined)
}

const http = createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost')
  if (url.pathname.startsWith('/files/')) {
    const type = { '.mjs': 'text/javascript', '.js': 'text/javascript', '.html': 'text/html' }[/\.\w+$/.exec(url.pathname)?.[0]]
    if (type) response.setHeader('Content-Type', type)
    createReadStream(join(flags.files, normalize(url.pathname.slice('/files/'.length))))
      .on('error', () => response.writeHead(404).end()).pipe(response)
    return
  }
  response.end('ok')
})

const common = {
  pingInterval: ms(flags.keepalive, 25000),
  pingTimeout: ms(flags.idle, 20000),
  destroyUpgrade: false,
  allowEIO3: true,
  ...(flags.origin && { cors: { origin: flags.origin, credentials: true } }),
}

function mount(path, options = {}) {
  const io = new Server(http, { path, ...common, ...options })
  for (const name of ['/', '/side']) io.of(name).use(refuse).on('connection', welcome)
  io.of('/quiet').on('connection', vocabulary)
  io.of('/closed').use((_, next) => next(named({ message: 'Members only.', data: { code: 'members', level: 3 } })))
  io.of(/^\/child-\d+$/).use(refuse).on('connection', welcome)
}

mount('/judge/socket.io/')
mount('/judge/packed/', { parser: msgpack })
mount('/judge/cookie/', { cookie: true })
mount('/judge/deflate/', { perMessageDeflate: { threshold: 100 } })
mount('/judge/polling/', { transports: ['polling'] })
mount('/judge/bare', { addTrailingSlash: false })
mount('/judge/recovery/', { connectionStateRecovery: {} })
mount('/judge/forgetful/', { connectionStateRecovery: { maxDisconnectionDuration: 300 } })

const [host, port] = (flags.listen ?? '127.0.0.1:0').split(':')
http.listen(Number(port), host, () => console.log(`testserver: http://127.0.0.1:${http.address().port}/`))
process.on('SIGTERM', () => process.exit(0))
