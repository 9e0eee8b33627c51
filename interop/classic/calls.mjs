// Methods, their results and errors, state and progress.

const values = [
  0, -1, 1.5, true, false, null, '', 'ü€😀', '</script><!-- "quotes" \'\\ \u2028\u2029\u0000', [], [1, [2, ['three']]],
  { a: 1, b: { c: null } }, { C: 'd-1', M: [], I: '0', H: 'judgehub' }, '/Date(1224043200000)/', '2012-03-19T07:22:00Z',
  9007199254740991, 'x'.repeat(20_000),
]

export const calls = [
  {
    name: 'values come back as they were',
    async run(w) {
      const c = await w.connect()
      const want = values.map(value => value ?? undefined) // a result that is null is left out
      w.equal(await Promise.all(values.map(value => w.call(c, 'echo', value))), want, 'values')
      w.equal(await w.call(c, 'add', 20, 22), 42, 'sum')
      w.equal(await w.call(c, 'nothing'), undefined, 'no result')
      w.equal(await w.call(c, 'years', { FirstName: 'Ann', Age: 44, Tags: ['x'] }), 44, 'years')
    },
  },
  {
    name: 'what JSON has no word for is null',
    async run(w) {
      const c = await w.connect()
      w.equal(await w.call(c, 'echo', [undefined, 1]), [null, 1], 'answer')
      w.equal([await w.call(c, 'isNull', undefined), await w.call(c, 'isNull', () => 1), await w.call(c, 'isNull', 0)], [true, true, false], 'answers')
    },
  },
  {
    name: 'the case of names does not matter',
    async run(w) {
      const c = w.hubs({ names: ['JUDGEhub'] })
      const heard = w.heard(c, 'HEARD')
      await w.start(c)
      w.equal(await w.call(c, 'ECHO', 'a'), 'a', 'answer')
      await w.call(c, 'TOone', c.id, 'hello')
      await heard.counts(1)
    },
  },
  {
    name: 'many calls at once have an answer each',
    async run(w) {
      const c = await w.connect()
      const numbers = Array.from({ length: 100 }, (_, i) => i)
      w.equal(await Promise.all(numbers.map(n => w.call(c, 'add', n, 1))), numbers.map(n => n + 1), 'answers')
    },
  },
  {
    name: 'a hub that the page does not listen to answers',
    async run(w) {
      const c = w.hubs({ names: [] })
      const proxy = c.createHubProxy('judgeHub')
      await w.start(c)
      w.equal(await w.invoke(proxy, 'echo', 'a'), 'a', 'answer')
      await w.invoke(proxy, 'burst', 3) // nobody listens
      w.equal(await w.invoke(proxy, 'echo', 'b'), 'b', 'answer')
    },
  },
  {
    name: 'an error of the application arrives with its data',
    async run(w) {
      const c = await w.connect()
      const err = await w.fails(w.call(c, 'fail', 'No luck.'), 'No luck.')
      w.equal([err.source, err.data], ['HubException', [1, 2]], 'kind and data')
      w.equal(await w.call(c, 'echo', 'still here'), 'still here', 'answer')
    },
  },
  {
    name: 'an error that is nobody\'s business has a neutral sentence',
    async run(w) {
      const c = await w.connect()
      for (const method of ['broken', 'panic']) {
        const err = await w.fails(w.call(c, method), new RegExp(`^There was an error invoking Hub method 'judgehub\\.${method}'\\.$`, 'i'))
        w.equal([err.source, err.data], ['Exception', undefined], 'kind and data')
      }
    },
  },
  {
    name: 'with detailed errors it has its own words',
    async run(w) {
      const c = await w.connect({ path: '/classic/detailed' })
      const err = await w.fails(w.call(c, 'broken'), /the password is 1234/)
      w.equal(err.source, 'Exception', 'kind')
    },
  },
  {
    name: 'a method that does not exist, and one with other arguments, have an error',
    async run(w) {
      const c = await w.connect({ path: '/classic/detailed' })
      await w.fails(w.call(c, 'nobody'), /'nobody' method could not be resolved\. No method found with that name\./)
      await w.fails(w.call(c, 'add', 1), /'add' method could not be resolved\. Potential candidates are:/)
      await w.fails(w.call(c, 'add', 1, 2, 3), /'add' method could not be resolved\. Potential candidates are:/)
      await w.fails(w.call(c, 'add', 'one', 'two'), /./)
      w.equal(await w.call(c, 'add', 1, 2), 3, 'sum')
    },
  },
  {
    name: 'a method that is not for everybody is for those it is for',
    async run(w) {
      const [ann, ben] = await Promise.all([w.connect({ qs: { user: 'ann' } }), w.connect({ qs: { user: 'ben' } })])
      w.equal(await w.call(ann, 'secret'), '42', 'answer')
      await w.fails(w.call(ben, 'secret'), /not for you|Caller is not authorized to invoke the secret method on /i)
    },
  },
  {
    name: 'state goes with a call and comes back with its result, what has changed of it',
    async run(w) {
      const c = await w.connect()
      c.hub.state.name = 'Ann'
      c.hub.state.list = [1, 2]
      w.equal(await w.call(c, 'stateNames'), ['list', 'name'], 'names')
      w.equal(await w.call(c, 'stateGet', 'name'), 'Ann', 'name')
      await w.call(c, 'stateSet', 'name', 'Anna')
      await w.call(c, 'stateSet', 'age', 44)
      w.equal(c.hub.state, { name: 'Anna', list: [1, 2], age: 44 }, 'state')
      const err = await w.fails(w.call(c, 'stateSetAndFail', 'age', 45), 'No luck.')
      w.equal([err.source, c.hub.state.age], ['HubException', 45], 'kind and age')
    },
  },
  {
    name: 'state comes with a call to the caller, too, and to nobody else',
    async run(w) {
      const [ann, ben] = await Promise.all([w.connect(), w.connect()])
      const room = w.name()
      const [annHears, benHears] = [w.heard(ann, 'shouted'), w.heard(ben, 'shouted')]
      const seen = []
      ann.hub.on('heard', () => seen.push(ann.hub.state.mood))
      for (const c of [ann, ben]) await w.call(c, 'join', room)
      await w.call(ann, 'stateAndTell', room, 'mood', 'fine')
      await Promise.all([annHears.counts(1), benHears.counts(1)])
      w.equal([seen, ann.hub.state, ben.hub.state], [['fine'], { mood: 'fine' }, {}], 'state')
    },
  },
  {
    name: 'state over 4096 characters is an error',
    async run(w) {
      const c = await w.connect()
      c.hub.state.long = 'x'.repeat(4200)
      c.mayComplain = true
      await w.fails(w.call(c, 'echo', 1), /./)
      c.hub.state = {}
      w.equal(await w.call(c, 'echo', 2), 2, 'answer')
    },
  },
  {
    name: 'progress arrives in order, and before the result',
    async run(w) {
      const c = await w.connect()
      const heard = []
      const work = n => w.within('result', new Promise((resolve, reject) => {
        const mine = []
        heard.push(mine)
        c.hub.invoke('work', n).progress(value => mine.push(value)).done(resolve).fail(reject)
      }))
      w.equal(await Promise.all([work(10), work(3)]), ['did 10', 'did 3'], 'results')
      w.equal(heard, [Array.from({ length: 10 }, (_, i) => ({ done: i + 1 })), [1, 2, 3].map(done => ({ done }))], 'progress')
    },
  },
  {
    name: 'progress after the result is an error of the hub\'s, and nobody hears of it',
    async run(w) {
      const c = await w.connect()
      const late = w.name('late')
      const heard = []
      const result = await w.within('result', new Promise((resolve, reject) => {
        c.hub.invoke('workLate', late).progress(value => heard.push(value)).done(resolve).fail(reject)
      }))
      w.equal([result, heard], ['early', ['in time']], 'result and progress')
      w.says(await w.call(c, 'lateness', late), /./)
      w.equal(heard, ['in time'], 'progress')
    },
  },
  {
    name: 'a big result arrives whole',
    async run(w) {
      const c = await w.connect()
      w.equal((await w.call(c, 'big', 500_000)).length, 500_000, 'length')
    },
  },
  {
    name: 'a message over 64 KB fails, and the client goes on as it was',
    async run(w) {
      const c = await w.connect()
      const room = w.name()
      const id = c.id
      await w.call(c, 'join', room)
      w.equal((await w.call(c, 'echo', 'x'.repeat(60_000))).length, 60_000, 'length')
      c.mayComplain = true
      await w.fails(w.call(c, 'echo', 'x'.repeat(70_000)), /Connection started reconnecting before invocation result was received|Send failed/)
      if (w.transport === 'webSockets') await w.reaches(c, 'connected', 2)
      const heard = w.heard(c, 'shouted')
      await w.call(c, 'shout', room, 'still here')
      await heard.counts(1)
      w.equal([c.id, (await w.describe(c)).id], [id, id], 'id')
    },
  },
  {
    name: 'a call that waits does not hold up those of others',
    async run(w) {
      const [ann, ben] = await Promise.all([w.connect(), w.connect()])
      const gate = w.name('gate')
      const held = w.call(ann, 'hold', gate)
      await w.call(ben, 'held', gate)
      await w.call(ben, 'free', gate)
      w.equal(await held, gate, 'answer')
    },
  },
]
