// The order of calls, and how many run at a time.

export const order = [
  {
    name: 'calls of a connection run one after the other',
    async run(w) {
      const [c, other] = await Promise.all([w.connect(), w.connect()])
      const [gate, list] = [w.name('gate'), w.name('list')]
      const held = c.invoke('hold', gate)
      await other.invoke('held', gate)
      const notes = ['a', 'b', 'c'].map(line => c.invoke('note', list, line))
      const asked = c.invoke('noted', list)
      w.equal(await other.invoke('noted', list), null, 'noted while the first call runs')
      await other.invoke('free', gate)
      w.equal(await held, gate, 'hold')
      await Promise.all(notes)
      w.equal(await asked, ['a', 'b', 'c'], 'noted')
    },
  },
  {
    name: 'a hub with a parallelism of 3 runs three calls at a time',
    async run(w) {
      const c = await w.connect({ path: '/signalr/parallel' })
      const gates = [w.name('gate'), w.name('gate')]
      const held = gates.map(gate => c.invoke('hold', gate))
      for (const gate of gates) await c.invoke('held', gate)
      w.equal(await c.invoke('add', 1, 2), 3, 'a third call')
      await c.invoke('free', gates[1])
      w.equal(await held[1], gates[1], 'the second call')
      await c.invoke('free', gates[0])
      w.equal(await held[0], gates[0], 'the first call')
    },
  },
]
