// Events, acks and what they carry.

const limit = 1_000_000 // of a message, as in Socket.IO

export const values = [
  {
    name: 'acks answer with what they are given',
    async run(w) {
      const s = await w.connect()
      w.equal(await w.answers(s, 'nothing'), [], 'no argument')
      w.equal(await w.answers(s, 'echo', 1), [1], 'one argument')
      w.equal(await w.answers(s, 'echo', 1, 'two', [3], { four: 4 }), [1, 'two', [3], { four: 4 }], 'four arguments')
    },
  },
  {
    name: 'values of every kind come back as they went',
    async run(w) {
      const s = await w.connect()
      for (const value of [null, true, false, 0, -1.5, 1e21, '', 'a', [], {}, [[], [null]], { a: { b: [{ c: null }] } }, { _placeholder: false }]) {
        w.equal(await w.call(s, 'echo', value), value, 'value')
      }
    },
  },
  {
    name: 'text of every alphabet comes back as it went',
    async run(w) {
      const s = await w.connect()
      const texts = ['Grüße, 世界 👋🏽', 'é'.normalize('NFD'), '\u0000\u0001\u001e\u001f\u007f', '\u2028\u2029', '<&>"\\/\'', '\uFEFF', 'b4AAAA', '2:40', '451-["x",{"_placeholder":true,"num":0}]', '🏴󠁧󠁢󠁥󠁮󠁧󠁿'.repeat(50)]
      w.equal(await w.answers(s, 'echo', ...texts), texts, 'all at once')
      for (const text of texts) w.equal(await w.call(s, 'echo', text), text, 'text')
      const said = w.heard(s, 'said')
      for (const text of texts) s.emit('say', text) // in one poll or one POST, if it goes by polls
      w.equal(await said.counts(texts.length), texts.map(text => [text]), 'said')
    },
  },
  {
    name: 'events carry several arguments both ways',
    async run(w) {
      const s = await w.connect()
      const said = w.heard(s, 'said')
      s.emit('say')
      s.emit('say', 1, [2], { three: 3 }, null, 'five')
      w.equal(await said.counts(2), [[], [1, [2], { three: 3 }, null, 'five']], 'said')
    },
  },
  {
    name: 'many acks at once each get their own answer',
    async run(w) {
      const s = await w.connect()
      const wanted = Array.from({ length: 200 }, (_, i) => i)
      w.equal(await Promise.all(wanted.map(i => w.call(s, 'echo', i))), wanted, 'answers')
    },
  },
  {
    name: 'the hub asks and the client answers',
    async run(w) {
      const s = await w.connect()
      s.on('question', (a, b, answer) => answer({ sum: a + b }))
      w.equal(await w.call(s, 'ask', 20, 22), { sum: 42 }, 'answer')
      const many = Array.from({ length: 50 }, (_, i) => i)
      w.equal(await Promise.all(many.map(i => w.call(s, 'ask', i, i))), many.map(i => ({ sum: 2 * i })), 'answers')
    },
  },
  {
    name: 'an answer of the client that comes late, in its own time',
    async run(w) {
      const s = await w.connect()
      const asked = w.next(s, 'question')
      const answer = w.call(s, 'ask', 'well?')
      const [question, reply] = await asked
      w.equal(question, 'well?', 'question')
      const said = w.next(s, 'said')
      s.emit('say', 'meanwhile')
      w.equal(await said, ['meanwhile'], 'said')
      reply('now')
      w.equal(await answer, 'now', 'answer')
    },
  },
  {
    name: 'large messages just below the limit, both ways',
    async run(w) {
      const s = await w.connect()
      const text = 'x'.repeat(limit - 1000)
      w.equal((await w.call(s, 'echo', text)) === text, true, 'echo')
      w.equal((await w.call(s, 'big', limit - 1000)) === text, true, 'big')
      const wide = 'ü€👋'.repeat(50_000) // 3 × as many bytes, nearly
      w.equal((await w.call(s, 'echo', wide)) === wide, true, 'echo of wide characters')
    },
  },
  {
    name: 'a message over the limit costs its sender the connection, and nobody else',
    async run(w) {
      const [s, other] = [await w.connect({ reconnection: false }), await w.connect()]
      await w.upgraded(s)
      const away = w.away(s)
      s.emit('echo', 'x'.repeat(2 * limit), () => {})
      w.among(await away, ['transport close', 'transport error'], 'reason')
      w.equal(await w.call(other, 'echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'an endpoint that compresses what is long',
    async run(w) {
      const s = await w.connect({ path: '/squeezed' })
      const random = Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * i * 7919) & 255))
      const all = ['long '.repeat(5000), 'short', { text: 'ü€👋'.repeat(2000), bytes: random }, [Buffer.alloc(5000, 1)]]
      for (let i = 0; i < 3; i++) {
        w.equal(await w.answers(s, 'echo', ...all), all, 'echo')
        await w.upgraded(s)
      }
      s.compress(false)
      w.equal(await w.answers(s, 'echo', ...all), all, 'echo of what is not compressed')
    },
  },
  {
    name: 'send is an event named message',
    async run(w) {
      const s = await w.connect()
      const odd = w.heard(s, 'odd')
      s.send('hello', 2)
      w.equal(await odd.counts(1), [['message', 'hello', 2]], 'odd')
    },
  },
  {
    name: 'what is not to be compressed, and what may be lost, arrives all the same',
    async run(w) {
      const s = await w.connect()
      const said = w.heard(s, 'said')
      s.compress(false).emit('say', 'plain')
      w.equal(await said.counts(1), [['plain']], 'said')
      if (w.since < 3) return
      await w.upgraded(s)
      while (said.items.length < 2) { // volatile: as often as it takes
        s.volatile.emit('say', 'volatile')
        await w.call(s, 'nothing')
      }
      w.equal(said.items[1], ['volatile'], 'said')
    },
  },
]
