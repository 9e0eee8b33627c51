// What a scenario runs in: one client library, in Node or in a browser, one transport and one protocol.

import { Inbox, resolvers, within } from '../wait.mjs'

const silent = { log() {} }

/** fits tells whether a scenario has a meaning in a cell of the matrix. */
export function fits({ since = 0, transports, protocols, where, unless }, cell) {
  return cell.major >= since
    && (!transports || transports.includes(cell.transport))
    && (!protocols || protocols.includes(cell.protocol))
    && (!where || where === cell.where)
    && !unless?.(cell)
}

/**
 * play runs a scenario in a cell and cleans up after it.
 *
 *   cell     {signalR, msgpack, major, where, transport, protocol}
 *   server   {url} of a testserver
 *   host     starts other programs: start({args, listen}), stop(key), proxy({target})
 */
export async function play(scenario, cell, server, host) {
  const world = new World(cell, server, host)
  try {
    await scenario.run(world)
  } finally {
    await world.end()
  }
}

let rooms = 0

class World {
  #ends = []

  constructor(cell, server, host) {
    Object.assign(this, cell)
    this.server = server
    this.host = host
    this.transportType = this.signalR.HttpTransportType[cell.transport]
    this.within = within
  }

  /** later runs fn when the scenario has ended, the last first. */
  later(fn) {
    this.#ends.push(fn)
  }

  async end() {
    for (const fn of this.#ends.reverse()) await within('end of the scenario', Promise.resolve(fn()))
  }

  /** serve starts a testserver of the scenario's own, which pages of a browser may use: {key, url, host}. */
  async serve({ args = [], ...options } = {}) {
    const origin = this.where === 'browser' ? ['--origin', location.origin] : []
    const server = await this.host.start({ args: [...origin, ...args], ...options })
    this.later(() => this.host.stop(server.key))
    return server
  }

  /** proxy starts a proxy before a server that lets no WebSocket pass. */
  async proxy(target) {
    const proxy = await this.host.proxy({ target: target.url })
    this.later(() => this.host.stop(proxy.key))
    return proxy
  }

  /** name is one that no other scenario uses. */
  name(what = 'room') {
    return `${what}-${this.where}-${this.major}-${this.transport}-${this.protocol}-${++rooms}-${Math.random().toString(36).slice(2)}`
  }

  /** builder is the client's, for the cell's transport and protocol; the rest of options is withUrl's. */
  builder({ at = this.server, path = '/signalr', query = {}, logger = silent, ...options } = {}) {
    const search = new URLSearchParams(query).toString()
    const builder = new this.signalR.HubConnectionBuilder()
      .withUrl(at.url + path + (search && '?' + search), { transport: this.transportType, ...options })
      .configureLogging(logger)
    return this.protocol === 'messagepack' ? builder.withHubProtocol(new this.msgpack.MessagePackHubProtocol()) : builder
  }

  /** watched is a connection that notes its end in .closed and is stopped with the scenario. */
  watched(connection) {
    connection.closed = new Promise(resolve => connection.onclose(resolve))
    this.later(() => connection.stop())
    return connection
  }

  /** start starts a connection. */
  async start(connection) {
    this.watched(connection)
    await within('start', connection.start())
    return connection
  }

  /** connect is a started connection with the options of builder. */
  connect(options) {
    return this.start(this.builder(options).build())
  }

  /** heard returns an inbox of a hub's event; its items are lists of arguments. */
  heard(connection, name = 'heard') {
    const inbox = new Inbox()
    connection.on(name, (...args) => inbox.put(args))
    return inbox
  }

  /** describe is what the hub knows of a connection. */
  async describe(connection) {
    return JSON.parse(await connection.invoke('describe'))
  }

  /** streamed collects a stream until its end. */
  streamed(connection, name, ...args) {
    const items = []
    const end = resolvers()
    connection.stream(name, ...args).subscribe({
      next: item => items.push(item), complete: () => end.resolve(items), error: end.reject,
    })
    return within(`end of ${name}`, end.promise)
  }

  /** subject is a new upload. */
  subject() {
    return new this.signalR.Subject()
  }

  /** lost resolves with the error of a connection's end. */
  lost(connection) {
    return within('close', connection.closed)
  }

  equal(got, want, what = 'it') {
    if (!same(got, want)) throw new Error(`${what}: got ${show(got)}, want ${show(want)}`)
  }

  /** fails resolves when a promise fails with these words, or with words that match. */
  async fails(promise, words) {
    const result = await within('failure', promise.then(value => ({ value }), err => ({ err })))
    if (!('err' in result)) throw new Error(`got ${show(result.value)}, want a failure: ${words}`)
    this.says(result.err, words)
  }

  /** says checks the words of an error. */
  says(err, words) {
    const said = err?.message ?? String(err)
    const fine = words instanceof RegExp ? words.test(said) : said === words
    if (!fine) throw new Error(`got ${show(said)}, want ${words}`)
  }
}

function show(value) {
  if (value instanceof Uint8Array) return `${value.length} bytes: ${value.slice(0, 20)}`
  if (value === undefined || value instanceof Error || value instanceof Date) return String(value)
  return JSON.stringify(value)?.slice(0, 500)
}

function same(a, b) {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) return false
  if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime()
  if (a instanceof Uint8Array !== b instanceof Uint8Array || Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every(key => Object.hasOwn(b, key) && same(a[key], b[key]))
}
