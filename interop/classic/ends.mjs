// Ends: of connections, and of servers.

export const ends = [
  {
    name: 'the hub learns at once that a client has stopped',
    async run(w) {
      const [ann, ben] = await Promise.all([w.connect(), w.connect()])
      const gone = w.heard(ann, 'gone')
      await w.call(ann, 'watch')
      const id = ben.id
      ben.stop()
      await gone.has(`end of ${id}`, ([who]) => who === id, 20_000)
      w.equal(ben.states.items, ['connecting', 'connected', 'disconnected'], 'states')
      const err = await w.fails(w.call(ann, 'toOne', id, 'anybody?'), `Nobody is ${id}.`)
      w.equal(err.source, 'HubException', 'kind')
    },
  },
  {
    name: 'a page that is left stops its connections',
    where: 'node',
    async run(w) {
      const ann = await w.connect()
      const gone = w.heard(ann, 'gone')
      await w.call(ann, 'watch')
      const page = await w.page()
      const { id } = await w.connect({ page })
      page.window.dispatchEvent(new page.window.Event('unload'))
      await gone.has(`end of ${id}`, ([who]) => who === id, 20_000)
    },
  },
  {
    name: 'calls that wait fail when the client stops',
    waits: true, // the hub gives a handler 5 s to end by itself
    async run(w) {
      const c = await w.connect()
      const [held, gate] = [w.name('held'), w.name('gate')]
      const call = w.call(c, 'hold', gate)
      const other = await w.connect()
      await w.call(other, 'held', gate)
      c.stop()
      await w.fails(call, 'Connection was disconnected before invocation result was received.')
      await w.call(other, 'gaveUp', gate)
      w.equal(await w.call(other, 'echo', held), held, 'answer')
    },
  },
  {
    name: 'who stops right after a call is not held up by it',
    async run(w) {
      const [c, other] = await Promise.all([w.connect(), w.connect()])
      const note = w.name('note')
      const noted = w.call(c, 'note', note, 'called')
      if (w.transport !== 'webSockets') await noted // a POST may come after the end, and does nothing then
      else noted.catch(() => {})
      c.stop()
      w.equal(c.states.items.at(-1), 'disconnected', 'state')
      if (w.transport === 'webSockets') return
      w.equal(await w.call(other, 'noted', note), ['called'], 'notes')
    },
  },
  {
    name: 'who is told to go by the hub hears why, and stays away',
    since: 2.4, // before, no client knew of such a message
    async run(w) {
      const [c, watcher] = await Promise.all([w.connect(), w.connect()])
      const gone = w.heard(watcher, 'gone')
      await w.call(watcher, 'watch')
      const id = c.id
      c.mayComplain = true
      const over = new Promise(resolve => c.disconnected(resolve))
      w.call(c, 'kick', true).catch(() => {})
      await w.within('end', over)
      w.says(c.errors.items[0], /kicked/)
      await gone.has(`end of ${id}`, ([who]) => who === id)
      w.equal(c.states.items, ['connecting', 'connected', 'disconnected'], 'states')
    },
  },
]
