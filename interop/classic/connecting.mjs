// Ways into a hub, and refusals.

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export const connecting = [
  {
    name: 'the hub knows the connection by the id, the transport and the hub it came to',
    async run(w) {
      const c = await w.connect()
      const { id, transport, protocol } = await w.describe(c)
      w.equal(c.transport.name, w.transport, 'transport')
      w.equal(id, c.id, 'id')
      w.says(id, guid)
      w.equal(transport, { webSockets: 'websocket', serverSentEvents: 'sse', longPolling: 'polling', foreverFrame: 'foreverframe' }[w.transport], 'transport at the hub')
      w.equal(protocol, 'classic', 'protocol')
    },
  },
  {
    name: 'what the hub says while it connects is heard once the start is over',
    async run(w) {
      const c = w.hubs()
      const heard = w.heard(c, 'welcome')
      const before = []
      c.hub.on('welcome', () => before.push(c.state === w.$.signalR.connectionState.connected))
      await w.start(c)
      await heard.counts(1)
      w.equal([heard.items, before], [[[c.id]], [true]], 'heard')
    },
  },
  {
    name: 'events that come before the start is over keep their order',
    async run(w) {
      const c = w.hubs({ qs: { greet: '30' } })
      const heard = w.heard(c, 'tick')
      await w.start(c)
      await w.call(c, 'burst', 3)
      await heard.counts(33)
      w.equal(heard.items.map(([n]) => n), [...Array.from({ length: 30 }, (_, i) => i), 0, 1, 2], 'numbers')
    },
  },
  {
    name: 'the page\'s own query is in every request',
    async run(w) {
      for (const qs of [{ name: 'Ann', of: 'a&b c' }, 'name=Ann&of=a%26b%20c', '&name=Ann&of=a%26b%20c']) {
        const c = await w.connect({ qs })
        const { query } = await w.describe(c)
        w.equal([query.name, query.of], ['Ann', 'a&b c'], 'query')
      }
    },
  },
  {
    name: 'cookies of the negotiation come with everything after it',
    where: 'node',
    async run(w) {
      const page = await w.page()
      const value = w.name('cookie')
      const c = await w.connect({ page, qs: { cookie: value } })
      w.equal((await w.describe(c)).cookies.visited, value, 'cookie')
      w.equal(page.complaints, [], 'complaints')
    },
  },
  {
    name: 'who is refused by the hub learns it from the start',
    async run(w) {
      const c = w.hubs({ qs: { refuse: 'Not today.' } })
      c.mayComplain = true
      // On a slow machine the reason, which waits for 2 s, overtakes the answer to the start.
      await w.fails(w.start(c), /^Error during start request\. Stopping the connection\.|^The connection was stopped during the start request\./)
      w.equal(c.states.items, ['connecting', 'disconnected'], 'states')
    },
  },
  {
    name: 'a hub that nobody has mounted fails the start',
    async run(w) {
      const c = w.hubs({ names: ['judgeHub', 'nobodysHub'] })
      c.mayComplain = true
      await w.fails(w.start(c), /^Error during negotiation request\.|^No transport could be initialized|^Error during start request/)
      w.equal(c.states.items.at(-1), 'disconnected', 'state')
    },
  },
  {
    name: 'where no hub is, the negotiation fails',
    async run(w) {
      const c = w.hubs({ path: '/nowhere' })
      c.mayComplain = true
      const err = await w.fails(w.start(c), 'Error during negotiation request.')
      w.equal(err.source?.status, 404, 'status')
    },
  },
  {
    name: 'who stops may start again, as somebody new',
    async run(w) {
      const c = await w.connect()
      const first = c.id
      await w.call(c, 'echo', 1)
      c.stop()
      w.equal(c.states.items.at(-1), 'disconnected', 'state')
      await w.start(c)
      if (c.id === first) throw new Error('the id has stayed')
      w.equal(await w.call(c, 'echo', 2), 2, 'answer')
    },
  },
  {
    name: 'who stops while it connects is gone, and may start again',
    async run(w) {
      for (const moment of ['negotiating', 'connecting', 'starting']) {
        const c = w.hubs()
        c.mayComplain = true
        const start = w.start(c)
        const stopped = new Promise(resolve => c.disconnected(resolve))
        if (moment === 'negotiating') c.stop()
        else {
          const [words, log] = [{ connecting: / transport starting\./, starting: /Initiating start request/ }[moment], c.log]
          c.log = line => {
            log(line)
            if (words.test(line)) queueMicrotask(() => c.stop())
          }
          await w.within('stop', stopped)
          c.log = log
        }
        start.catch(() => {}) // the client forgets it where it stops before the start request
        await w.start(c)
        w.equal(await w.call(c, 'echo', moment), moment, 'answer')
      }
    },
  },
  {
    name: 'two connections of a page are two',
    async run(w) {
      const [ann, ben] = await Promise.all([w.connect(), w.connect()])
      const heard = w.heard(ben, 'heard')
      await w.call(ann, 'toOne', ben.id, 'hello')
      await heard.counts(1)
      w.equal(heard.items, [['hello']], 'heard')
    },
  },
  {
    name: 'the server answers the client\'s ping',
    async run(w) {
      const c = await w.connect()
      await w.pong(c)
    },
  },
  {
    name: 'pages of an origin that may come connect, with cookies; pages of another do not',
    where: 'node',
    async run(w) {
      const { abroad: page, server } = w
      const value = w.name('cookie')
      const c = await w.connect({ at: server, page, qs: { cookie: value } })
      w.equal(c.transport.name, w.transport, 'transport')
      const { cookies, headers } = await w.describe(c)
      if (w.transport !== 'webSockets') w.equal(cookies.visited, value, 'cookie') // jsdom gives a socket what it has, too; undici's rules differ
      w.equal(headers.origin ?? 'http://pages.example', 'http://pages.example', 'origin')
      w.equal(await w.call(c, 'echo', 'from afar'), 'from afar', 'answer')
      c.stop()
      const stranger = await w.page({ url: 'http://strangers.example/' })
      const d = w.hubs({ at: server, page: stranger })
      d.mayComplain = true
      await w.fails(w.start(d), 'Error during negotiation request.')
    },
  },
  {
    name: 'JSONP works where it is mounted, and nowhere else',
    transports: ['longPolling'],
    async run(w) {
      const page = w.where === 'node' ? await w.page() : w
      const c = await w.connect({ page, path: '/classic/jsonp', start: { jsonp: true } })
      const heard = w.heard(c, 'heard')
      w.equal(await w.call(c, 'echo', '</script> "\u2028" \''), '</script> "\u2028" \'', 'answer')
      await w.call(c, 'toOne', c.id, 'hello')
      await heard.counts(1)
      await w.fails(w.call(c, 'fail', 'No luck.'), 'No luck.')
      c.stop()
      const d = w.hubs({ page })
      d.mayComplain = true
      await w.fails(w.start(d, { jsonp: true }), 'Error during negotiation request.')
    },
  },
]
