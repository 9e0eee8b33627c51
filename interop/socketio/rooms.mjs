// Rooms, users, and what may be said to them.

const texts = ({ heard }) => heard.items.map(args => args[0])

/** settle waits until whatever was sent to members before has come. */
const settle = (w, members) => Promise.all(members.map(({ socket }) => w.call(socket, 'nothing')))

export const rooms = [
  {
    name: 'a room hears what it is told, in one order',
    async run(w) {
      const room = w.name()
      const all = await Promise.all([w.member(room), w.member(room), w.member(room)])
      await Promise.all(all.map(async ({ socket }, i) => {
        const done = []
        for (let n = 0; n < 30; n++) done.push(w.call(socket, 'send', { to: [room] }, 'heard', [`${i}.${n}`]))
        await Promise.all(done)
      }))
      for (const { heard } of all) await heard.counts(90)
      for (const each of all) w.equal(texts(each), texts(all[0]), 'order')
      for (const i of [0, 1, 2]) {
        w.equal(texts(all[0]).filter(text => text.startsWith(`${i}.`)), Array.from({ length: 30 }, (_, n) => `${i}.${n}`), 'one sender')
      }
    },
  },
  {
    name: 'joining twice is joining once, and who leaves hears no more',
    async run(w) {
      const room = w.name()
      const [ann, ben] = await Promise.all([w.member(room), w.member(room, room)])
      w.equal(await w.call(ben.socket, 'rooms'), [room], 'rooms')
      await w.call(ann.socket, 'send', { to: [room] }, 'heard', ['one'])
      await w.call(ben.socket, 'leave', room)
      w.equal(await w.call(ben.socket, 'rooms'), [], 'rooms')
      await w.call(ann.socket, 'send', { to: [room] }, 'heard', ['two'])
      await settle(w, [ann, ben])
      w.equal([texts(ann), texts(ben)], [['one', 'two'], ['one']], 'heard')
    },
  },
  {
    name: 'others hear what its sender does not',
    async run(w) {
      const room = w.name()
      const all = await Promise.all([w.member(room), w.member(room), w.member()])
      await w.call(all[0].socket, 'send', { to: [room], others: true }, 'heard', ['to the room'])
      await w.call(all[2].socket, 'send', { to: [room], others: true }, 'heard', ['from outside'])
      await settle(w, all)
      w.equal(all.map(texts), [['from outside'], ['to the room', 'from outside'], []], 'heard')
    },
  },
  {
    name: 'a union of rooms hears it once each',
    async run(w) {
      const [a, b, c] = [w.name(), w.name(), w.name()]
      const all = await Promise.all([w.member(a), w.member(a, b), w.member(b, c), w.member(c), w.member()])
      await w.call(all[4].socket, 'send', { to: [a, b] }, 'heard', ['a or b'])
      await settle(w, all)
      w.equal(all.map(texts), [['a or b'], ['a or b'], ['a or b'], [], []], 'heard')
    },
  },
  {
    name: 'a room without another room, and without one member',
    async run(w) {
      const [a, b] = [w.name(), w.name()]
      const all = await Promise.all([w.member(a), w.member(a, b), w.member(a)])
      await w.call(all[0].socket, 'send', { to: [a], except: [b] }, 'heard', ['a without b'])
      await w.call(all[0].socket, 'send', { to: [a], except: [all[2].id] }, 'heard', ['a without one'])
      await settle(w, all)
      w.equal(all.map(texts), [['a without b', 'a without one'], ['a without one'], ['a without b']], 'heard')
    },
  },
  {
    name: 'one member by its id, which is a room',
    async run(w) {
      const all = await Promise.all([w.member(), w.member()])
      await w.call(all[0].socket, 'send', { to: [all[1].id] }, 'heard', ['for you'])
      await settle(w, all)
      w.equal(all.map(texts), [[], ['for you']], 'heard')
    },
  },
  {
    name: 'a user hears it on all of their connections',
    async run(w) {
      const user = w.name('user')
      const all = await Promise.all([user, user, `not-${user}`].map(name => w.connect({ query: { user: name } })))
      const paged = all.map(s => w.heard(s, 'paged'))
      await w.call(all[2], 'page', user, 'hello')
      for (const s of all) await w.call(s, 'nothing')
      w.equal(paged.map(inbox => inbox.items), [[['hello']], [['hello']], []], 'paged')
    },
  },
  {
    name: 'what may be lost, and what is not to be compressed, arrives when nothing is in the way',
    async run(w) {
      const room = w.name()
      const [ann, ben] = [await w.member(room), await w.member(room)]
      await w.upgraded(ben.socket)
      await w.call(ann.socket, 'send', { to: [room], uncompressed: true }, 'heard', ['uncompressed'])
      w.equal(await ben.heard.counts(1), [['uncompressed']], 'heard')
      while (ben.heard.items.length < 2) await w.call(ann.socket, 'send', { to: [room], volatile: true }, 'heard', ['volatile'])
      w.equal(ben.heard.items[1], ['volatile'], 'heard')
    },
  },
  {
    name: 'a question to a room collects all answers',
    async run(w) {
      const room = w.name()
      const all = await Promise.all([w.member(room), w.member(room), w.member(room)])
      all.forEach(({ socket }, i) => socket.on('question', (question, answer) => answer(`${question} ${i}`)))
      const { answers, late } = await w.call(all[0].socket, 'collect', { to: [room] }, 'who?', 20_000)
      w.equal(answers.sort(), ['who? 0', 'who? 1', 'who? 2'], 'answers')
      w.equal(late, false, 'late')
    },
  },
  {
    name: 'a question to a room with a member that never answers gives the other answers',
    async run(w) {
      const room = w.name()
      const all = await Promise.all([w.member(room), w.member(room), w.member(room)])
      const asked = w.heard(all[2].socket, 'question')
      for (const i of [0, 1]) all[i].socket.on('question', (_, answer) => answer({ i, bytes: Buffer.from([i]) }))
      let answers = []
      for (let ms = 250; answers.length < 2 && ms < 20_000; ms *= 2) { // a slow machine gets more time
        const collected = await w.call(all[0].socket, 'collect', { to: [room] }, 'who?', ms)
        w.equal(collected.late, true, 'late')
        answers = collected.answers
      }
      w.equal(answers.sort((a, b) => a.i - b.i), [{ i: 0, bytes: Buffer.from([0]) }, { i: 1, bytes: Buffer.from([1]) }], 'answers')
      const [[, answer]] = await asked.counts(1)
      answer('too late') // is ignored
      w.equal(await w.call(all[2].socket, 'echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'a question to an empty room has no answers',
    async run(w) {
      w.equal(await w.call(await w.connect(), 'collect', { to: [w.name()] }, 'who?', 20_000), { answers: [], late: false }, 'answers')
    },
  },
  {
    name: 'members are listed, taken into rooms, out of them, and sent away, as one',
    async run(w) {
      const [a, b] = [w.name(), w.name()]
      const [ann, ben, cem] = await Promise.all([w.member(a), w.member(a), w.member()])
      const ids = [ann.id, ben.id].sort()
      w.equal(await w.call(cem.socket, 'list', { to: [a] }), ids, 'list')
      await w.call(cem.socket, 'joinAll', { to: [a] }, [b])
      w.equal(await w.call(cem.socket, 'list', { to: [b] }), ids, 'list after joinAll')
      await w.call(cem.socket, 'leaveAll', { to: [b], except: [ann.id] }, [a])
      w.equal(await w.call(cem.socket, 'list', { to: [a] }), [ann.id], 'list after leaveAll')
      w.equal(await w.call(ann.socket, 'rooms'), [a, b].sort(), 'rooms')
      const away = Promise.all([ann, ben].map(({ socket }) => w.away(socket)))
      await w.call(cem.socket, 'closeAll', { to: [b] })
      w.equal(await away, ['io server disconnect', 'io server disconnect'], 'reasons')
      w.equal(await w.call(cem.socket, 'list', { to: [b] }), [], 'list after closeAll')
    },
  },
  {
    name: 'rooms are forgotten with the connection',
    async run(w) {
      const room = w.name()
      const [ann, ben] = [await w.member(room), await w.member(room)]
      ben.socket.disconnect()
      await w.call(ann.socket, 'gone', ben.id)
      w.equal(await w.call(ann.socket, 'list', { to: [room] }), [ann.id], 'list')
      const back = w.next(ben.socket, 'connect')
      ben.socket.connect()
      await back
      w.equal(await w.call(ben.socket, 'rooms'), [], 'rooms')
    },
  },
]
