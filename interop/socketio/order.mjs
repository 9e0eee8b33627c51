// Order, and nothing lost.

const counted = n => Array.from({ length: n }, (_, i) => i)

export const order = [
  {
    name: '300 events of the hub arrive in order, during an upgrade, too',
    async run(w) {
      const s = w.make()
      const ticks = w.heard(s, 'tick')
      s.emit('burst', 300) // with the connect
      w.equal((await ticks.counts(300)).map(([i]) => i), counted(300), 'ticks')
      await w.upgraded(s)
      s.emit('burst', 300)
      w.equal((await ticks.counts(600)).slice(300).map(([i]) => i), counted(300), 'ticks')
    },
  },
  {
    name: '300 events of the client arrive in order, during an upgrade, too',
    async run(w) {
      const s = w.make()
      for (const i of counted(150)) s.emit('number', i)
      await w.connected(s)
      for (const i of counted(150)) {
        s.emit('number', 150 + i)
        if (i % 10 === 0) await w.call(s, 'nothing')
      }
      w.equal(await w.call(s, 'numbers'), counted(300), 'numbers')
    },
  },
  {
    name: 'events of both sides at once arrive in order',
    async run(w) {
      const s = await w.connect()
      const ticks = w.heard(s, 'tick')
      s.emit('burst', 300)
      for (const i of counted(300)) s.emit('number', i)
      w.equal(await w.call(s, 'numbers'), counted(300), 'numbers')
      w.equal((await ticks.counts(300)).map(([i]) => i), counted(300), 'ticks')
    },
  },
]
