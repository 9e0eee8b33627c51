// Ways in: transports, fallbacks, handshakes, refusals.

const offered = { WebSockets: 1, ServerSentEvents: 2, LongPolling: 4 }

/** numb is a WebSocket that never says a word. */
const numb = WebSocket => class extends WebSocket {
  send() {}
}

export const connecting = [
  {
    name: 'connects, calls and stops',
    core: true,
    async run(w) {
      const c = w.builder().build()
      const welcome = w.heard(c, 'welcome')
      await w.start(c)
      w.equal(await c.invoke('echo', 'hi'), 'hi', 'echo')
      const [[id]] = await welcome.counts(1)
      w.equal((await w.describe(c)).id, id, 'id')
      if (w.major >= 3) w.equal(c.connectionId, id, 'connectionId')
      await c.stop()
      w.equal(await w.lost(c), undefined, 'error of the close')
    },
  },
  {
    name: 'connects without negotiation',
    core: true,
    transports: ['WebSockets'],
    async run(w) {
      const c = w.builder({ skipNegotiation: true }).build()
      await w.start(c)
      w.equal((await w.describe(c)).transport, 'websocket', 'transport')
      w.equal(c.connectionId ?? null, null, 'connectionId')
    },
  },
  {
    name: 'starts again after it was stopped',
    async run(w) {
      const c = w.builder().build()
      await w.start(c)
      const { id } = await w.describe(c)
      await c.stop()
      await c.start()
      if ((await w.describe(c)).id === id) throw new Error('the connection kept its id')
    },
  },
  {
    name: 'stops while it starts',
    async run(w) {
      const c = w.builder().build()
      const started = c.start().then(() => 'started', () => 'failed')
      await c.stop()
      w.equal(await w.within('end of start', started), 'failed', 'start')
      w.equal(c.state, 'Disconnected', 'state')
    },
  },
  {
    name: 'by default takes the first transport that the endpoint offers',
    transports: ['WebSockets'],
    async run(w) {
      for (const [path, want] of Object.entries(w.protocol === 'json'
        ? { '/signalr': 'websocket', '/signalr/without-websockets': 'sse', '/signalr/polling': 'polling' }
        : { '/signalr': 'websocket', '/signalr/without-websockets': 'polling', '/signalr/polling': 'polling' })) {
        const c = await w.connect({ path, transport: undefined })
        w.equal((await w.describe(c)).transport, want, `transport at ${path}`)
      }
    },
  },
  {
    name: 'behind a proxy without WebSockets falls back to what passes',
    transports: ['WebSockets'],
    async run(w) {
      const proxy = await w.proxy(w.where === 'browser' ? await w.serve() : w.server)
      const c = await w.connect({ at: proxy, transport: undefined })
      const seen = await w.describe(c)
      w.equal(seen.transport, w.protocol === 'json' ? 'sse' : 'polling', 'transport')
      w.equal(seen.id, c.connectionId, 'id')
      w.equal(await w.streamed(c, 'count', 3), [1, 2, 3], 'count')
      const polling = await w.connect({ at: proxy, transport: offered.WebSockets | offered.LongPolling })
      w.equal((await w.describe(polling)).transport, 'polling', 'transport')
    },
  },
  {
    name: 'a transport that the endpoint does not offer',
    transports: ['WebSockets'],
    async run(w) {
      await w.fails(w.builder({ path: '/signalr/polling' }).build().start(), /^(None of the transports|Unable to connect to the server with any of the available transports)/)
    },
  },
  {
    name: 'server-sent events carry no MessagePack',
    transports: ['WebSockets'],
    protocols: ['messagepack'],
    async run(w) {
      await w.fails(w.builder({ transport: offered.ServerSentEvents }).build().start(), /'ServerSentEvents' does not support Binary/)
    },
  },
  {
    name: 'a protocol that the endpoint does not know',
    protocols: ['json'],
    async run(w) {
      class Other extends w.signalR.JsonHubProtocol {
        constructor() {
          super()
          this.name = 'xml'
        }
      }
      const c = w.builder(w.transport === 'WebSockets' ? {} : { httpClient: hasty(w) }).withHubProtocol(new Other()).build()
      await w.fails(c.start(), "Server returned handshake error: The protocol 'xml' is not supported.")
    },
  },
  {
    name: 'who never shakes hands is sent away',
    async run(w) {
      const path = '/signalr/hasty'
      const c = w.builder({ path, ...silenced(w) }).build()
      await w.fails(c.start(), 'Server returned handshake error: Handshake was canceled.')
    },
  },
  {
    name: 'who is refused gets the reason and stays out',
    async run(w) {
      const c = w.watched(w.builder({ query: { refuse: 'closed today' } }).build())
      // The refusal may overtake start or follow it.
      const err = await w.within('refusal', c.start().then(() => c.closed, err => err))
      w.says(err, 'Server returned an error on close: Connection closed with an error. HubException: closed today')
    },
  },
  {
    name: 'who is refused does not come back by itself',
    since: 3,
    async run(w) {
      const c = w.watched(w.builder({ query: { refuse: 'closed today' } }).withAutomaticReconnect([0]).build())
      let reconnecting = false
      c.onreconnecting(() => { reconnecting = true })
      await w.within('refusal', c.start().then(() => c.closed, err => err))
      w.equal(reconnecting, false, 'reconnecting')
    },
  },
  {
    name: 'there is no hub at another address',
    async run(w) {
      await w.fails(w.builder({ path: '/nowhere' }).build().start(),
        /^Failed to complete negotiation with the server: [^]*Status code '404' Either this is not a SignalR endpoint or there is a proxy blocking the connection\.$/)
    },
  },
  {
    name: 'a page of another origin, with its cookies',
    where: 'browser',
    async run(w) {
      const other = await w.serve()
      const cookie = w.name('cookie')
      const c = await w.connect({ at: other, query: { cookie }, headers: { 'X-Test': 'from afar' } })
      w.equal((await w.describe(c)).cookies.visited, cookie, 'cookie')
      w.equal(await w.streamed(c, 'count', 3), [1, 2, 3], 'count')
      const token = await w.connect({ at: other, path: '/signalr/guarded', accessTokenFactory: () => 'good' })
      w.equal(await token.invoke('secret'), '42', 'secret')
    },
  },
  {
    name: 'a page of an origin that is not let in',
    where: 'browser',
    async run(w) {
      const other = await w.serve({ args: ['--origin', 'http://elsewhere.example'] }) // instead of this page's
      await w.fails(w.builder({ at: other }).build().start(), /^Failed to complete negotiation with the server/)
      if (w.transport === 'WebSockets') await w.fails(w.builder({ at: other, skipNegotiation: true }).build().start(), /WebSocket failed to connect/)
    },
  },
]

/** hasty is an HTTP client that takes a POST for done when it begins: while it waits for the end, a refused handshake
    is a rejection that the client does not handle yet, and Node does not forgive that. */
function hasty(w) {
  class Hasty extends w.signalR.DefaultHttpClient {
    send(request) {
      const answer = super.send(request)
      if (request.method !== 'POST' || request.url.includes('/negotiate')) return answer
      answer.catch(() => {})
      return Promise.resolve(new w.signalR.HttpResponse(200, '', ''))
    }
  }
  return new Hasty(w.signalR.NullLogger.instance)
}

/** silenced are options with which the client says nothing once it is connected. */
function silenced(w) {
  if (w.transport === 'WebSockets') return { WebSocket: numb(w.WebSocket) }
  class Silent extends w.signalR.DefaultHttpClient {
    send(request) {
      if (request.method !== 'POST' || request.url.includes('/negotiate')) return super.send(request)
      return Promise.resolve(new w.signalR.HttpResponse(200, '', ''))
    }
  }
  return { httpClient: new Silent(w.signalR.NullLogger.instance) }
}
