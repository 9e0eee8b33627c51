// Names of events, listeners of all, and what newer clients have of their own.

export const names = [
  {
    name: 'events with odd names reach the hub and come back',
    async run(w) {
      const s = await w.connect()
      const odd = w.heard(s, 'odd')
      // Before version 3, the client keeps error to itself.
      const all = ['Grüße 👋', '', '__proto__', 'constructor', '42["x"]', ...(w.revision === 4 ? ['error'] : [])]
      for (const name of all) s.emit(name, name.length)
      w.equal(await odd.counts(all.length), all.map(name => [name, name.length]), 'odd')
      for (const name of all.filter(name => name !== 'error')) {
        const heard = w.next(s, name)
        await w.call(s, 'send', { to: [s.id] }, name, [1])
        w.equal(await heard, [1], name)
      }
    },
  },
  {
    name: 'an event whose name is a number',
    async run(w) {
      const s = await w.connect()
      const odd = w.heard(s, 'odd')
      s.emit(1, 'one')
      w.equal(await odd.counts(1), [['1', 'one']], 'odd')
      const heard = w.next(s, '1')
      await w.call(s, 'send', { to: [s.id] }, '1', ['back'])
      w.equal(await heard, ['back'], 'heard')
    },
  },
  {
    name: 'an event named error from the hub',
    async run(w) {
      const s = await w.connect()
      const heard = w.heard(s, 'error')
      await w.call(s, 'send', { to: [s.id] }, 'error', [{ code: 1 }])
      w.equal(await heard.counts(1), [[{ code: 1 }]], 'heard')
      w.equal(await w.call(s, 'echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'reserved names cannot be sent by either side',
    async run(w) {
      const s = await w.connect()
      for (const name of ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener']) {
        w.equal(await w.call(s, 'attempt', name), false, `the hub sends ${name}`)
      }
      w.equal(await w.call(s, 'attempt', 'said'), true, 'the hub sends said')
      if (w.revision === 3) return // emits them to itself
      for (const name of ['connect', 'connect_error', 'disconnect', 'disconnecting']) {
        let thrown = false
        try {
          s.emit(name)
        } catch {
          thrown = true
        }
        w.equal(thrown, true, `the client emits ${name}`)
      }
    },
  },
  {
    name: 'a listener of all events, in and out',
    since: 3,
    async run(w) {
      const s = await w.connect()
      const [all, out] = [[], []]
      s.onAny((name, ...args) => all.push([name, ...args]))
      if (w.since >= 4.5) s.onAnyOutgoing((name, ...args) => out.push([name, ...args]))
      const said = w.heard(s, 'said')
      s.emit('say', 1, Buffer.from([2]))
      await said.counts(1)
      w.equal(all, [['said', 1, Buffer.from([2])]], 'in')
      if (w.since >= 4.5) w.equal(out, [['say', 1, Buffer.from([2])]], 'out')
    },
  },
  {
    name: 'an event that nobody listens to',
    async run(w) {
      const s = await w.connect()
      await w.call(s, 'send', { to: [s.id] }, 'nobody listens', [1, Buffer.from([1])])
      w.equal(await w.call(s, 'echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'an ack within a time: in time, and not',
    since: 4.5,
    async run(w) {
      const s = await w.connect()
      const timed = (ms, ...args) => w.within('ack', new Promise(resolve => s.timeout(ms).emit(...args, (...got) => resolve(got))))
      w.equal(await timed(20_000, 'echo', 1), [null, 1], 'in time')
      const [err] = await timed(50, 'gone', w.name())
      w.equal(err?.message, 'operation has timed out', 'not in time')
    },
  },
  {
    name: 'an ack is a promise',
    since: 4.6,
    async run(w) {
      const s = await w.connect()
      w.equal(await s.emitWithAck('echo', { one: 1 }), { one: 1 }, 'emitWithAck')
      w.equal(await s.timeout(20_000).emitWithAck('echo', Buffer.from([1])), Buffer.from([1]), 'emitWithAck in time')
      const late = await s.timeout(50).emitWithAck('gone', w.name()).catch(err => err.message)
      w.equal(late, 'operation has timed out', 'emitWithAck not in time')
    },
  },
  {
    name: 'a client that tries again until its event is acknowledged',
    since: 4.6,
    async run(w) {
      const s = await w.connect({ retries: 20, ackTimeout: 20_000 })
      const answers = await Promise.all([1, 2, 3].map(i => w.call(s, 'echo', i).catch(String)))
      // The first argument is the error of the last attempt.
      w.equal(answers, [null, null, null], 'errors')
      const proxy = await w.proxy()
      const through = await w.connect({ at: proxy, retries: 20, ackTimeout: 20_000 })
      const away = w.away(through)
      proxy.down()
      await away
      const acks = Promise.all([1, 2, 3].map(i => w.answers(through, 'echo', i)))
      proxy.up()
      w.equal(await acks, [[null, 1], [null, 2], [null, 3]], 'acks')
    },
  },
]
