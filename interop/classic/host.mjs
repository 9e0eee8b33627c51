// What runs beside a scenario: other servers, and what stands between a client and a server. Everything given and
// returned is plain, as the scenarios of a browser call from there.

import http from 'node:http'
import { createConnection, createServer } from 'node:net'

import { startTestserver } from '../server.mjs'

export class Host {
  #running = new Map() // key → what runs
  #keys = 0

  /** keep keeps what stop will stop, and returns its key. */
  keep(what) {
    this.#running.set(++this.#keys, what)
    return this.#keys
  }

  get(key) { return this.#running.get(key) }

  /** start starts a testserver. */
  async start(options) {
    const server = await startTestserver(options)
    return { key: this.keep(server), url: server.url, host: server.host }
  }

  /** kill ends a testserver without a word to anyone. */
  async kill(key) {
    const server = this.#running.get(key)
    this.#running.delete(key)
    await server.kill()
  }

  /** wire is a way to a server that can be cut. */
  async wire({ target }) {
    const wire = new Wire(Number(new URL(target).port))
    await wire.start()
    return { key: this.keep(wire), url: wire.url }
  }

  /** turn does something to a wire: cut, down, up, mute. */
  async turn({ key, how }) {
    this.get(key)[how]()
  }

  /** blocks is a proxy that answers requests whose url contains the words with 404, and passes on all others. With
      words null it passes on no WebSocket. */
  async blocks({ target, words }) {
    const proxy = http.createServer((request, response) => {
      if (words !== null && request.url.includes(words)) response.writeHead(404).end()
      else forward(target, request, response)
    })
    proxy.keepAliveTimeout = 60_000 // none ends while a slow client is about to use it again
    await new Promise(resolve => proxy.listen(0, '127.0.0.1', resolve))
    const stop = () => new Promise(resolve => {
      proxy.close(resolve)
      proxy.closeAllConnections()
    })
    return { key: this.keep({ stop }), url: `http://127.0.0.1:${proxy.address().port}` }
  }

  /** stop ends what start, wire or blocks started; a testserver says goodbye. */
  async stop(key) {
    const running = this.#running.get(key)
    this.#running.delete(key)
    await running?.stop()
  }
}

const hop = ['connection', 'upgrade', 'keep-alive', 'transfer-encoding', 'sec-websocket-key', 'sec-websocket-version', 'sec-websocket-extensions']

/** forward passes a request on without what belongs to one hop only (RFC 9110 §7.6.1). */
function forward(target, request, response) {
  const headers = { ...request.headers }
  for (const name of hop) delete headers[name]
  const onward = http.request(target + request.url, { method: request.method, headers }, answer => {
    response.writeHead(answer.statusCode, answer.headers)
    response.flushHeaders()
    answer.pipe(response)
    answer.on('error', () => response.destroy())
  })
  onward.on('error', () => response.destroy())
  response.on('close', () => onward.destroy())
  request.pipe(onward)
}

/** Wire passes connections on to a port of 127.0.0.1. */
export class Wire {
  #server
  #pairs = new Set()
  #state = 'up'

  constructor(port) {
    this.port = port // read for each new connection
  }

  async start() {
    this.#server = createServer(client => this.#pass(client))
    await new Promise(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${this.#server.address().port}`
  }

  #pass(client) {
    client.on('error', () => {})
    if (this.#state === 'down') return reset(client)
    const pair = this.#state === 'mute' ? [client] : [client, createConnection(this.port, '127.0.0.1')]
    this.#pairs.add(pair)
    client.on('close', () => this.#pairs.delete(pair))
    if (pair.length === 1) return
    for (const [from, to] of [pair, [...pair].reverse()]) {
      const pass = fn => data => pair.dead || fn(data)
      from.on('data', pass(data => to.write(data)))
      from.on('end', pass(() => to.end()))
      from.on('error', pass(() => to.destroy()))
      from.on('close', pass(() => to.destroy()))
    }
  }

  /** cut resets all connections for both ends. */
  cut() {
    for (const pair of this.#pairs) for (const socket of pair) reset(socket)
  }

  /** leave resets them for the client only: the server is left with what is dead. */
  leave() {
    for (const pair of this.#pairs) {
      pair.dead = true
      reset(pair[0])
    }
  }

  /** down cuts all connections, and new ones until up. */
  down() {
    this.#state = 'down'
    this.cut()
  }

  up() { this.#state = 'up' }

  /** mute keeps the connections and lets nothing pass any more, not even their ends, nor over new ones until up. */
  mute() {
    this.#state = 'mute'
    for (const pair of this.#pairs) pair.dead = true
  }

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
