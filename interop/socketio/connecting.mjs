// Ways in, and refusals.

export const connecting = [
  {
    name: 'connects, is welcomed under its id, and disconnects',
    async run(w) {
      const s = w.make()
      const welcome = w.heard(s, 'welcome')
      w.equal(s.connected, false, 'connected')
      await w.connected(s)
      w.equal(s.connected, true, 'connected')
      const [[id]] = await welcome.counts(1)
      w.equal(s.id, id, 'id')
      const seen = await w.call(s, 'describe')
      w.equal({ id: seen.id, nsp: seen.nsp, revision: seen.revision }, { id, nsp: '/', revision: w.revision }, 'what the hub sees')
      if (!/^[\w-]{20}$/.test(id)) throw new Error(`an id like none of Socket.IO's: ${id}`)
      const away = w.away(s)
      s.disconnect()
      w.equal(await away, 'io client disconnect', 'reason')
      w.equal(s.connected, false, 'connected')
    },
  },
  {
    name: 'moves from polls to a WebSocket, and the hub knows',
    ways: ['default'],
    async run(w) {
      const s = w.make()
      const upgrades = []
      w.equal(s.io.engine.transport.name, 'polling', 'the first transport')
      s.io.engine.on('upgrade', transport => upgrades.push(transport.name))
      await w.connected(s)
      await w.upgraded(s)
      w.equal(s.io.engine.transport.name, 'websocket', 'the second transport')
      w.equal((await w.call(s, 'describe')).transport, 'websocket', 'transport')
      w.equal(upgrades, ['websocket'], 'upgrades')
    },
  },
  {
    name: 'stays with the one transport that it is told to use',
    ways: ['polling', 'websocket'],
    async run(w) {
      const s = await w.connect()
      for (const _ of [1, 2]) w.equal((await w.call(s, 'describe')).transport, w.way, 'transport')
      w.equal(s.io.engine.transport.name, w.way, 'transport of the client')
    },
  },
  {
    name: 'without upgrade stays with polls',
    ways: ['default'],
    async run(w) {
      const s = await w.connect({ upgrade: false })
      for (let i = 0; i < 5; i++) w.equal(await w.call(s, 'echo', i), i, 'echo')
      w.equal((await w.call(s, 'describe')).transport, 'polling', 'transport')
    },
  },
  {
    name: 'the hub sees the query and the headers',
    async run(w) {
      const name = 'Ann & Ben, ü'
      const s = await w.connect({ query: { name }, extraHeaders: { 'X-Test': 'tested' } })
      const seen = await w.call(s, 'describe')
      w.equal({ name: seen.name, header: seen.header }, { name, header: 'tested' }, 'what the hub sees')
    },
  },
  {
    name: 'auth reaches the hub, also from a function',
    since: 3,
    async run(w) {
      const auth = { token: 'sécret', roles: ['painter', { level: 3 }], none: null }
      w.equal((await w.call(await w.connect({ auth }), 'describe')).auth, auth, 'auth')
      w.equal((await w.call(await w.connect({ auth: cb => cb(auth) }), 'describe')).auth, auth, 'auth of a function')
      w.equal((await w.call(await w.connect(), 'describe')).auth, {}, 'no auth')
    },
  },
  {
    name: 'auth is asked for again at each attempt',
    since: 3,
    async run(w) {
      let asked = 0
      const s = await w.connect({ auth: cb => cb({ attempt: ++asked }) })
      s.disconnect()
      s.connect()
      await w.connected(s)
      w.equal((await w.call(s, 'describe')).auth, { attempt: 2 }, 'auth')
    },
  },
  {
    name: 'a refusal tells its message and data',
    async run(w) {
      const s = w.make({ query: { refuse: 'closed today' } })
      const said = await w.refused(s)
      // Before version 3 there is one value for both: the data, if there is any.
      w.equal(said, w.revision === 4 ? { message: 'closed today', data: { hint: 'come without refuse' } } : { hint: 'come without refuse' }, 'refusal')
      w.equal(s.connected, false, 'connected')
    },
  },
  {
    name: 'a refusal without data tells its message',
    async run(w) {
      const message = 'bare "no", Grüße'
      const said = await w.refused(w.make({ query: { refuse: message } }))
      w.equal(said, w.revision === 4 ? { message, data: undefined } : message, 'refusal')
    },
  },
  {
    name: 'who is refused does not come back by itself, but when asked to',
    since: 3,
    async run(w) {
      let asked = 0
      const s = w.make({ nsp: '/guarded', auth: cb => cb({ token: asked++ ? 'secret' : 'wrong' }) })
      await w.refused(s)
      if (w.since >= 4.6) w.equal(s.active, false, 'active')
      s.connect()
      await w.connected(s)
      w.equal(asked, 2, 'attempts')
    },
  },
  {
    name: 'goes and comes again, as another, over and over',
    async run(w) {
      const s = await w.connect()
      const ids = new Set([s.id])
      for (let i = 0; i < 3; i++) {
        s.disconnect()
        const back = w.next(s, 'connect')
        s.connect()
        await back
        ids.add(s.id)
        w.equal((await w.call(s, 'describe')).id, s.id, 'id')
      }
      w.equal(ids.size, 4, 'ids')
    },
  },
  {
    name: 'what is emitted before it has connected arrives first, in order',
    async run(w) {
      const s = w.make()
      for (let i = 0; i < 20; i++) s.emit('number', i)
      const numbers = w.call(s, 'numbers') // also before
      w.equal(await numbers, Array.from({ length: 20 }, (_, i) => i), 'numbers')
    },
  },
  {
    name: 'closes before it has opened, and opens again',
    async run(w) {
      const s = w.make()
      s.disconnect()
      s.connect()
      await w.connected(s)
      w.equal(await w.call(s, 'echo', 1), 1, 'echo')
    },
  },
  {
    name: 'an endpoint that has polls only',
    async run(w) {
      const s = w.make({ path: '/polls' })
      if (w.way !== 'websocket') {
        await w.connected(s)
        for (let i = 0; i < 5; i++) w.equal(await w.call(s, 'echo', i), i, 'echo')
        w.equal(s.io.engine.transport.name, 'polling', 'transport')
        return
      }
      const [err] = await w.next(s, 'connect_error')
      w.equal(err.message, 'websocket error', 'error')
    },
  },
  {
    name: 'an endpoint that has WebSockets only',
    async run(w) {
      const s = w.make({ path: '/sockets' })
      if (w.way === 'websocket') {
        await w.connected(s)
        w.equal(await w.call(s, 'echo', 1), 1, 'echo')
        return
      }
      const [err] = await w.next(s, 'connect_error')
      w.equal(err.message, 'xhr poll error', 'error')
    },
  },
  {
    name: 'a client that tries all its transports finds the one that there is',
    since: 4.8,
    ways: ['default'],
    async run(w) {
      const s = await w.connect({ path: '/sockets', tryAllTransports: true })
      w.equal(s.io.engine.transport.name, 'websocket', 'transport')
      const other = await w.connect({ path: '/polls', tryAllTransports: true, transports: ['websocket', 'polling'] })
      w.equal(other.io.engine.transport.name, 'polling', 'transport')
    },
  },
  {
    name: 'an endpoint that refuses the request: the client is told, and tries again',
    async run(w) {
      const s = w.make({ path: '/closed' })
      const errors = w.heard(s, 'connect_error')
      for (const [err] of await errors.counts(2)) {
        w.equal(err.message, w.way === 'websocket' ? 'websocket error' : 'xhr poll error', 'error')
        w.equal(err.type, 'TransportError', 'type')
      }
      w.equal(s.connected, false, 'connected')
    },
  },
  {
    name: 'heartbeats keep a quiet connection',
    async run(w) {
      const s = await w.connect({ path: '/steady' })
      const packets = w.heard(s.io.engine, 'packet')
      await packets.counts(3, ([{ type }]) => type === (w.revision === 4 ? 'ping' : 'pong'))
      w.equal(await w.call(s, 'echo', 1), 1, 'echo')
    },
  },
]
