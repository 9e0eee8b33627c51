// What a scenario runs in: one version of the client, in jsdom or in a browser, and one way to connect.

import { Inbox, within } from '../wait.mjs'

/** fits tells whether a scenario has a meaning in a cell of the matrix. */
export function fits({ since = 0, until = Infinity, transports, where }, cell) {
  return cell.since >= since && cell.since < until
    && (!transports || transports.includes(cell.transport))
    && (!where || where === cell.where)
}

/**
 * play runs a scenario in a cell and cleans up after it.
 *
 *   cell     {version, since, transport, where} of the matrix; {$, window} of a page of the server's, and as abroad of one whose
 *            origin is that of all other servers; in Node, also openPage(url, options)
 *   server   {url} of a testserver
 *   host     starts what runs beside: see Host
 */
export async function play(scenario, cell, server, host) {
  const world = new World(cell, server, host)
  try {
    await scenario.run(world)
    world.wantNoComplaints()
  } catch (err) {
    err.message += `\n${world.told()}`
    throw err
  } finally {
    await world.end()
  }
}

let names = 0

/** The number of each state of a connection, and its name. */
const states = { 0: 'connecting', 1: 'connected', 2: 'reconnecting', 4: 'disconnected' }

/** What the client says when something is not as it should be, other than by an error. */
const warning = /WARNING|has been missed|timed out|transport (failed|threw)|start request failed|Unclean|Failed at/

class World {
  #ends = []
  #host
  #connections = []

  constructor(cell, server, host) {
    Object.assign(this, cell)
    this.server = server
    this.#host = host
    this.within = within
  }

  /** later runs fn when the scenario has ended, the last first. */
  later(fn) {
    this.#ends.push(fn)
  }

