// What a scenario runs in: one version of the client and one way to connect.

import { createConnection, createServer } from 'node:net'

import { Inbox, within } from '../wait.mjs'
import { client, ways } from './matrix.mjs'

/** fits tells whether a scenario has a meaning in a cell of the matrix. */
export function fits({ since = 0, until = Infinity, ways }, cell) {
  return cell.since >= since && cell.since < until && (!ways || ways.includes(cell.way))
}

/**
 * play runs a scenario in a cell and cleans up after it.
 *
 *   cell     {version, since, revision, way} of the matrix
 *   server   {url} of the server
 *   start    starts another: start({listen, args})
 */
export async function play(scenario, cell, server, start) {
  const world = new World(cell, server, start)
  try {
    await scenario.run(world)
  } finally {
    await world.end()
  }
}

let names = 0

class World {
  #ends = []
  #start

  constructor(cell, server, start) {
    Object.assign(this, cell, client(cell))
    this.server = server
    this.#start = start
    this.within = within
  }

  /** later runs fn when the scenario has ended, the last first. */
  later(fn) {
    this.#ends.push(fn)
  }

  async end() {
    for (const fn of this.#ends.reverse()) await within('end of the scenario', Promise.resolve(fn()))
  }

  /** serve starts a server of the scenario's own. */
  async serve(options) {
    const server = await this.#start(options)
    let stopped
    const stop = server.stop.bind(server)
    server.stop = () => (stopped ??= stop())
    this.later(() => server.stop())
    return server
  }

  /** proxy is a way to the server that can be cut. */
  async proxy(target = this.server) {
    const proxy = new Proxy(Number(new URL(target.url).port))
    await proxy.start()
    this.later(() => proxy.stop())
    return proxy
  }

  /** name is one that no other scenario uses. */
  name(what = 'room') {
    return `${what}-${this.version}-${this.way}-${++names}-${Math.random().toString(36).slice(2)}`
  }

  /** make is a socket that is closed with the scenario. */
  make({ at = this.server, nsp = '/', path = '/matrix', version = this, ...options } = {}) {
    const socket = (version.io ?? client(version).io)(at.url + nsp, {
      path, forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 100, ...ways[version.way ?? this.way], ...options,
    })
    this.later(() => socket.close())
    return socket
  }

  /** another is a socket of a further namespace over the same connection. */
  another(socket, nsp, options) {
    const other = socket.io.socket(nsp, options)
    this.later(() => other.close())
    return other
  }

  /** connect is a connected socket. */
  connect(options) {
    return this.connected(this.make(options))
  }

  async connected(socket) {
    if (socket.connected) return socket
    await within('connect', new Promise((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once(this.revision === 3 ? 'error' : 'connect_error', err => reject(new Error(`refused: ${show(err?.message ?? err)}`)))
    }))
    return socket
  }

  /** id is a socket's; version 1 takes the connection's for that of each namespace. */
  async id(socket) {
    return this.since < 2 ? (await this.call(socket, 'describe')).id : socket.id
  }

  /** upgraded resolves when a connection has become a WebSocket, if it is to. */
  async upgraded(socket) {
    const { engine } = socket.io
    if (this.way !== 'default' || (engine.transport.name === 'websocket' && !engine.upgrading)) return
    await within('upgrade', new Promise(resolve => engine.once('upgrade', resolve)))
  }

  /** refused resolves with {message, data} of a refusal, as far as the version tells. */
  async refused(socket) {
    if (this.revision === 4) {
      const [err] = await this.next(socket, 'connect_error')
      this.equal(err instanceof Error, true, 'connect_error is an Error')
      return { message: err.message, data: err.data }
    }
    const [said] = await this.next(socket, 'error')
    return said
  }

  /** next resolves with the arguments of the next event of that name. */
  next(emitter, name, ms) {
    return within(`event ${name}`, new Promise(resolve => emitter.once(name, (...args) => resolve(args))), ms)
  }

  /** heard is an inbox of an event; its items are lists of arguments. */
  heard(emitter, name = 'heard') {
    const inbox = new Inbox()
    emitter.on(name, (...args) => inbox.put(args))
    return inbox
  }

  /** answers are all arguments of an ack. */
  answers(socket, name, ...args) {
    return within(`ack of ${name}`, new Promise(resolve => socket.emit(name, ...args, (...list) => resolve(list))))
  }

  /** call is the first argument of an ack. */
  async call(socket, name, ...args) {
    const [first] = await this.answers(socket, name, ...args)
    if (first?.error) throw new Error(`${name}: ${show(first.error)}`)
    return first
  }

  /** told is an inbox of texts in which a room's members hear what send sends. */
  async member(...rooms) {
    const socket = await this.connect()
    for (const room of rooms) await this.call(socket, 'join', room)
    return { socket, id: socket.id, heard: this.heard(socket) }
  }

  /** away resolves with the reason of the next disconnect. */
  async away(socket) {
    const [reason] = await this.next(socket, 'disconnect')
    return reason
  }

  equal(got, want, what = 'it') {
    if (!same(got, want)) throw new Error(`${what}: got ${show(got)}, want ${show(want)}`)
  }

  /** among checks that something is one of several. */
  among(got, wanted, what = 'it') {
    if (!wanted.includes(got)) throw new Error(`${what}: got ${show(got)}, want one of ${show(wanted)}`)
  }
}

/** Proxy passes connections on to a port of 127.0.0.1. */
class Proxy {
  #port
  #server
  #pairs = new Set()
  #state = 'up'

  constructor(port) {
    this.#port = port
  }

  async start() {
    this.#server = createServer(client => this.#pass(client))
    await new Promise(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${this.#server.address().port}`
  }

  #pass(client) {
    client.on('error', () => {})
    if (this.#state === 'down') return reset(client)
    const pair = this.#state === 'up' ? [client, createConnection(this.#port, '127.0.0.1')] : [client]
    this.#pairs.add(pair)
    if (this.#state === 'mute') return
    for (const [from, to] of [pair, [...pair].reverse()]) {
      const unlessMute = fn => data => this.#state === 'mute' || fn(data)
      from.on('data', unlessMute(data => to.write(data)))
      from.on('end', unlessMute(() => to.end()))
      from.on('error', unlessMute(() => to.destroy()))
      from.on('close', unlessMute(() => {
        to.destroy()
        this.#pairs.delete(pair)
      }))
    }
  }

  /** down resets all connections, and new ones until up. */
  down() {
    this.#state = 'down'
    for (const pair of this.#pairs) for (const socket of pair) reset(socket)
  }

  up() { this.#state = 'up' }

  /** mute keeps the connections and lets nothing pass, not even their ends. */
  mute() { this.#state = 'mute' }

  async stop() {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
    await closed
  }
}

/** reset ends a connection as a network does. Node never closes one that has ended at one side and is reset. */
function reset(socket) {
  if (socket.writableEnded || socket.readableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

function show(value) {
  if (value instanceof Uint8Array) return `${value.length} bytes: ${[...value.slice(0, 20)]}`
  if (value === undefined || value instanceof Error) return String(value)
  return JSON.stringify(value)?.slice(0, 500)
}

function same(a, b) {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) return false
  if (a instanceof Uint8Array || b instanceof Uint8Array) return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every(key => Object.hasOwn(b, key) && same(a[key], b[key]))
}
