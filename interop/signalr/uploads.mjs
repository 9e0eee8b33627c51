// Streams to the hub. One client library's fault is stepped around: of two Subjects side by side in the list of
// arguments it sees only the first, so that something stands between them.

const send = (subject, ...items) => {
  for (const item of items) subject.next(item)
  subject.complete()
}

/** sent resolves when a connection has sent n messages of an upload: one of them goes with every other call, at least. */
const sent = async (c, n) => { for (let i = 0; i <= 2 * n; i++) await c.invoke('echo', i) }

const unexpected = name => `An unexpected error occurred invoking '${name}' on the server.`

export const uploads = [
  {
    name: 'an upload with invoke',
    core: true,
    since: 3,
    async run(w) {
      const c = await w.connect()
      const items = w.subject()
      const sum = c.invoke('sum', items)
      const n = w.transport === 'WebSockets' ? 1000 : 30 // each of which is a POST
      send(items, ...Array.from({ length: n }, (_, i) => i))
      w.equal(await w.within('sum', sum), n * (n - 1) / 2, 'sum')
      const none = w.subject()
      const zero = c.invoke('sum', none)
      send(none)
      w.equal(await w.within('sum', zero), 0, 'sum of nothing')
    },
  },
  {
    name: 'an upload with send',
    core: true,
    since: 3,
    async run(w) {
      const c = await w.connect()
      const told = w.heard(c, 'sum')
      const items = w.subject()
      await c.send('tellSum', items)
      send(items, 1, 2, 3)
      w.equal(await told.counts(1), [[6]], 'told')
    },
  },
  {
    name: 'an upload with stream, both ways at once',
    core: true,
    since: 3,
    async run(w) {
      const c = await w.connect()
      const items = w.subject()
      const seen = []
      const done = w.within('end', new Promise((resolve, reject) => c.stream('doubled', items).subscribe({
        next(item) { // the next item goes when the answer to the one before has come
          seen.push(item)
          if (item < 20) items.next(item / 2 + 1)
          else items.complete()
        },
        complete: resolve, error: reject,
      })))
      items.next(1)
      await done
      w.equal(seen, Array.from({ length: 10 }, (_, i) => 2 * (i + 1)), 'doubled')
    },
  },
  {
    name: 'several uploads in one call',
    since: 3,
    async run(w) {
      const c = await w.connect()
      const [a, b] = [w.subject(), w.subject()]
      const zipped = c.invoke('zip', a, '-', b)
      a.next('a')
      b.next('1')
      b.next('2')
      a.next('b')
      a.complete()
      b.complete()
      w.equal(await w.within('zip', zipped), ['a-1', 'b-2'], 'zip')
      await sent(c, 6)
    },
  },
  {
    name: 'items of every kind',
    since: 3,
    async run(w) {
      const c = await w.connect()
      const values = [null, true, 'Grüße 👋', { a: [1] }, [], 1.5]
      if (w.protocol === 'messagepack') values.push(Uint8Array.of(0, 255), new Date(1234))
      const items = w.subject()
      const echoed = w.streamed(c, 'echoAll', items)
      send(items, ...values)
      w.equal(await echoed, values, 'echoAll')
    },
  },
  {
    name: 'an upload that the client fails',
    since: 3,
    async run(w) {
      const c = await w.connect()
      const items = w.subject()
      const failure = w.fails(c.invoke('sum', items), `${unexpected('sum')} HubException: out of numbers`)
      items.next(1)
      items.error(new Error('out of numbers'))
      await failure
      w.equal(await c.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'an item of another type fails its upload',
    since: 3,
    async run(w) {
      const c = await w.connect()
      const items = w.subject()
      const failure = w.fails(c.invoke('sum', items), `${unexpected('sum')} HubException: Failed to bind Stream message.`)
      items.next(1)
      items.next('two')
      await failure
      items.next(3) // of a call that has ended
      items.complete()
      await sent(c, 2)
      w.equal(await c.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'a method that wants no more of an upload',
    since: 3,
    async run(w) {
      const c = await w.connect()
      const items = w.subject()
      const two = c.invoke('firstTwo', items)
      for (let i = 1; i <= 5; i++) items.next(i)
      w.equal(await w.within('firstTwo', two), [1, 2], 'firstTwo')
      for (let i = 6; i <= 20; i++) items.next(i) // nobody reads them, and nobody minds
      items.complete()
      await sent(c, 21)
      const more = w.subject()
      const failure = w.fails(c.invoke('failEarly', more), `${unexpected('failEarly')} HubException: enough`)
      more.next(1)
      await failure
      w.equal(await c.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'the wrong number of uploads',
    since: 3,
    async run(w) {
      const c = await w.connect()
      await w.fails(c.invoke('sum'), `${unexpected('sum')} HubException: Client sent 0 stream(s), Hub method expects 1.`)
      await w.fails(c.invoke('zip', w.subject(), '-'), `${unexpected('zip')} HubException: Client sent 1 stream(s), Hub method expects 2.`)
      await w.fails(c.invoke('nothing', w.subject()), `${unexpected('nothing')} HubException: Client sent 1 stream(s), Hub method expects 0.`)
      w.equal(await c.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'a call that uploads takes no place of others',
    since: 3,
    async run(w) {
      const c = await w.connect()
      const [one, two] = [w.subject(), w.subject()]
      const sums = [c.invoke('sum', one), c.invoke('sum', two)]
      w.equal(await c.invoke('add', 1, 2), 3, 'add')
      send(two, 5)
      w.equal(await w.within('sum', sums[1]), 5, 'sum')
      send(one, 4)
      w.equal(await w.within('sum', sums[0]), 4, 'sum')
    },
  },
  {
    name: 'ten items wait for a slow method, more hold the connection up',
    since: 3,
    async run(w) {
      const [c, other] = await Promise.all([w.connect(), w.connect()])
      const gate = w.name('gate')
      const items = w.subject()
      const sum = c.invoke('heldSum', gate, items)
      await other.invoke('held', gate)
      for (let i = 0; i < 10; i++) items.next(1)
      await sent(c, 10)
      for (let i = 0; i < 30; i++) items.next(1)
      // The connection stands still when another has a hundred answers and it has none.
      let last, still = false
      for (let i = 0; i < 40 && !still; i++) {
        let answered = false
        last = c.invoke('echo', i).then(() => { answered = true })
        for (let n = 0; n < 100 && !answered; n++) await other.invoke('echo', n)
        still = !answered
      }
      w.equal(still, true, 'whether the connection stands still behind 30 items that nobody takes')
      await other.invoke('free', gate)
      items.complete()
      await w.within('answer', last)
      w.equal(await w.within('sum', sum), 40, 'sum')
    },
  },
]
