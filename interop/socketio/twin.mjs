// The reference: npm's socket.io with the handlers of testserver's hub for these scenarios, under the same address.
// REFERENCE=1 node --test socketio.matrix.test.mjs plays them against it.

import { createServer } from 'node:http'
import { parseArgs } from 'node:util'

import { Server } from 'socket.io'

const { values: flags } = parseArgs({ options: { listen: { type: 'string', default: '127.0.0.1:0' } } })

function serve(namespaces, guarded) {
  namespaces.use((socket, next) => {
    const { refuse } = socket.handshake.query
    if (guarded && socket.handshake.auth.token !== 'secret') return next(Object.assign(new Error('no token'), { data: { code: 401, hints: ['token'] } }))
    next(refuse && Object.assign(new Error(refuse), refuse.startsWith('bare') ? {} : { data: { hint: 'come without refuse' } }))
  })
  namespaces.on('connection', socket => {
    const nsp = socket.nsp
    const numbers = []
    if (socket.handshake.query.user) socket.join(`user ${socket.handshake.query.user}`)
    socket.emit('welcome', socket.id)
    socket.on('disconnect', reason => gone.happen(socket.id, reason))
    for (const [name, fn] of Object.entries(handlers(socket, nsp, numbers))) socket.on(name, fn)
    for (const name of odd) socket.on(name, (...args) => socket.emit('odd', name, ...args))
  })
}

const odd = ['1', 'Grüße 👋', '', 'error', 'message', '__proto__', 'constructor', '42["x"]']

function handlers(socket, nsp, numbers) {
  const audience = ({ to = [], except = [], others, volatile, uncompressed }) => {
    let all = others ? socket.broadcast : nsp
    if (to.length) all = all.to(to)
    if (except.length) all = all.except(except)
    if (volatile) all = all.volatile
    return uncompressed ? all.compress(false) : all
  }
  return {
    echo: (...args) => args.pop()(...args),
    nothing: ack => ack(),
    say: (...args) => { socket.emit('said', ...args) },
    ask(...args) {
      const ack = args.pop()
      socket.timeout(10_000).emit('question', ...args, (err, answer) => ack(err ? { error: String(err) } : answer))
    },
    describe(ack) {
      const { auth, headers, query } = socket.handshake
      ack({
        id: socket.id, nsp: nsp.name, transport: socket.conn.transport.name, revision: socket.conn.protocol,
        auth, header: headers['x-test'] ?? '', name: query.name ?? '',
      })
    },
    big: (n, ack) => ack('x'.repeat(n)),
    bigBytes: (n, ack) => ack(Buffer.alloc(n, 7)),
    join(room, ack) {
      socket.join(room)
      ack()
    },
    leave(room, ack) {
      socket.leave(room)
      ack()
    },
    rooms: ack => ack([...socket.rooms].filter(room => room !== socket.id).sort()),
    send(spec, name, args, ack) {
      audience(spec).emit(name, ...args)
      ack()
    },
    collect(spec, question, ms, ack) {
      audience(spec).timeout(ms).emit('question', question, (err, answers) => ack({ answers, late: !!err }))
    },
    joinAll(spec, rooms, ack) {
      audience(spec).socketsJoin(rooms)
      ack()
    },
    leaveAll(spec, rooms, ack) {
      audience(spec).socketsLeave(rooms)
      ack()
    },
    closeAll(spec, ack) {
      audience(spec).disconnectSockets()
      ack()
    },
    list: (spec, ack) => audience(spec).fetchSockets().then(all => ack(all.map(({ id }) => id).sort())),
    burst(n) {
      for (let i = 0; i < n; i++) socket.emit('tick', i)
    },
    number(i) { numbers.push(i) },
    numbers: ack => ack(numbers),
    kick() { socket.disconnect() },
    kickAll() { socket.disconnect(true) },
    kickAfter(text) {
      socket.emit('said', text)
      socket.disconnect()
    },
    cut() { socket.conn.close(true) },
    gone: (id, ack) => gone.wait(id).then(ack),
    attempt(name, ack) { // whether an event of that name can be sent
      try {
        socket.emit(name, 1)
        ack(true)
      } catch {
        ack(false)
      }
    },
    page(user, text, ack) {
      nsp.to(`user ${user}`).emit('paged', text)
      ack()
    },
  }
}

/** Happenings happen once each, before or after somebody waits for them. */
class Happenings {
  #all = new Map()

  #at(name) {
    if (!this.#all.has(name)) {
      const at = {}
      at.promise = new Promise(resolve => { at.resolve = resolve })
      this.#all.set(name, at)
    }
    return this.#all.get(name)
  }

  happen(name, value) { this.#at(name).resolve(value) }

  wait(name) { return this.#at(name).promise }
}

const server = createServer()
const gone = new Happenings()
const options = { allowEIO3: true, serveClient: false }
const sites = [
  new Server(server, { ...options, path: '/matrix' }),
  new Server(server, { ...options, path: '/steady', pingInterval: 200, pingTimeout: 20_000 }),
  new Server(server, { ...options, path: '/squeezed', perMessageDeflate: { threshold: 100 }, httpCompression: { threshold: 100 } }),
  new Server(server, { ...options, path: '/polls', transports: ['polling'] }),
  new Server(server, { ...options, path: '/sockets', transports: ['websocket'] }),
  new Server(server, { ...options, path: '/closed', allowRequest: (_, answer) => answer('not today', false) }),
  new Server(server, { ...options, path: '/quick', pingInterval: 200, pingTimeout: 2000 }),
]
for (const io of sites) {
  for (const name of ['/', '/chat', '/guarded', '/Grüße', /^\/dynamic-\d+$/]) serve(io.of(name), name === '/guarded')
}

const [host, port] = flags.listen.split(':')
server.listen(Number(port), host, () => console.log(`testserver: http://${host}:${server.address().port}/`))
process.on('SIGTERM', () => {
  for (const io of sites) io.close()
  setTimeout(() => process.exit(), 300) // clients that do not close their WebSocket would be waited for
})
