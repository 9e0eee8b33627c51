// Ends, their reasons on both sides, and what comes after them.

const lost = ['transport close', 'transport error']

export const ends = [
  {
    name: 'the client goes: what both sides are told',
    async run(w) {
      const [s, other] = [await w.connect(), await w.connect()]
      const { id } = s
      const away = w.away(s)
      s.disconnect()
      w.equal(await away, 'io client disconnect', 'reason')
      w.equal(await w.call(other, 'gone', id), 'client namespace disconnect', 'reason that the hub sees')
    },
  },
  {
    name: 'the hub sends it away: what both sides are told, and that it stays away',
    async run(w) {
      const [s, other] = [await w.connect(), await w.connect()]
      const { id } = s
      const said = w.heard(s, 'said')
      let attempts = 0
      ;(w.revision === 4 ? s.io : s).on('reconnect_attempt', () => attempts++)
      const away = w.away(s)
      s.emit('kickAfter', 'farewell')
      w.equal(await away, 'io server disconnect', 'reason')
      w.equal(said.items, [['farewell']], 'said before')
      w.equal(await w.call(other, 'gone', id), 'server namespace disconnect', 'reason that the hub sees')
      w.equal(s.connected, false, 'connected')
      await w.call(other, 'nothing')
      w.equal(attempts, 0, 'attempts to come back')
    },
  },
  {
    name: 'the hub closes the whole connection: all namespaces are told',
    async run(w) {
      const s = await w.connect()
      const chat = await w.connected(w.another(s, '/chat'))
      const other = await w.connect({ nsp: '/chat' })
      const id = await w.id(chat)
      const away = Promise.all([w.away(s), w.away(chat)])
      s.emit('kickAll')
      w.equal(await away, ['io server disconnect', 'io server disconnect'], 'reasons')
      w.equal(await w.call(other, 'gone', id), 'server namespace disconnect', 'reason that the hub sees')
    },
  },
  {
    name: 'a client that has gone may open again after it was sent away',
    async run(w) {
      const s = await w.connect()
      const away = w.away(s)
      s.emit('kick')
      await away
      const back = w.next(s, 'connect')
      s.connect()
      await back
      w.equal(await w.call(s, 'echo', 'back'), 'back', 'echo')
    },
  },
  {
    name: 'the engine closes: the hub is told',
    async run(w) {
      const [s, other] = [await w.connect({ reconnection: false }), await w.connect()]
      await w.upgraded(s)
      const { id } = s
      const away = w.away(s)
      s.io.engine.close()
      w.among(await away, ['forced close', 'transport close', 'io client disconnect'], 'reason')
      w.equal(await w.call(other, 'gone', id), 'transport close', 'reason that the hub sees')
    },
  },
  {
    name: 'a connection that the hub cuts comes back as a new one',
    async run(w) {
      const s = await w.connect()
      await w.upgraded(s)
      const [{ id }, away] = [s, w.away(s)]
      const back = away.then(() => w.next(s, 'connect'))
      s.emit('cut')
      w.among(await away, lost, 'reason')
      await back
      if (s.id === id) throw new Error('the connection kept its id')
      w.equal(await w.call(s, 'echo', 'back'), 'back', 'echo')
    },
  },
  {
    name: 'a network that is cut: the client comes back with its namespaces, and what it said meanwhile arrives',
    async run(w) {
      const proxy = await w.proxy()
      const [s, other] = [await w.connect({ at: proxy, path: '/steady' }), await w.connect()]
      const chat = await w.connected(w.another(s, '/chat'))
      await w.upgraded(s)
      const { id } = s
      const reconnects = w.heard(w.revision === 4 ? s.io : s, 'reconnect')
      const away = Promise.all([w.away(s), w.away(chat)])
      proxy.down()
      for (const reason of await away) w.among(reason, lost, 'reason')
      w.among(await w.call(other, 'gone', id), [...lost, 'ping timeout'], 'reason that the hub sees') // between two polls there is nothing to cut
      for (let i = 0; i < 10; i++) s.emit('number', i)
      const back = Promise.all([w.next(s, 'connect'), w.next(chat, 'connect')])
      proxy.up()
      await back
      w.equal(await w.call(s, 'numbers'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 'numbers')
      w.equal(await w.call(chat, 'echo', 'back'), 'back', 'echo')
      const [[attempts]] = await reconnects.counts(1)
      if (!(attempts >= 1)) throw new Error(`attempts: got ${attempts}, want some`)
    },
  },
  {
    name: 'a network that is cut again and again',
    async run(w) {
      const proxy = await w.proxy()
      const s = await w.connect({ at: proxy })
      for (let i = 0; i < 5; i++) {
        const away = w.away(s)
        proxy.down()
        await away
        const back = w.next(s, 'connect')
        proxy.up()
        await back
        w.equal(await w.call(s, 'echo', i), i, 'echo')
      }
    },
  },
  {
    name: 'a network that falls silent: both sides notice by their heartbeats',
    async run(w) {
      const proxy = await w.proxy()
      const [s, other] = [await w.connect({ at: proxy, path: '/quick', reconnection: false }), await w.connect()]
      await w.upgraded(s)
      const { id } = s
      const away = w.away(s)
      proxy.mute()
      w.equal(await away, 'ping timeout', 'reason')
      w.equal(await w.call(other, 'gone', id), 'ping timeout', 'reason that the hub sees')
    },
  },
  {
    name: 'a server that restarts: its clients come back by themselves',
    async run(w) {
      const first = await w.serve()
      const s = await w.connect({ at: first })
      const chat = await w.connected(w.another(s, '/chat'))
      await w.upgraded(s)
      const away = Promise.all([w.away(s), w.away(chat)])
      const back = away.then(() => Promise.all([w.next(s, 'connect'), w.next(chat, 'connect')]))
      await first.stop()
      for (const reason of await away) w.among(reason, lost, 'reason')
      await w.serve({ listen: first.host })
      await back
      w.equal(await w.call(s, 'echo', 'back'), 'back', 'echo')
      w.equal(await w.call(chat, 'echo', 'back'), 'back', 'echo')
    },
  },
  {
    name: 'a client that is not to come back stays away',
    async run(w) {
      const proxy = await w.proxy()
      const s = await w.connect({ at: proxy, reconnection: false })
      const away = w.away(s)
      proxy.down()
      w.among(await away, lost, 'reason')
      w.equal(s.connected, false, 'connected')
    },
  },
  {
    name: 'a client that gives up after some attempts says so',
    async run(w) {
      const proxy = await w.proxy()
      const s = await w.connect({ at: proxy, reconnectionAttempts: 3 })
      const failed = w.next(w.revision === 4 ? s.io : s, 'reconnect_failed')
      const away = w.away(s)
      proxy.down()
      w.among(await away, lost, 'reason')
      await failed
    },
  },
]
