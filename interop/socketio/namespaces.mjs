// Several namespaces over one connection.

/** with is what a namespace is joined with: auth, or before version 3 a query of its own. */
const joining = (w, values) => w.revision === 4 ? { auth: values } : { query: new URLSearchParams(values).toString() }

export const namespaces = [
  {
    name: 'a namespace by its address',
    async run(w) {
      const s = await w.connect({ nsp: '/chat' })
      const seen = await w.call(s, 'describe')
      w.equal({ id: seen.id, nsp: seen.nsp }, { id: await w.id(s), nsp: '/chat' }, 'what the hub sees')
      if (w.revision === 3 && !/^\/chat#[\w-]{20}$/.test(seen.id)) throw new Error(`an id like none of version 2's: ${seen.id}`)
    },
  },
  {
    name: 'three namespaces share a connection, each with its own events and ids',
    async run(w) {
      const s = await w.connect()
      const all = [s, w.another(s, '/chat'), w.another(s, '/dynamic-7')]
      for (const each of all) await w.connected(each)
      const said = all.map(each => w.heard(each, 'said'))
      all.forEach((each, i) => each.emit('say', i))
      w.equal(await Promise.all(said.map(inbox => inbox.counts(1))), [[[0]], [[1]], [[2]]], 'said')
      w.equal((await Promise.all(all.map(each => w.call(each, 'describe')))).map(({ nsp }) => nsp), ['/', '/chat', '/dynamic-7'], 'namespaces')
      w.equal(new Set(await Promise.all(all.map(each => w.id(each)))).size, 3, 'ids')
      w.equal(said.map(inbox => inbox.items.length), [1, 1, 1], 'said')
    },
  },
  {
    name: 'auth of a namespace, before version 3 its query, opens a guarded one',
    async run(w) {
      const s = await w.connect()
      const guarded = await w.connected(w.another(s, '/guarded', joining(w, { token: 'secret' })))
      w.equal((await w.call(guarded, 'describe')).auth, { token: 'secret' }, 'auth')
    },
  },
  {
    name: 'the query in the address of a namespace',
    until: 3,
    async run(w) {
      const s = await w.connect({ nsp: '/guarded?token=secret' })
      w.equal((await w.call(s, 'describe')).auth, { token: 'secret' }, 'auth')
    },
  },
  {
    name: 'a namespace that refuses says why, and the others stay',
    async run(w) {
      const s = await w.connect()
      const said = await w.refused(w.another(s, '/guarded', joining(w, { token: 'wrong' })))
      const data = { code: 401, hints: ['token'] }
      w.equal(said, w.revision === 4 ? { message: 'no token', data } : data, 'refusal')
      w.equal(await w.call(s, 'echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'a namespace that is not there is refused, and the others stay',
    async run(w) {
      const s = await w.connect()
      const said = await w.refused(w.another(s, '/nowhere'))
      w.equal(said, w.revision === 4 ? { message: 'Invalid namespace', data: undefined }
        : { message: 'Invalid namespace' }, 'refusal')
      w.equal(await w.call(s, 'echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'a namespace by pattern is there for those who ask, each with its own rooms',
    async run(w) {
      const [a, b] = [1, 2].map(() => `/dynamic-${Math.random().toString().slice(2)}`)
      const [ann, ben, cem] = await Promise.all([a, a, b].map(nsp => w.connect({ nsp })))
      const heard = [ann, ben, cem].map(s => w.heard(s))
      w.equal((await w.call(cem, 'describe')).nsp, b, 'namespace')
      for (const s of [ann, ben, cem]) await w.call(s, 'join', 'room')
      await w.call(ann, 'send', { to: ['room'] }, 'heard', ['a'])
      await w.call(cem, 'send', { to: ['room'] }, 'heard', ['b'])
      for (const s of [ann, ben, cem]) await w.call(s, 'nothing')
      w.equal(heard.map(inbox => inbox.items), [[['a']], [['a']], [['b']]], 'heard')
      w.among((await w.refused(w.make({ nsp: '/dynamic-x' }))).message, ['Invalid namespace'], 'a name of another pattern')
    },
  },
  {
    name: 'a namespace whose name is not ASCII',
    since: 3, // before, the client escapes it once more than the server does
    async run(w) {
      const s = await w.connect()
      const other = await w.connected(w.another(s, '/Grüße'))
      w.equal((await w.call(other, 'describe')).nsp, '/Grüße', 'namespace')
    },
  },
  {
    name: 'who leaves one namespace stays in another, and may come back',
    async run(w) {
      const s = await w.connect()
      const chat = await w.connected(w.another(s, '/chat'))
      const id = await w.id(chat)
      const away = w.away(chat)
      chat.disconnect()
      w.equal(await away, 'io client disconnect', 'reason')
      w.equal(await w.call(s, 'echo', 'still here'), 'still here', 'echo')
      const other = await w.connect({ nsp: '/chat' })
      w.equal(await w.call(other, 'gone', id), 'client namespace disconnect', 'reason that the hub sees')
      const back = w.next(chat, 'connect')
      chat.connect()
      await back
      w.equal(await w.call(chat, 'echo', 'back'), 'back', 'echo')
      w.equal(s.connected, true, 'connected')
    },
  },
  {
    name: 'who is sent away from one namespace stays in another, and may come back',
    async run(w) {
      const s = await w.connect()
      const chat = await w.connected(w.another(s, '/chat'))
      const away = w.away(chat)
      chat.emit('kick')
      w.equal(await away, 'io server disconnect', 'reason')
      w.equal(await w.call(s, 'echo', 'still here'), 'still here', 'echo')
      const back = w.next(chat, 'connect')
      chat.connect()
      await back
      w.equal(await w.call(chat, 'echo', 'back'), 'back', 'echo')
    },
  },
]
