// PersistentConnection: no hubs, messages as they are.

export const persistent = [
  {
    name: 'a connection without hubs sends and receives values',
    async run(w) {
      const c = w.raw()
      const received = w.received(c)
      await w.start(c)
      const values = ['hello', 'ü€😀 "\\', '{"a":1}', '']
      for (const value of values.slice(0, 3)) {
        c.send(value)
        await received.counts(values.indexOf(value) + 1)
      }
      c.send({ a: [1, null] })
      await received.counts(4)
      w.equal(received.items, [...values.slice(0, 3), '{"a":[1,null]}'].map(text => ({ echo: text })), 'received')
    },
  },
  {
    name: 'connections without hubs hear what is said to all and to groups',
    async run(w) {
      const [ann, ben] = [w.raw(), w.raw()]
      const [annHears, benHears] = [ann, ben].map(c => w.received(c))
      await Promise.all([w.start(ann), w.start(ben)])
      const room = w.name()
      ann.send(`join ${room}`)
      await annHears.counts(1)
      ben.send(`tell ${room} hello`)
      await annHears.counts(2)
      ben.send(`tell ${room} again`)
      await annHears.counts(3)
      ben.send('last')
      await benHears.counts(1)
      w.equal([annHears.items, benHears.items], [['joined', 'hello', 'again'], [{ echo: 'last' }]], 'received')
    },
  },
  {
    name: 'a connection without hubs that is cut comes back, misses nothing and is still in its groups',
    async run(w) {
      w.hasty(w.abroad)
      const wire = await w.wire()
      const [ann, ben] = [w.raw({ at: wire }), w.raw()]
      const [annHears, benHears] = [ann, ben].map(c => w.received(c))
      ann.mayComplain = true
      await Promise.all([w.start(ann), w.start(ben)])
      const room = w.name()
      ann.send(`join ${room}`)
      await annHears.counts(1)
      wire.down()
      await w.reaches(ann, 'reconnecting')
      ben.send(`tell ${room} while-away`)
      ben.send('told')
      await benHears.counts(1)
      wire.up()
      await w.reaches(ann, 'connected', 2)
      ben.send(`tell ${room} after`)
      await annHears.counts(3)
      w.equal(annHears.items.toSorted(), ['after', 'joined', 'while-away'], 'received')
    },
  },
]
