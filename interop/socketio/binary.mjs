// Bytes, at any depth.

const bytes = (...list) => Buffer.from(list)

export const binary = [
  {
    name: 'bytes come back as they went, also none and all there are',
    async run(w) {
      const s = await w.connect()
      for (const value of [bytes(1, 2, 3), Buffer.alloc(0), Buffer.from(Array.from({ length: 256 }, (_, i) => i)), bytes(0x1e), bytes(4), bytes(255)]) {
        w.equal(await w.call(s, 'echo', value), value, 'bytes')
      }
    },
  },
  {
    name: 'bytes at any depth, between other values, both ways',
    async run(w) {
      const s = await w.connect()
      const value = { list: [1, bytes(1), [bytes(2, 2), { deep: bytes(3), text: 'ü' }]], last: bytes(4, 4, 4, 4), none: null }
      const said = w.heard(s, 'said')
      s.emit('say', value, bytes(9), 'end')
      w.equal(await said.counts(1), [[value, bytes(9), 'end']], 'said')
    },
  },
  {
    name: 'acks with bytes both ways',
    async run(w) {
      const s = await w.connect()
      w.equal(await w.answers(s, 'echo', bytes(1), 'and', { more: bytes(2) }), [bytes(1), 'and', { more: bytes(2) }], 'ack of the hub')
      s.on('question', (a, answer) => answer({ got: a, mine: bytes(5, 6) }))
      w.equal(await w.call(s, 'ask', bytes(7, 8)), { got: bytes(7, 8), mine: bytes(5, 6) }, 'ack of the client')
    },
  },
  {
    name: 'ten attachments in one event',
    async run(w) {
      const s = await w.connect()
      const list = Array.from({ length: 10 }, (_, i) => bytes(i, i))
      w.equal(await w.call(s, 'echo', list), list, 'bytes')
    },
  },
  {
    name: 'ArrayBuffer and its views are bytes',
    since: 3,
    async run(w) {
      const s = await w.connect()
      w.equal(await w.call(s, 'echo', Uint8Array.of(1, 2, 3).buffer), bytes(1, 2, 3), 'ArrayBuffer')
      w.equal(await w.call(s, 'echo', Uint8Array.of(0, 1, 2, 3).subarray(1)), bytes(1, 2, 3), 'Uint8Array')
    },
  },
  {
    name: 'many events with bytes and without keep their order',
    async run(w) {
      const s = await w.connect()
      const said = w.heard(s, 'said')
      const sent = Array.from({ length: 60 }, (_, i) => i % 3 ? [i, bytes(i)] : [i])
      for (const args of sent) s.emit('say', ...args)
      w.equal(await said.counts(60), sent, 'said')
    },
  },
  {
    name: 'large bytes just below the limit, both ways',
    async run(w) {
      const s = await w.connect()
      const n = w.way === 'websocket' ? 990_000 : 700_000 // by polls they may go as base64
      const value = Buffer.alloc(n, 7)
      w.equal((await w.call(s, 'echo', value)).equals(value), true, 'echo')
      w.equal((await w.call(s, 'bigBytes', n)).equals(value), true, 'bigBytes')
    },
  },
  {
    name: 'bytes to a room, once for all',
    async run(w) {
      const room = w.name()
      const all = await Promise.all([w.member(room), w.member(room), w.member(room)])
      const value = { bytes: bytes(1, 2), more: [bytes(3)] }
      await w.call(all[0].socket, 'send', { to: [room] }, 'heard', [value, 'text'])
      for (const { heard } of all) w.equal(await heard.counts(1), [[value, 'text']], 'heard')
    },
  },
  {
    name: 'a client that cannot take bytes gets them as text',
    async run(w) {
      const s = await w.connect({ forceBase64: true })
      const value = { a: bytes(1, 2, 3), b: [bytes(), bytes(255)] }
      w.equal(await w.call(s, 'echo', value), value, 'bytes')
    },
  },
]
