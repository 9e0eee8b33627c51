// Ends, and what comes after them.

const over = 'Server returned an error on close: Connection closed with an error.'

/** again makes a client come back at once, however often that fails. */
const again = { nextRetryDelayInMilliseconds: () => 50 }

/** returning is a connection that comes back, with the promises .away and .back. */
function returning(w, options, policy = again, tune = builder => builder) {
  const c = tune(w.builder(options).withAutomaticReconnect(policy)).build()
  c.away = new Promise(resolve => c.onreconnecting(err => resolve(err ?? null)))
  c.back = new Promise(resolve => c.onreconnected(resolve))
  return w.start(c)
}

export const ends = [
  {
    name: 'a goodbye of the hub ends without an error, and for good',
    async run(w) {
      const c = await returning(w)
      let reconnecting = false
      c.onreconnecting(() => { reconnecting = true })
      await c.send('kick', true).catch(() => {}) // a POST may be told that the connection has ended
      w.equal(await w.lost(c), undefined, 'error')
      w.equal(reconnecting, false, 'reconnecting')
    },
  },
  {
    name: 'a cut connection ends without automatic reconnect',
    core: true,
    async run(w) {
      const c = await w.connect()
      await c.send('kick', false).catch(() => {})
      const err = await w.lost(c)
      if (w.transport === 'WebSockets') w.says(err, /^WebSocket closed with status code: 1006/i)
    },
  },
  {
    name: 'a cut connection comes back with automatic reconnect, and is a new one',
    core: true,
    since: 3,
    async run(w) {
      const c = await returning(w)
      const room = w.name()
      const before = (await w.describe(c)).id
      await c.invoke('join', room)
      await c.send('kick', false).catch(() => {})
      const id = await w.within('reconnect', c.back)
      if (id === before) throw new Error('the connection kept its id')
      w.equal((await w.describe(c)).id, id, 'id')
      const heard = w.heard(c, 'shouted')
      await c.invoke('shout', room, 'for those of before')
      await c.invoke('join', room)
      await c.invoke('shout', room, 'for those of now')
      w.equal(await heard.counts(1), [[room, 'for those of now']], 'heard')
    },
  },
  {
    name: 'calls and streams that wait when the connection is lost fail',
    async run(w) {
      const [c, other] = await Promise.all([w.connect(), w.connect()])
      const gate = w.name('gate')
      const held = w.fails(c.invoke('hold', gate), /Invocation canceled|closed with status code|underlying connection|Error/)
      const stream = w.fails(w.streamed(c, 'endless', gate), /Invocation canceled|closed with status code|underlying connection|Error/)
      await other.invoke('held', gate)
      await c.stop()
      await Promise.all([held, stream])
    },
  },
  {
    name: 'a message over the limit closes with an error',
    async run(w) {
      const c = await w.connect()
      c.invoke('echo', 'x'.repeat(64 * 1024)).catch(() => {}) // the limit is 32 KiB
      w.says(await w.lost(c), over)
    },
  },
  {
    name: 'after a message over the limit the client may come back',
    async run(w) {
      const c = await returning(w)
      c.invoke('echo', 'x'.repeat(64 * 1024)).catch(() => {})
      w.says(await w.within('loss', c.away), over)
      await w.within('reconnect', c.back)
      w.equal(await c.invoke('echo', 'back'), 'back', 'echo')
    },
  },
  {
    name: 'pings of both sides keep a quiet connection',
    transports: ['WebSockets', 'ServerSentEvents'],
    async run(w) {
      let pings = 0
      let enough
      const many = new Promise(resolve => { enough = resolve })
      const logger = {
        log(_, text) { // a ping is 11 characters of JSON or 3 bytes of MessagePack
          if (/data received\. (String data of length 11|Binary data of length 3)\b/.test(text) && ++pings === 24) enough()
        },
      }
      const c = w.builder({ path: '/signalr/quick', logger }).withKeepAliveInterval(100).withServerTimeout(5000).build()
      await w.start(c)
      await w.within('24 pings', many) // longer than the server's patience with a silent client, 2 s
      w.equal(c.state, 'Connected', 'state')
      w.equal(await c.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'long polling needs no pings',
    transports: ['LongPolling'],
    async run(w) {
      let polls = 0
      let enough
      const several = new Promise(resolve => { enough = resolve })
      const logger = { log(_, text) { if (/Poll timed out, reissuing|Binary data of length 0/.test(text) && ++polls === 12) enough() } }
      const c = w.builder({ path: '/signalr/quick', logger }).build()
      await w.start(c)
      await w.within('12 empty polls', several)
      w.equal(c.state, 'Connected', 'state')
      w.equal(await c.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'a server that falls silent is given up',
    transports: ['WebSockets', 'ServerSentEvents'],
    async run(w) {
      const c = await w.connect({ path: '/signalr/mute' })
      c.serverTimeoutInMilliseconds = 300 // from the next message on: the handshake may take its time
      await c.invoke('nothing')
      w.says(await w.lost(c), 'Server timeout elapsed without receiving a message from the server.')
    },
  },
  {
    name: 'a client that falls silent is given up, and may come back',
    transports: ['WebSockets', 'ServerSentEvents'],
    async run(w) {
      const c = await returning(w, { path: '/signalr/quick' }, again, builder => builder.withKeepAliveInterval(60_000))
      w.says(await w.within('loss', c.away), over)
      await w.within('reconnect', c.back)
    },
  },
  {
    name: 'an authentication that expires ends the connection, and the client comes back',
    async run(w) {
      const c = await returning(w, { path: '/signalr/expiring' })
      w.equal(await w.within('loss', c.away), null, 'error')
      await w.within('reconnect', c.back)
    },
  },
  {
    name: 'a server that restarts asks its clients back',
    core: true,
    since: 3,
    async run(w) {
      const first = await w.serve()
      const c = await returning(w, { at: first })
      await w.host.stop(first.key)
      const err = await w.within('goodbye', c.away)
      if (w.major > 5) w.equal(err, null, 'error') // before, the end of an event stream was one
      await w.serve({ listen: first.host })
      await w.within('reconnect', c.back)
      w.equal(await c.invoke('echo', 'back'), 'back', 'echo')
    },
  },
]
