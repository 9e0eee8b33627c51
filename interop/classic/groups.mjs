// Groups, users, everybody; several hubs over one connection.

const texts = inbox => inbox.items.map(args => args.at(-1))

export const groups = [
  {
    name: 'a group hears what it is told, in one order',
    async run(w) {
      const room = w.name()
      const members = await Promise.all([w.connect(), w.connect(), w.connect()])
      const inboxes = members.map(c => w.heard(c, 'shouted'))
      await Promise.all(members.map(c => w.call(c, 'join', room)))
      await Promise.all(members.map(async (c, i) => {
        for (let n = 0; n < 20; n++) await w.call(c, 'shout', room, `${i}.${n}`) // POSTs may overtake each other
      }))
      await Promise.all(inboxes.map(inbox => inbox.counts(60)))
      w.equal(texts(inboxes[1]), texts(inboxes[0]), 'order')
      w.equal(texts(inboxes[2]), texts(inboxes[0]), 'order')
      for (const i of [0, 1, 2]) {
        w.equal(texts(inboxes[0]).filter(text => text.startsWith(`${i}.`)), Array.from({ length: 20 }, (_, n) => `${i}.${n}`), 'one sender')
      }
    },
  },
  {
    name: 'who joins twice hears once, and who leaves hears no more',
    async run(w) {
      const room = w.name()
      const [ann, ben] = await Promise.all([w.connect(), w.connect()])
      const [annHears, benHears] = [ann, ben].map(c => w.heard(c, 'shouted'))
      for (const c of [ann, ben, ben]) await w.call(c, 'join', room)
      await w.call(ann, 'shout', room, 'one')
      await w.call(ben, 'leave', room)
      await w.call(ann, 'shout', room, 'two')
      await w.call(ben, 'join', room)
      await w.call(ann, 'shout', room, 'three')
      await Promise.all([annHears.counts(3), benHears.counts(2)])
      w.equal([texts(annHears), texts(benHears)], [['one', 'two', 'three'], ['one', 'three']], 'heard')
    },
  },
  {
    name: 'others hear what its sender does not',
    async run(w) {
      const room = w.name()
      const [ann, ben] = await Promise.all([w.connect(), w.connect()])
      const [annHears, benHears] = [ann, ben].map(c => w.heard(c, 'shouted'))
      for (const c of [ann, ben]) await w.call(c, 'join', room)
      await w.call(ann, 'whisper', room, 'from Ann')
      await w.call(ben, 'whisper', room, 'from Ben')
      await w.call(ann, 'shout', room, 'for all')
      await Promise.all([annHears.counts(2), benHears.counts(2)])
      w.equal([texts(annHears), texts(benHears)], [['from Ben', 'for all'], ['from Ann', 'for all']], 'heard')
    },
  },
  {
    name: 'an id is no group, and a group with its name is not the client',
    async run(w) {
      const [ann, ben] = await Promise.all([w.connect(), w.connect()])
      const [annHears, benHears] = [ann, ben].map(c => w.heard(c, 'shouted'))
      await w.call(ben, 'shout', ann.id, 'to nobody')
      await w.call(ben, 'join', ann.id)
      await w.call(ben, 'shout', ann.id, 'to Ben')
      await benHears.counts(1)
      const last = w.heard(ann, 'heard')
      await w.call(ben, 'toOne', ann.id, 'last')
      await last.counts(1)
      w.equal([texts(annHears), texts(benHears)], [[], ['to Ben']], 'heard')
    },
  },
  {
    name: 'nobody hears what is said to an empty group',
    async run(w) {
      const c = await w.connect()
      await w.call(c, 'shout', w.name(), 'anybody?')
      await w.call(c, 'shout', '', 'anybody?')
      w.equal(await w.call(c, 'echo', 'no'), 'no', 'answer')
    },
  },
  {
    name: 'a user hears by all connections it has',
    async run(w) {
      const [user, other] = [w.name('user'), w.name('user')]
      const [one, two, three] = await Promise.all([user, user, other].map(user => w.connect({ qs: { user } })))
      const inboxes = [one, two, three].map(c => w.heard(c, 'paged'))
      w.equal((await w.describe(one)).user, user, 'user')
      await w.call(three, 'page', user, 'hello')
      await w.call(one, 'page', other, 'hello back')
      await Promise.all(inboxes.map(inbox => inbox.counts(1)))
      w.equal(inboxes.map(texts), [['hello'], ['hello'], ['hello back']], 'heard')
    },
  },
  {
    name: 'several hubs share a connection, each with its own groups, events and state',
    async run(w) {
      const c = w.hubs({ names: ['judgeHub', 'sideHub'] })
      const { judgehub, sidehub } = c.proxies
      const [judge, side] = [w.heard(judgehub, 'shouted'), w.heard(sidehub, 'shouted')]
      const welcomes = [w.heard(judgehub, 'welcome'), w.heard(sidehub, 'welcome')]
      await w.start(c)
      const room = w.name()
      await w.invoke(judgehub, 'join', room)
      await w.invoke(sidehub, 'shout', room, 'nobody is there')
      await w.invoke(sidehub, 'join', room)
      judgehub.state.whose = 'the judge\'s'
      await w.invoke(sidehub, 'stateSet', 'whose', 'the side\'s')
      await w.invoke(judgehub, 'shout', room, 'from the judge')
      await w.invoke(sidehub, 'shout', room, 'from the side')
      await w.invoke(judgehub, 'leave', room)
      await w.invoke(judgehub, 'shout', room, 'nobody is left')
      await w.invoke(sidehub, 'shout', room, 'one is left')
      await side.counts(2)
      await Promise.all(welcomes.map(inbox => inbox.counts(1)))
      w.equal([texts(judge), texts(side)], [['from the judge'], ['from the side', 'one is left']], 'heard')
      w.equal([judgehub.state, sidehub.state], [{ whose: 'the judge\'s' }, { whose: 'the side\'s' }], 'states')
      w.equal(welcomes.map(inbox => inbox.items), [[[c.id]], [[c.id]]], 'ids')
    },
  },
  {
    name: 'a hub that is only for users is closed to everybody else',
    async run(w) {
      const ann = w.hubs({ names: ['judgeHub', 'usersHub'], qs: { user: 'ann' } })
      await w.start(ann)
      w.equal(await w.invoke(ann.proxies.usershub, 'echo', 'in'), 'in', 'answer')
      const nobody = w.hubs({ names: ['usersHub'] })
      nobody.mayComplain = true
      await w.fails(w.start(nobody), /^Error during negotiation request\.|^No transport could be initialized|^Error during start request/)
      const both = await w.connect({ names: ['judgeHub', 'usersHub'] })
      w.equal(await w.call(both, 'echo', 'in'), 'in', 'answer')
      await w.fails(w.invoke(both.proxies.usershub, 'echo', 'out'), /not authorized to invoke the echo method on usershub/i)
    },
  },
]
