// Streams from the hub.

const still = "The client attempted to invoke the non-streaming 'echo' method with a streaming invocation."

export const streams = [
  {
    name: 'streams run to their end',
    core: true,
    async run(w) {
      const c = await w.connect()
      w.equal(await w.streamed(c, 'count', 0), [], 'count to 0')
      w.equal(await w.streamed(c, 'count', 1000), Array.from({ length: 1000 }, (_, i) => i + 1), 'count to 1000')
      const both = await Promise.all([w.streamed(c, 'count', 3), w.streamed(c, 'count', 5)])
      w.equal(both, [[1, 2, 3], [1, 2, 3, 4, 5]], 'two at once')
    },
  },
  {
    name: 'a stream that fails says so',
    core: true,
    async run(w) {
      const c = await w.connect()
      await w.fails(w.streamed(c, 'stumble', 2), 'An error occurred on the server while streaming results. HubException: stumbled after 2')
      await w.fails(w.streamed(c, 'nope'), /Method does not exist/)
      await w.fails(w.streamed(c, 'count', 'many'), "Failed to invoke 'count' due to an error on the server.")
      await w.fails(w.streamed(c, 'echo', 1), still)
      w.equal(await c.invoke('echo', 'still here'), 'still here', 'echo')
    },
  },
  {
    name: 'what a failing stream had sent arrives before its failure',
    async run(w) {
      const c = await w.connect()
      const seen = []
      const error = await w.within('failure', new Promise((resolve, reject) => c.stream('stumble', 3).subscribe({
        next: item => seen.push(item), complete: () => reject(new Error('it did not fail')), error: resolve,
      })))
      w.equal(seen, [1, 2, 3], 'items')
      w.says(error, /stumbled after 3/)
    },
  },
  {
    name: 'a disposed stream is cancelled on the hub, others go on',
    core: true,
    unless: ({ major, protocol }) => major === 1 && protocol === 'messagepack', // which cannot write it
    async run(w) {
      const c = await w.connect()
      const cancelled = w.heard(c, 'cancelled')
      const start = name => {
        let subscription
        const first = new Promise((resolve, reject) => {
          subscription = c.stream('endless', name).subscribe({ next: resolve, complete: () => reject(new Error('it ended')), error: reject })
        })
        return w.within('first item', first).then(() => subscription)
      }
      const [one, two] = await Promise.all([start('one'), start('two')])
      one.dispose()
      w.equal((await cancelled.counts(1))[0][0], 'one', 'cancelled')
      w.equal(await w.streamed(c, 'count', 3), [1, 2, 3], 'count')
      two.dispose()
      w.equal((await cancelled.counts(2))[1][0], 'two', 'cancelled')
    },
  },
  {
    name: 'a stream runs while a call waits, and takes no place of one',
    async run(w) {
      const [c, other] = await Promise.all([w.connect(), w.connect()])
      const gate = w.name('gate')
      const counted = w.streamed(c, 'count', 3)
      w.equal(await counted, [1, 2, 3], 'count')
      const cancelled = w.heard(c, 'cancelled')
      const item = w.within('item', new Promise(resolve => {
        const subscription = c.stream('endless', gate).subscribe({ next: () => resolve(subscription), complete() {}, error() {} })
      }))
      const subscription = await item
      const held = c.invoke('hold', gate)
      await other.invoke('held', gate)
      subscription.dispose() // is handled while the call waits
      w.equal((await cancelled.counts(1))[0][0], gate, 'cancelled')
      await other.invoke('free', gate)
      w.equal(await held, gate, 'hold')
    },
  },
  {
    name: 'a stream of a connection that is gone ends',
    async run(w) {
      const [c, other] = await Promise.all([w.connect(), w.connect()])
      const gate = w.name('gate')
      const failure = w.fails(w.streamed(c, 'heldStream', gate), /Invocation canceled|underlying connection/)
      await other.invoke('held', gate)
      await c.stop()
      await failure
      // 'gave up' is noted when the handler's context has ended.
      await other.invoke('gaveUp', gate)
    },
  },
]
