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
      const c = w.builder().withHubProtocol(new Other()).build()
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
