// Events to many: groups, users, everyone.

const texts = inbox => inbox.items.map(args => args.at(-1))

export const groups = [
  {
    name: 'a group hears what it is told, in one order',
    core: true,
    async run(w) {
      const room = w.name()
      const members = await Promise.all([w.connect(), w.connect(), w.connect()])
      const inboxes = members.map(c => w.heard(c, 'shouted'))
      await Promise.all(members.map(c => c.invoke('join', room)))
      await Promise.all(members.map(async (c, i) => {
        for (let n = 0; n < 50; n++) {
          const done = c.invoke('shout', room, `${i}.${n}`)
          if (n === 49 || w.major < 3) await done // before version 3, POSTs may overtake each other
        }
      }))
      await Promise.all(inboxes.map(inbox => inbox.counts(150)))
      w.equal(texts(inboxes[1]), texts(inboxes[0]), 'order')
      w.equal(texts(inboxes[2]), texts(inboxes[0]), 'order')
      for (const i of [0, 1, 2]) {
        w.equal(texts(inboxes[0]).filter(text => text.startsWith(`${i}.`)), Array.from({ length: 50 }, (_, n) => `${i}.${n}`), 'one sender')
      }
    },
  },
  {
    name: 'who leaves a group hears no more of it',
    core: true,
    async run(w) {
      const room = w.name()
      const [ann, ben] = await Promise.all([w.connect(), w.connect()])
      const [annHears, benHears] = [ann, ben].map(c => w.heard(c, 'shouted'))
      for (const c of [ann, ben, ben]) await c.invoke('join', room) // joining twice is joining once
      await ann.invoke('shout', room, 'one')
      await benHears.counts(1)
      await ben.invoke('leave', room)
      await ann.invoke('shout', room, 'two')
      await annHears.counts(2)
      const last = w.heard(ben)
      await ann.invoke('toOne', (await w.describe(ben)).id, 'last')
      await last.counts(1)
      w.equal(texts(benHears), ['one'], 'Ben heard')
    },
  },
  {
    name: 'others hear what its sender does not',
    async run(w) {
      const room = w.name()
      const [ann, ben] = await Promise.all([w.connect(), w.connect()])
      const [annHears, benHears] = [ann, ben].map(c => w.heard(c, 'shouted'))
      for (const c of [ann, ben]) await c.invoke('join', room)
      await ann.invoke('whisper', room, 'from Ann')
      await ben.invoke('whisper', room, 'from Ben')
      await Promise.all([annHears.counts(1), benHears.counts(1)])
      await ann.invoke('shout', room, 'for all')
      await Promise.all([annHears.counts(2), benHears.counts(2)])
      w.equal([texts(annHears), texts(benHears)], [['from Ben', 'for all'], ['from Ann', 'for all']], 'heard')
    },
  },
  {
    name: 'a user hears it on all of their connections',
    async run(w) {
      const [user, other] = [w.name('user'), w.name('user')]
      const [one, two, third] = await Promise.all([user, user, other].map(user => w.connect({ query: { user } })))
      const inboxes = [one, two, third].map(c => w.heard(c, 'paged'))
      await third.invoke('page', user, 'for one user')
      await Promise.all([inboxes[0].counts(1), inboxes[1].counts(1)])
      await one.invoke('page', other, 'for the other')
      await inboxes[2].counts(1)
      w.equal(inboxes.map(texts), [['for one user'], ['for one user'], ['for the other']], 'heard')
    },
  },
  {
    name: 'handlers are found without regard to case, and several may listen',
    async run(w) {
      const c = await w.connect()
      const [lower, upper] = [w.heard(c, 'heard'), w.heard(c, 'HEARD')]
      await c.invoke('toOne', (await w.describe(c)).id, 'hi')
      w.equal([await lower.counts(1), await upper.counts(1)], [[['hi']], [['hi']]], 'heard')
    },
  },
  {
    name: 'a burst arrives whole and in order',
    async run(w) {
      const c = await w.connect()
      const ticks = w.heard(c, 'tick')
      await c.invoke('burst', 2000)
      w.equal((await ticks.counts(2000)).map(([i]) => i), Array.from({ length: 2000 }, (_, i) => i), 'ticks')
    },
  },
  {
    name: 'an event that nobody listens to',
    async run(w) {
      const c = await w.connect()
      await c.invoke('toOne', (await w.describe(c)).id, 'unheard')
      w.equal(await c.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
]