  async end() {
    for (const fn of this.#ends.reverse()) await within('end of the scenario', Promise.resolve(fn()))
  }

  /** name is one that no other scenario uses. */
  name(what = 'room') {
    return `${what}-${this.where}-${this.version}-${this.transport}-${++names}-${Math.random().toString(36).slice(2)}`
  }

  /** serve starts a testserver of the scenario's own: {key, url, host, stop, kill}. */
  async serve({ args = [], ...options } = {}) {
    const server = await this.#host.start({ args: ['--origin', this.abroad.window.location.origin, ...args], ...options })
    server.page = this.abroad
    server.stop = () => this.#host.stop(server.key)
    server.kill = () => this.#host.kill(server.key)
    this.later(server.stop)
    return server
  }

  /** wire is a way to a server that can be cut: cut, leave, down, up, mute. */
  async wire(target = this.server) {
    const wire = await this.#host.wire({ target: target.url })
    wire.page = this.abroad
    for (const how of ['cut', 'leave', 'down', 'up', 'mute']) wire[how] = () => this.#host.turn({ key: wire.key, how })
    this.later(() => this.#host.stop(wire.key))
    return wire
  }

  /** blocks is a proxy that lets nothing pass whose url has these words; null stands for WebSockets. */
  async blocks(words, target = this.server) {
    const proxy = await this.#host.blocks({ target: target.url, words })
    proxy.page = this.abroad
    this.later(() => this.#host.stop(proxy.key))
    return proxy
  }

  /** page is a page of the scenario's own, at a url. */
  async page({ url = this.server.url + '/', ...options } = {}) {
    const page = await this.openPage(url, options)
    this.later(() => page.close())
    return page
  }

  /** hubs is a connection that is stopped with the scenario: to the hubs at path, with proxies of those of them whose names
      are given, each of which has a callback and so hears its hub. The first is connection.hub. */
  hubs({ at = this.server, path = '/classic', page = at.page ?? this, names = ['judgeHub'], qs = at.qs, ...options } = {}) {
    const connection = this.watched(page.$.hubConnection(at.url + path, { useDefaultPath: false, qs, ...options }))
    connection.page = page
    for (const name of names) connection.createHubProxy(name).on('welcome', () => {})
    connection.hub = connection.proxies[names[0]?.toLowerCase()]
    return connection
  }

  /** raw is a connection without hubs. */
  raw({ at = this.server, path = '/classic-raw', page = at.page ?? this, qs = at.qs } = {}) {
    return this.watched(page.$.connection(at.url + path, qs))
  }

  /** watched notes what becomes of a connection and stops it with the scenario: .said is its log, .errors are its errors,
      .states the names of the states it has been in. */
  watched(connection) {
    connection.reconnectDelay = 60 // the client's default is 2 s
    connection.said = new Inbox()
    connection.log = line => connection.said.put(`${Math.round(performance.now())} ${line}`)
    connection.errors = new Inbox()
    connection.error(err => connection.errors.put(err))
    connection.states = new Inbox()
    connection.stateChanged(({ newState }) => connection.states.put(states[newState]))
    connection.mayComplain = false
    this.#connections.push(connection)
    this.later(() => connection.stop())
    return connection
  }

  /** start starts a connection by the cell's transport. */
  async start(connection, options) {
    await within('start', promised(connection.start({ transport: this.transport, ...options })))
    return connection
  }

  /** connect is a started connection with the options of hubs, and of start as far as it is not the cell's. */
  connect({ start, ...options } = {}) {
    return this.start(this.hubs(options), start)
  }

  /** hasty makes long polls come back as soon as the other transports do; the client's default is 3 s. */
  hasty(...pages) {
    for (const { $ } of pages) $.signalR.transports.longPolling.reconnectDelay = 60
  }

  /** call resolves with the result of a hub's method. */
  call(connection, method, ...args) {
    return this.invoke(connection.hub, method, ...args)
  }

  invoke(proxy, method, ...args) {
    return within(`result of ${method}`, promised(proxy.invoke(method, ...args)))
  }

  /** heard is an inbox of a hub's event; its items are lists of arguments. */
  heard(proxy, name) {
    const inbox = new Inbox()
    ;(proxy.hub ?? proxy).on(name, (...args) => inbox.put(args))
    return inbox
  }

  /** reaches resolves when a connection is in a state, now or later, for the nth time since it was made. */
  reaches(connection, state, n = 1) {
    return connection.states.counts(n, s => s === state)
  }

  /** tried are the states of a connection that is not let in again. The client takes a poll that is not refused within a second
      for its return, until it is. */
  tried({ states: { items } }) {
    if (this.transport !== 'longPolling') return items
    return items.filter((state, i) => i < 3 || state !== 'connected' && items[i - 1] !== 'connected')
  }

  /**
   * cuts cuts the wire of a connection, until the client says that it is reconnecting. A poll may be about to leave, and is not cut
   * then; one that is cut before its answer began, a browser sends again by itself, and the client hears nothing of it.
   */
  async cuts(connection, wire = connection.wire) {
    const reconnecting = state => state === 'reconnecting'
    const n = connection.states.items.filter(reconnecting).length + 1
    wire.cut()
    for (let again = 0; this.transport === 'longPolling' && again < 20; again++) {
      if (await connection.states.counts(n, reconnecting, 1000).then(() => true, () => false)) return
      wire.cut()
    }
    await connection.states.counts(n, reconnecting)
  }

  /** received is an inbox of what comes over a connection without hubs. */
  received(connection) {
    const inbox = new Inbox()
    connection.received(value => inbox.put(value))
    return inbox
  }

  /** connected resolves once a connection is connected, which it may be already. */
  async connected(connection) {
    const been = () => connection.states.items.filter(s => s === 'connected').length
    if (connection.state !== this.$.signalR.connectionState.connected) await this.reaches(connection, 'connected', been() + 1)
  }

  /** pong resolves when the server has answered a ping of the client's, which sends one every five minutes. */
  pong(connection) {
    return within('pong', promised(connection.page.$.signalR.transports._logic.pingServer(connection)))
  }

  /** passes resolves once requests reach the server of a connection: those over connections to the one before it, of whose
      end the page has not learned, fail. */
  async passes(connection) {
    for (let i = 0; i < 20; i++) {
      const pongs = await Promise.allSettled([1, 2, 3, 4].map(() => this.pong(connection)))
      if (pongs.every(({ status }) => status === 'fulfilled')) return
    }
    throw new Error('requests do not reach the server')
  }

  /** describe is what the hub knows of a connection. */
  async describe(connection) {
    return JSON.parse(await this.call(connection, 'describe'))
  }

  /** wantNoComplaints wants connections to have had no error and to have warned of nothing, but those that may. */
  wantNoComplaints() {
    for (const { mayComplain, errors, said } of this.#connections) {
      if (mayComplain) continue
      this.equal(errors.items.map(err => err.message), [], 'errors')
      this.equal(said.items.filter(line => warning.test(line)), [], 'warnings')
    }
  }

  /** told is all that the connections have said. */
  told() {
    return this.#connections.map(({ said, errors, states }, i) => [`connection ${i}: ${states.items}`, ...said.items,
      ...errors.items.map(err => `error: ${err.message}; ${err.source?.status ?? err.source?.message ?? err.context?.status ?? ''}`)].join('\n  ')).join('\n')
  }

  equal(got, want, what = 'it') {
    if (!same(got, want)) throw new Error(`${what}: got ${show(got)}, want ${show(want)}`)
  }

  /** fails resolves with the error when a promise fails with these words, or with words that match. */
  async fails(promise, words) {
    const result = await within('failure', promise.then(value => ({ value }), err => ({ err })))
    if (!('err' in result)) throw new Error(`got ${show(result.value)}, want a failure: ${words}`)
    this.says(result.err, words)
    return result.err
  }

  /** says checks the words of an error. */
  says(err, words) {
    const said = err?.message ?? String(err)
    const fine = words instanceof RegExp ? words.test(said) : said === words
    if (!fine) throw new Error(`got ${show(said)}, want ${words}`)
  }
}

/** promised is a Promise in place of jQuery's. */
export function promised(deferred) {
  return new Promise((resolve, reject) => deferred.done(resolve).fail(reject))
}

function show(value) {
  if (value === undefined || value instanceof Error) return String(value)
  return JSON.stringify(value)?.slice(0, 500)
}

function same(a, b) {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b || Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every(key => Object.hasOwn(b, key) && same(a[key], b[key]))
}
