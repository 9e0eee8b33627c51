// Invoke and send: values, results, and failures in SignalR's own sentences.

const plain = [null, true, false, 0, -1.5, 1e21, 2 ** 31, 2 ** 40, -(2 ** 40), '', 'Grüße, 世界 👋', '\u2028<&>"\\\x1e\0', [], [1, [2]],
  { a: { b: null } }, { 'Päivä': 1, '': 2 }]

export const calls = [
  {
    name: 'results of every kind come back as they went',
    core: true,
    async run(w) {
      const c = await w.connect()
      for (const value of plain) w.equal(await c.invoke('echo', value), value, 'echo')
      w.equal(await c.invoke('add', 20, 22), 42, 'add')
      w.equal(await c.invoke('whole', -7), -7, 'whole')
      w.equal(await c.invoke('real', 2), 2, 'a whole number for a real one')
      w.equal(await c.invoke('real', 0.1), 0.1, 'real')
      w.equal(await c.invoke('whole', 3.0), 3, 'whole')
    },
  },
  {
    name: 'a method without a result answers null',
    core: true,
    async run(w) {
      const c = await w.connect()
      w.equal(await c.invoke('nothing'), null, 'nothing')
    },
  },
  {
    name: 'names are found without regard to case',
    async run(w) {
      const c = await w.connect()
      w.equal(await c.invoke('ADD', 20, 22), 42, 'ADD')
      w.equal(await c.invoke('sHoUt', 'nobody', 'hi'), null, 'sHoUt')
    },
  },
  {
    name: 'a large result, and an argument just below the limit',
    async run(w) {
      const c = await w.connect()
      w.equal((await c.invoke('big', 1 << 20)).length, 1 << 20, 'length')
      const large = 'x'.repeat(32 * 1024 - 100)
      w.equal(await c.invoke('echo', large), large, 'echo')
    },
  },
  {
    name: 'many calls at once each get their own answer',
    async run(w) {
      const c = await w.connect()
      const sums = await w.within('answers', Promise.all(Array.from({ length: 500 }, (_, i) => c.invoke('add', i, i))))
      w.equal(sums, Array.from({ length: 500 }, (_, i) => 2 * i), 'sums')
    },
  },
  {
    name: 'send waits for no answer, and what is wrong in it hurts nobody',
    core: true,
    async run(w) {
      const c = await w.connect()
      const list = w.name('list')
      await c.send('nobody answers to this', 1)
      await c.send('add', 'not a number')
      await c.send('broken')
      await c.send('note', list, 'first')
      await c.send('note', list, 'second')
      w.equal(await c.invoke('noted', list), ['first', 'second'], 'noted')
    },
  },
  {
    name: 'bytes and moments, as text in JSON',
    protocols: ['json'],
    async run(w) {
      const c = await w.connect()
      w.equal(await c.invoke('bytes', 'AAEC/w=='), 'AAEC/w==', 'bytes')
      w.equal(await c.invoke('moment', '2024-02-29T12:34:56.789Z'), '2024-02-29T12:34:56.789Z', 'moment')
    },
  },
  {
    name: 'bytes and moments, as they are in MessagePack',
    protocols: ['messagepack'],
    async run(w) {
      const c = await w.connect()
      const bytes = Uint8Array.from({ length: 300 }, (_, i) => i)
      w.equal(await c.invoke('bytes', bytes), bytes, 'bytes')
      w.equal(await c.invoke('echo', bytes), bytes, 'echo of bytes')
      for (const at of ['2024-02-29T12:34:56.789Z', '1969-12-31T23:59:59.500Z', '2024-02-29T12:00:00Z', '2600-01-01T00:00:00Z']) {
        w.equal(await c.invoke('moment', new Date(at)), new Date(at), 'moment')
        w.equal(await c.invoke('echo', new Date(at)), new Date(at), 'echo of a moment')
      }
    },
  },
  {
    name: 'names of properties: camel case in JSON, read in any case',
    protocols: ['json'],
    async run(w) {
      const c = await w.connect()
      w.equal(await c.invoke('person', { firstName: 'Ann', age: 7, tags: ['a'] }), { firstName: 'Ann', age: 7, tags: ['a'] }, 'person')
      w.equal(await c.invoke('person', { FIRSTNAME: 'Ann', Age: 7, more: 1 }), { firstName: 'Ann', age: 7, tags: null }, 'person')
    },
  },
  {
    name: 'names of properties: as declared in MessagePack',
    protocols: ['messagepack'],
    async run(w) {
      const c = await w.connect()
      w.equal(await c.invoke('person', { FirstName: 'Ann', Age: 7, Tags: ['a'], More: 1 }), { FirstName: 'Ann', Age: 7, Tags: ['a'] }, 'person')
      w.equal(await c.invoke('person', { FirstName: 'Ann' }), { FirstName: 'Ann', Age: 0, Tags: null }, 'person')
    },
  },
  {
    name: 'failures come in SignalR\'s own sentences',
    core: true,
    async run(w) {
      const c = await w.connect()
      await w.fails(c.invoke('nope'), "Failed to invoke 'nope' due to an error on the server. HubException: Method does not exist.")
      await w.fails(c.invoke('fail', 'No luck today.'),
        "An unexpected error occurred invoking 'fail' on the server. HubException: No luck today.")
      await w.fails(c.invoke('failAs', 'InvalidOperationException', 'No luck today.'),
        "An unexpected error occurred invoking 'failAs' on the server. InvalidOperationException: No luck today.")
      await w.fails(c.invoke('broken'), "An unexpected error occurred invoking 'broken' on the server.")
      await w.fails(c.invoke('panic'), "An unexpected error occurred invoking 'panic' on the server.")
      await w.fails(c.invoke('count', 3),
        "The client attempted to invoke the streaming 'count' method with a non-streaming invocation.")
      w.equal(await c.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'wrong arguments fail their call and nothing else',
    core: true,
    async run(w) {
      const c = await w.connect()
      for (const args of [[], [1], [1, 2, 3], ['one', 'two'], [1, null, 2], [{}, []], [1.5, 1], [2 ** 70, 1]]) {
        await w.fails(c.invoke('add', ...args), "Failed to invoke 'add' due to an error on the server.")
      }
      w.equal(await c.invoke('add', 1, 2), 3, 'add')
    },
  },
  {
    name: 'an endpoint with detailed errors says what was wrong',
    async run(w) {
      const c = await w.connect({ path: '/signalr/detailed' })
      await w.fails(c.invoke('broken'), "An unexpected error occurred invoking 'broken' on the server. Exception: the password is 1234")
      await w.fails(c.invoke('fail', 'No luck.'), "An unexpected error occurred invoking 'fail' on the server. HubException: No luck.")
      await w.fails(c.invoke('failAs', 'IOException', 'No luck.'),
        "An unexpected error occurred invoking 'failAs' on the server. IOException: No luck.")
      await w.fails(c.invoke('add', 1), /^Failed to invoke 'add' due to an error on the server\. InvalidDataException: .*1 argument/)
      await w.fails(c.invoke('add', 'one', 2), /^Failed to invoke 'add' due to an error on the server\. InvalidDataException: ./)
      await w.fails(w.streamed(c, 'stumble', 1), /^An error occurred on the server while streaming results\. HubException: stumbled after 1$/)
    },
  },
  {
    name: 'a method that is not for everyone',
    async run(w) {
      const [ann, ben] = await Promise.all(['ann', 'ben'].map(user => w.connect({ query: { user } })))
      w.equal(await ann.invoke('secret'), '42', 'secret')
      await w.fails(ben.invoke('secret'), "Failed to invoke 'secret' because user is unauthorized")
      w.equal(await ben.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
]
