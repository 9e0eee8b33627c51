// Transports that do not come through, and the next one in their place.

const order = ['webSockets', 'serverSentEvents', 'longPolling']
const all = [...order, 'foreverFrame']

/** The transports before the cell's. */
const before = w => order.slice(0, order.indexOf(w.transport))

export const fallback = [
  {
    name: 'where nobody says otherwise, the first transport that comes through is taken',
    waits: true, // for the forever frame, which jsdom has no answer from: as long as the server gives a transport
    pages: true,
    where: 'node',
    async run(w) {
      const page = await w.page({ without: before(w).map(name => ({ webSockets: 'WebSocket', serverSentEvents: 'EventSource' })[name]) })
      const c = w.hubs({ page })
      c.mayComplain = true // that a transport failed
      await w.start(c, { transport: 'auto' })
      w.equal(c.transport.name, page.window.EventSource ? w.transport : 'longPolling', 'transport')
      w.equal(await w.call(c, 'echo', 'in'), 'in', 'answer')
      w.equal([c.errors.items, c.states.items, page.complaints], [[], ['connecting', 'connected'], []], 'errors, states, complaints')
    },
  },
  {
    name: 'where a proxy stops a transport, the next is taken by the same token, and nothing reconnects',
    transports: ['serverSentEvents', 'longPolling'],
    async run(w) {
      const stopping = { serverSentEvents: null, longPolling: 'transport=serverSentEvents' }
      let way = w.server
      for (const name of before(w)) way = await w.blocks({ webSockets: null, serverSentEvents: stopping.longPolling }[name], way)
      const c = w.hubs({ at: way })
      c.mayComplain = true // that a transport failed
      const tokens = []
      c.stateChanged(() => tokens.push(c.token))
      await w.start(c, { transport: order })
      w.equal(c.transport.name, w.transport, 'transport')
      const id = c.id
      for (let n = 0; n < 20; n++) w.equal(await w.call(c, 'echo', n), n, 'answer')
      w.equal((await w.describe(c)).id, id, 'id')
      w.equal([c.errors.items, c.states.items], [[], ['connecting', 'connected']], 'errors and states')
    },
  },
  {
    name: 'a transport that gets no answer is left after the time the server gives it',
    waits: true,
    transports: ['serverSentEvents', 'longPolling'],
    where: 'node',
    async run(w) {
      const c = w.hubs({ path: `/classic/deaf/${before(w).at(-1)}` }) // connects of that transport wait there until they are given up
      c.mayComplain = true // that a transport failed
      await w.start(c, { transport: [before(w).at(-1), w.transport] })
      w.equal(c.transport.name, w.transport, 'transport')
      w.equal(await w.call(c, 'echo', 'in'), 'in', 'answer')
      w.equal([c.errors.items, c.states.items], [[], ['connecting', 'connected']], 'errors and states')
    },
  },
  {
    name: 'transports that the endpoint does not have are not tried, or refused',
    transports: order,
    async run(w) {
      const c = w.hubs({ path: `/classic/only/${w.transport}` })
      c.mayComplain = true // that a transport failed
      await w.start(c, { transport: all })
      w.equal(c.transport.name, w.transport, 'transport')
      w.equal(await w.call(c, 'echo', 'in'), 'in', 'answer')
      const others = all.filter(name => name !== w.transport)
      const d = w.hubs({ path: `/classic/only/${w.transport}` })
      d.mayComplain = true
      await w.fails(w.start(d, { transport: others }), 'No transport could be initialized successfully. Try specifying a different transport or none at all for auto initialization.')
    },
  },
]
