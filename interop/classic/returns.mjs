// Connections that are cut and come back: to the same server, and to another.

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

const numbers = inbox => inbox.items.map(([n]) => n)

/** wired is a connection over a wire, which has been in a group and may complain. */
async function wired(w, { path, ...options } = {}) {
  w.hasty(w.abroad)
  const wire = await w.wire(options.server)
  const c = await w.connect({ at: wire, path })
  c.mayComplain = true
  c.wire = wire
  return c
}

export const returns = [
  {
    name: 'a cut connection comes back as who it was, in its groups',
    async run(w) {
      const c = await wired(w)
      const other = await w.connect()
      const room = w.name()
      const heard = w.heard(c, 'shouted')
      const back = w.heard(other, 'back')
      const gone = w.heard(other, 'gone')
      await w.call(other, 'watch')
      await w.call(c, 'join', room)
      const { id } = c
      await w.call(c, 'number', 1)
      await w.cuts(c)
      await w.reaches(c, 'connected', 2)
      await w.call(other, 'shout', room, 'welcome back')
      await heard.counts(1)
      w.equal([c.id, (await w.describe(c)).id, (await w.call(c, 'numbers')).last], [id, id, 1], 'id and values')
      await back.has(`return of ${id}`, ([who]) => who === id)
      w.equal(gone.items.filter(([who]) => who === id), [], 'ends')
    },
  },
  {
    name: 'with the client\'s own delays, too',
    waits: true,
    pages: true,
    where: 'node',
    async run(w) {
      const wire = await w.wire()
      const page = await w.page({ url: wire.url + '/' })
      const c = w.hubs({ at: wire, page })
      c.mayComplain = true
      delete c.reconnectDelay
      const heard = w.heard(c, 'heard')
      await w.start(c)
      const other = await w.connect()
      await w.cuts(c, wire)
      await w.call(other, 'toOne', c.id, 'while away')
      await w.reaches(c, 'connected', 2)
      await heard.counts(1)
    },
  },
  {
    name: 'what was said while a client was away is heard when it is back: all, once, in order',
    async run(w) {
      const c = await wired(w)
      const other = await w.connect()
      const drops = w.heard(c, 'drop')
      const room = w.name()
      await w.call(c, 'join', room)
      await w.call(other, 'drizzle', room, 1, 20, 0)
      await drops.counts(20)
      c.wire.down()
      await w.reaches(c, 'reconnecting')
      await w.call(other, 'drizzle', room, 21, 620, 0)
      c.wire.up()
      await w.reaches(c, 'connected', 2)
      await w.call(other, 'drizzle', room, 621, 640, 0)
      await drops.counts(640)
      w.equal(numbers(drops), range(1, 640), 'numbers')
    },
  },
  {
    name: '600 numbers, the connection cut again and again: all, once, in order',
    async run(w) {
      const c = await wired(w)
      const other = await w.connect()
      const drops = w.heard(c, 'drop')
      const room = w.name()
      await w.call(c, 'join', room)
      const raining = w.call(other, 'drizzle', room, 1, 600, 2)
      for (const n of [50, 150, 250, 350, 450]) {
        await drops.counts(n)
        await c.wire[n % 200 === 50 ? 'cut' : 'leave']()
      }
      await raining
      await drops.counts(600)
      w.equal(numbers(drops), range(1, 600), 'numbers')
    },
  },
  {
    name: '100 calls, the connection cut again and again: none twice, in order, and all that were answered',
    async run(w) {
      const c = await wired(w)
      const other = await w.connect()
      const note = w.name('note')
      const answered = []
      for (let n = 1; n <= 100; n++) {
        await w.connected(c)
        if (n % 20 === 10) c.wire[n % 40 === 10 ? 'cut' : 'leave']()
        await w.call(c, 'note', note, String(n)).then(() => answered.push(String(n)), () => {})
      }
      const noted = await w.call(other, 'noted', note)
      w.equal(noted, noted.toSorted((a, b) => a - b), 'order')
      // A browser sends a POST again by itself when it was cut before its answer began.
      if (w.where === 'node' || w.transport === 'webSockets') w.equal(noted.length, new Set(noted).size, 'calls that came once')
      w.equal(answered.filter(n => !noted.includes(n)), [], 'answered and not made')
      if (answered.length < 75) throw new Error(`only ${answered.length} calls were answered`)
    },
  },
  {
    name: 'the answer to a call of before the cut is not taken for one of after it',
    async run(w) {
      const c = await wired(w)
      const other = await w.connect()
      const gate = w.name('gate')
      const before = w.call(c, 'hold', gate).then(value => ({ value }), err => ({ err }))
      await w.call(other, 'held', gate)
      await w.call(other, 'later', 300) // until the answer to the POST, which is nothing, is there
      await w.cuts(c)
      await w.reaches(c, 'connected', 2)
      const after = [w.call(c, 'echo', 'first'), w.call(c, 'echo', 'second')]
      await w.call(other, 'free', gate)
      w.equal(await Promise.all(after), ['first', 'second'], 'answers')
      const { err, value } = await before
      if (w.transport === 'webSockets') w.says(err, 'Connection started reconnecting before invocation result was received.')
      else if (err) w.says(err, 'Error: Send failed.') // the cut came before the answer to the POST, after all
      else w.equal(value, gate, 'answer of before')
    },
  },
  {
    name: 'a client that hears nothing any more says that it is slow, leaves, and comes back',
    waits: true,
    transports: ['webSockets', 'serverSentEvents', 'foreverFrame'], // long polls have no keep-alive that the client heeds
    async run(w) {
      const c = await wired(w, { path: '/classic/brief' })
      const slow = new Promise(resolve => c.connectionSlow(resolve))
      const other = await w.connect()
      const heard = w.heard(c, 'heard')
      c.wire.mute()
      await w.within('slow', slow)
      await w.call(other, 'toOne', c.id, 'can you hear me?')
      c.wire.up()
      await w.reaches(c, 'connected', 2)
      await heard.counts(1)
      w.equal(c.states.items, ['connecting', 'connected', 'reconnecting', 'connected'], 'states')
    },
  },
  {
    name: 'a client that is not let in again gives up, and the hub gives it up',
    waits: true,
    async run(w) {
      const c = await wired(w, { path: '/classic/brief' })
      const other = await w.connect()
      const gone = w.heard(other, 'gone')
      await w.call(other, 'watch')
      const { id } = c
      c.wire.down()
      await w.reaches(c, 'disconnected')
      w.says(c.lastError, /^Couldn't reconnect within the configured timeout of 9000 ms, disconnecting\.$|^The client has been inactive since .* the inactivity timeout of 15000 ms\./)
      await gone.has(`end of ${id}`, ([who]) => who === id)
    },
  },
  {
    name: 'a quiet connection stays as it is',
    waits: true,
    async run(w) {
      const c = await w.connect({ path: '/classic/brief' })
      c.mayComplain = true // that 4 s went by without a message: the server says something every 3 s, and the machine has more to do
      await w.call(c, 'later', 7000) // longer than the keep-alive timeout of 6 s
      w.equal([c.errors.items, c.states.items], [[], ['connecting', 'connected']], 'errors and states')
    },
  },
  {
    name: 'polls that end with nothing, and pauses between them, lose nothing',
    transports: ['longPolling'],
    async run(w) {
      const c = await w.connect({ path: '/classic/polled' })
      const other = await w.connect()
      const drops = w.heard(c, 'drop')
      const room = w.name()
      await w.call(c, 'join', room)
      const begun = performance.now()
      await c.said.counts(c.said.items.length + 8, line => /Long poll complete|Opening long polling/.test(line))
      const took = performance.now() - begun
      if (took < 1000) throw new Error(`4 polls of 350 ms took ${took} ms`)
      await w.call(other, 'drizzle', room, 1, 100, 5)
      await drops.counts(100)
      w.equal(numbers(drops), range(1, 100), 'numbers')
      w.equal(c.states.items, ['connecting', 'connected'], 'states')
    },
  },
  {
    name: 'without keep-alive a quiet connection stays as it is, too',
    async run(w) {
      const c = await w.connect({ path: '/classic/mute' })
      w.equal(c._.keepAliveData.activated, false, 'keep-alive')
      await w.call(c, 'later', 1000)
      w.equal(c.states.items, ['connecting', 'connected'], 'states')
    },
  },
  {
    name: 'a client comes back to a server that was killed and started again: the same id, its groups by the token',
    async run(w) {
      w.hasty(w.abroad)
      const key = ['--key', 'a key of both servers']
      const first = await w.serve({ args: key })
      const c = w.hubs({ at: first, names: ['judgeHub', 'sideHub'] })
      c.mayComplain = true
      const { judgehub, sidehub } = c.proxies
      const [judge, side] = [w.heard(judgehub, 'shouted'), w.heard(sidehub, 'shouted')]
      const returned = w.heard(judgehub, 'returned')
      await w.start(c)
      const [room, sideRoom] = [w.name(), w.name()]
      for (const name of [room, 'left']) await w.invoke(judgehub, 'join', name)
      await w.invoke(judgehub, 'leave', 'left')
      await w.invoke(sidehub, 'join', sideRoom)
      const { id } = c
      await first.kill()
      await w.reaches(c, 'reconnecting')
      const second = await w.serve({ args: key, listen: first.host })
      await w.reaches(c, 'connected', 2)
      await w.passes(c)
      const other = w.hubs({ at: second, names: ['judgeHub', 'sideHub'] })
      await w.start(other)
      await returned.counts(1)
      for (const name of [room, sideRoom, 'left']) {
        for (const proxy of [other.proxies.judgehub, other.proxies.sidehub]) await w.invoke(proxy, 'shout', name, name)
      }
      await Promise.all([judge.counts(1), side.counts(1)])
      w.equal((await w.describe(c)).id, id, 'id')
      w.equal([judge.items, side.items], [[[room, room]], [[sideRoom, sideRoom]]], 'heard')
      w.equal(returned.items, [[id]], 'returned')
    },
  },
  {
    name: 'a client comes back after a server has said goodbye',
    async run(w) {
      w.hasty(w.abroad)
      const key = ['--key', 'a key of both servers']
      const first = await w.serve({ args: key })
      const c = await w.connect({ at: first })
      c.mayComplain = true
      const heard = w.heard(c, 'shouted')
      const room = w.name()
      await w.call(c, 'join', room)
      await first.stop()
      await w.reaches(c, 'reconnecting')
      await w.serve({ args: key, listen: first.host })
      await w.reaches(c, 'connected', 2)
      await w.passes(c)
      await w.call(c, 'shout', room, 'again')
      await heard.counts(1)
      w.equal(heard.items, [[room, 'again']], 'heard')
    },
  },
  {
    name: 'a client whose token another server has not made is not let in',
    waits: true,
    where: 'node',
    async run(w) {
      w.hasty(w.abroad)
      const first = await w.serve({ args: ['--key', 'one key'] })
      const c = await w.connect({ at: first, path: '/classic/brief' })
      c.mayComplain = true
      c.reconnectDelay = 500
      const returned = w.heard(c, 'returned')
      await first.kill()
      await w.reaches(c, 'reconnecting')
      await w.serve({ args: ['--key', 'another key'], listen: first.host })
      await w.reaches(c, 'disconnected')
      w.equal([w.tried(c), returned.items], [['connecting', 'connected', 'reconnecting', 'disconnected'], []], 'states and returns')
    },
  },
]
