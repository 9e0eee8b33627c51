// Clients that the negotiation sends elsewhere.

/** Those that can bear the token of a redirect. */
const bearers = ['webSockets', 'serverSentEvents', 'longPolling']

export const redirects = [
  {
    name: 'a redirect leads to another endpoint, with a token and a query, until the client stops',
    since: 2.4,
    transports: bearers,
    async run(w) {
      const c = w.hubs({ path: '/classic/moved', qs: { name: 'first' } })
      await w.start(c)
      const { path, user, query } = await w.describe(c)
      w.says(path, /^\/classic\/guarded\//)
      w.equal(user, 'ann', 'user')
      if (w.since >= 2.43) w.equal([query.name, query.to], [undefined, 'guarded'], 'query') // that of the redirect in place of the page's
      w.equal(await w.call(c, 'secret'), '42', 'answer')
      const first = c.id
      c.stop()
      w.equal([c.url.endsWith('/classic/moved'), c.accessToken], [true, undefined], 'url and token')
      await w.start(c)
      if (c.id === first) throw new Error('the id has stayed')
      w.equal(await w.call(c, 'secret'), '42', 'answer')
    },
  },
  {
    name: 'a redirect to a url that ends in a slash works for everything after it',
    since: 2.4,
    transports: bearers,
    async run(w) {
      const [c, other] = await Promise.all([w.connect({ path: '/classic/moved/slash' }), w.connect({ path: '/classic/guarded', qs: { access_token: 'good' } })])
      const gone = w.heard(other, 'gone')
      await w.call(other, 'watch')
      w.equal(await w.call(c, 'secret'), '42', 'answer')
      await w.pong(c)
      const { id } = c
      c.stop()
      await gone.has(`end of ${id}`, ([who]) => who === id, 20_000)
    },
  },
  {
    name: 'a redirected connection comes back where it was',
    since: 2.4,
    transports: bearers,
    async run(w) {
      w.hasty(w.abroad)
      const wire = await w.wire()
      const c = w.hubs({ at: wire, path: '/classic/moved' })
      c.mayComplain = true
      await w.start(c)
      const { id } = c
      await w.cuts(c, wire)
      await w.reaches(c, 'connected', 2)
      w.equal([(await w.describe(c)).id, await w.call(c, 'secret')], [id, '42'], 'id and answer')
    },
  },
  {
    name: 'a client whose token is no longer good stops at its next ping',
    since: 2.4,
    transports: bearers,
    async run(w) {
      const c = await w.connect({ path: '/classic/moved' })
      c.mayComplain = true
      c.accessToken = 'stale'
      await w.fails(w.pong(c), 'Failed to ping server.  Server responded with status code 401, stopping the connection.')
      w.equal(c.states.items.at(-1), 'disconnected', 'state') // a poll may have been refused, too
    },
  },
  {
    name: 'nobody becomes somebody else on a connection',
    async run(w) {
      w.hasty(w.abroad)
      const wire = await w.wire()
      const c = w.hubs({ at: wire, qs: { ...wire.qs, user: 'ann' } })
      c.mayComplain = true
      await w.start(c)
      w.equal(await w.call(c, 'secret'), '42', 'answer')
      c.reconnectDelay = 200
      c.qs = { ...wire.qs, user: 'ben' }
      if (w.transport !== 'webSockets') {
        await w.fails(w.call(c, 'secret'), /Send failed/)
        w.equal(c.lastError.source?.status, 403, 'status')
      }
      await w.cuts(c, wire)
      await w.within('refusals', c.said.counts(3, line => /reconnecting\.$|Updating iframe src|long polling request to '[^?]*\/reconnect/.test(line)))
      w.equal(w.tried(c), ['connecting', 'connected', 'reconnecting'], 'states')
    },
  },
  {
    name: 'without the token of the redirect nobody gets in',
    async run(w) {
      const c = w.hubs({ path: '/classic/guarded' })
      c.mayComplain = true
      const err = await w.fails(w.start(c), 'Error during negotiation request.')
      w.equal(err.source?.status, 401, 'status')
    },
  },
  {
    name: 'a refusal in the negotiation has its words',
    since: 2.4,
    async run(w) {
      const c = w.hubs({ path: '/classic/closed' })
      c.mayComplain = true
      await w.fails(w.start(c), 'Error message received from the server: \'Closed for today.\'.')
    },
  },
  {
    name: 'redirects that lead nowhere end',
    since: 2.4,
    transports: ['webSockets'],
    async run(w) {
      const c = w.hubs({ path: '/classic/circle' })
      c.mayComplain = true
      const err = await w.fails(w.start(c), 'Error during negotiation request.')
      w.equal(err.source?.message, 'Negotiate redirection limit exceeded.', 'source')
    },
  },
  {
    name: 'a client that knows no redirects gets an error',
    until: 2.4,
    async run(w) {
      const c = w.hubs({ path: '/classic/moved' })
      c.mayComplain = true
      await w.fails(w.start(c), /./)
    },
  },
]
