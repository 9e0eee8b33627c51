// Client results: the hub asks, the client answers. Clients have the word for it since version 7.

const failed = "An unexpected error occurred invoking 'askFor' on the server."

export const answers = [
  {
    name: 'the hub asks from a handler, the client answers',
    since: 7,
    async run(w) {
      const c = await w.connect()
      const questions = []
      c.on('confirm', question => {
        questions.push(question)
        return question === 'Sure?'
      })
      w.equal(await c.invoke('ask', 'Sure?'), true, 'ask')
      w.equal(await c.invoke('ask', 'Really?'), false, 'ask')
      w.equal(questions, ['Sure?', 'Really?'], 'questions')
    },
  },
  {
    name: 'answers of every kind, also late ones',
    since: 7,
    async run(w) {
      const c = await w.connect()
      const values = [null, 0, '', 'Grüße 👋', [], { a: null }, 'x'.repeat(20_000)]
      c.on('answer', async question => {
        await c.invoke('echo', 'something else first')
        return values[question]
      })
      for (let i = 0; i < values.length; i++) w.equal(await c.invoke('askFor', String(i)), values[i], `answer ${i}`)
    },
  },
  {
    name: 'while it asks, a handler gives its place to other calls',
    since: 7,
    async run(w) {
      const c = await w.connect()
      c.on('answer', question => c.invoke('add', Number(question), 1)) // would wait for ever in the order of calls
      w.equal(await w.within('answer', c.invoke('askFor', '41')), 42, 'askFor')
    },
  },
  {
    name: 'the hub asks from outside of any call',
    since: 7,
    async run(w) {
      const c = await w.connect()
      c.on('answer', question => ({ question }))
      const { id } = await w.describe(c)
      const answer = await fetch(`${w.server.url}/ask?${new URLSearchParams({ id, question: 'Who?' })}`, { method: 'POST' })
      w.equal(await answer.json(), { question: 'Who?' }, 'answer')
    },
  },
  {
    name: 'one client has the hub ask another',
    since: 7,
    async run(w) {
      const [ann, ben] = await Promise.all([w.connect(), w.connect()])
      ben.on('answer', question => `${question} Ben!`)
      const { id } = await w.describe(ben)
      w.equal(await ann.invoke('askOther', id, 'Who?'), 'Who? Ben!', 'askOther')
      await ben.stop()
      await w.fails(ann.invoke('askOther', id, 'Who?'), /^An unexpected error occurred invoking 'askOther' on the server\./)
    },
  },
  {
    name: 'answers that fail, and the lack of one',
    since: 7,
    async run(w) {
      const c = await w.connect()
      await w.fails(c.invoke('askFor', 'anyone?'), `${failed} HubException: Client didn't provide a result.`)
      c.on('answer', question => {
        if (question === 'fail') throw new Error('I would rather not')
      })
      await w.fails(c.invoke('askFor', 'fail'), `${failed} HubException: Error: I would rather not`)
      await w.fails(c.invoke('askFor', 'nothing'), `${failed} HubException: Client didn't provide a result.`)
      c.on('confirm', () => 'not a bool')
      await w.fails(c.invoke('ask', 'Sure?'), /^An unexpected error occurred invoking 'ask' on the server\./)
      w.equal(await c.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'two handlers with an answer each are one too many',
    since: 7,
    async run(w) {
      const c = await w.connect()
      c.on('answer', () => 1)
      c.on('answer', () => 2)
      await w.fails(c.invoke('askFor', 'which?'), `${failed} HubException: Client provided multiple results.`)
    },
  },
  {
    name: 'a question whose client goes away fails',
    since: 7,
    async run(w) {
      const [ann, ben] = await Promise.all([w.connect(), w.connect()])
      const { id } = await w.describe(ben)
      ben.on('answer', () => {
        ben.connection.stop()
        return new Promise(() => {})
      })
      await w.fails(ann.invoke('askOther', id, 'Still there?'), "An unexpected error occurred invoking 'askOther' on the server.")
    },
  },
  {
    name: 'a question that is not answered in time fails, and its late answer is ignored',
    since: 7,
    async run(w) {
      const c = await w.connect({ at: await w.serve({ args: ['--ask', '200ms'] }) })
      let late
      c.on('answer', () => new Promise(resolve => { late = resolve }))
      await w.fails(c.invoke('askFor', 'When?'), failed)
      late('never')
      w.equal(await c.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'a question in OnConnect is refused',
    since: 7,
    async run(w) {
      const c = w.watched(w.builder({ path: '/signalr/detailed', query: { ask: 'early' } }).build())
      c.on('answer', () => 'yes')
      await w.fails(c.start().then(() => c.closed).then(err => Promise.reject(err)),
        /^Server returned an error on close: Connection closed with an error\. .*(still connecting|OnConnectedAsync)/)
    },
  },
  {
    name: 'a client of before version 7 leaves when it is asked',
    core: true,
    unless: ({ major }) => major >= 7,
    async run(w) {
      const c = await w.connect()
      c.on('answer', () => 'yes')
      const failure = w.fails(c.invoke('askFor', 'Sure?'), /./)
      w.says(await w.lost(c), 'Server requested a response, which is not supported in this version of the client.')
      await failure
      const other = await w.connect()
      w.equal(await other.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
]
