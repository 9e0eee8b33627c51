// What the hub knows of a client: the HTTP request, the user, the token.

const unauthorized = "Failed to complete negotiation with the server: Error: Unauthorized: Status code '401'"

/** factory is an access token factory that counts how often it was asked. */
function factory(...tokens) {
  const ask = () => tokens[Math.min(ask.asked++, tokens.length - 1)]
  ask.asked = 0
  return ask
}

const here = { WebSockets: 'websocket', ServerSentEvents: 'sse', LongPolling: 'polling' }

export const identity = [
  {
    name: 'the hub sees the query, the transport and the protocol',
    async run(w) {
      const c = await w.connect({ query: { name: 'Ann & Ben', room: '1/2' } })
      const seen = await w.describe(c)
      w.equal([seen.query.name, seen.query.room], ['Ann & Ben', '1/2'], 'query')
      w.equal([seen.transport, seen.protocol], [here[w.transport], w.protocol], 'transport and protocol')
      w.equal(seen.id, c.connectionId, 'id')
      w.equal(seen.path, '/signalr', 'path')
    },
  },
  {
    name: 'the hub sees the client\'s headers',
    where: 'node',
    async run(w) {
      const c = await w.connect({ headers: { 'X-Test': 'from Ann' } })
      const { headers } = await w.describe(c)
      w.equal(headers['x-test'], 'from Ann', 'header')
      if (!/^Microsoft SignalR\/\d/.test(headers['user-agent'])) throw new Error(`User-Agent is ${headers['user-agent']}`)
    },
  },
  {
    name: 'the hub sees a page\'s headers where browsers let it send some',
    where: 'browser',
    transports: ['LongPolling'],
    async run(w) {
      const c = await w.connect({ headers: { 'X-Test': 'from Ann' } })
      const { headers } = await w.describe(c)
      w.equal(headers['x-test'], 'from Ann', 'header')
      if (!/^Microsoft SignalR\/\d/.test(headers['x-signalr-user-agent'])) throw new Error(`X-SignalR-User-Agent is ${headers['x-signalr-user-agent']}`)
    },
  },
  {
    name: 'a cookie that the negotiation sets comes back with the connection',
    async run(w) {
      const cookie = w.name('cookie')
      const c = await w.connect({ query: { cookie } })
      w.equal((await w.describe(c)).cookies.visited, cookie, 'cookie')
    },
  },
  {
    name: 'the hub knows the user whom the middleware names',
    async run(w) {
      const [ann, nobody] = await Promise.all([w.connect({ query: { user: 'ann' } }), w.connect()])
      w.equal((await w.describe(ann)).user, 'ann', 'user')
      w.equal((await w.describe(nobody)).user, '', 'user')
    },
  },
  {
    name: 'who has no token is told so, and stays out',
    async run(w) {
      const path = '/signalr/guarded'
      await w.fails(w.builder({ path }).build().start(), unauthorized)
      await w.fails(w.builder({ path, accessTokenFactory: () => 'bad' }).build().start(), unauthorized)
    },
  },
  {
    name: 'a token lets its user in',
    async run(w) {
      const accessTokenFactory = factory('good')
      const c = await w.connect({ path: '/signalr/guarded', accessTokenFactory })
      const { user, query, headers } = await w.describe(c)
      w.equal(user, 'ann', 'user')
      // A browser's WebSocket and any EventSource bring it in the query, from which the hub has it no more.
      const inQuery = w.transport === 'ServerSentEvents' || w.where === 'browser' && w.transport === 'WebSockets'
      w.equal([query.access_token, headers.authorization], [undefined, inQuery ? undefined : 'Bearer good'], 'token')
      w.equal(await c.invoke('secret'), '42', 'secret')
    },
  },
  {
    name: 'a token that is no longer good is asked for again',
    transports: ['LongPolling'],
    async run(w) {
      // The client asks again when its HTTP client returns the status; its default one throws it.
      class Calm extends w.signalR.DefaultHttpClient {
        send(request) {
          return super.send(request).catch(err => {
            if (err.statusCode !== 401) throw err
            return new w.signalR.HttpResponse(401, err.message, '')
          })
        }
      }
      const accessTokenFactory = factory('once', 'good')
      const c = await w.connect({ path: '/signalr/guarded', accessTokenFactory, httpClient: new Calm(w.signalR.NullLogger.instance) })
      w.equal(accessTokenFactory.asked, 2, 'asked')
      w.equal(await c.invoke('secret'), '42', 'secret')
    },
  },
  {
    name: 'a WebSocket asks for its own token',
    transports: ['WebSockets'],
    async run(w) {
      const accessTokenFactory = factory('once', 'good')
      const c = await w.connect({ path: '/signalr/guarded', accessTokenFactory })
      w.equal(accessTokenFactory.asked, 2, 'asked')
      w.equal(await c.invoke('secret'), '42', 'secret')
    },
  },
  {
    name: 'a WebSocket without negotiation has its token, too',
    transports: ['WebSockets'],
    async run(w) {
      const how = { path: '/signalr/guarded', skipNegotiation: true }
      const c = await w.connect({ ...how, accessTokenFactory: () => 'good' })
      w.equal(await c.invoke('secret'), '42', 'secret')
      await w.fails(w.builder({ ...how, accessTokenFactory: () => 'bad' }).build().start(), /WebSocket failed to connect/)
    },
  },
  {
    name: 'negotiations lead elsewhere, with a token for there',
    async run(w) {
      const c = await w.connect({ path: '/signalr/moved', query: { name: 'Ann' } })
      const { user, path } = await w.describe(c)
      w.equal([user, path], ['ann', '/signalr/guarded'], 'user and path')
      w.equal(await c.invoke('secret'), '42', 'secret')
    },
  },
  {
    name: 'a negotiation that is refused says why',
    async run(w) {
      await w.fails(w.builder({ path: '/signalr/closed' }).build().start(), 'Closed for today.')
    },
  },
]
