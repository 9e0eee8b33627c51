// A Host for pages that may reach no origin but their own, as with forever frames: the server, all that a scenario
// starts, and what stands before it, are behind one address. A value in the query of each request says which is meant.

import http from 'node:http'

import { Host } from './host.mjs'

export class Behind extends Host {
  #proxy
  #lines = new Map() // key, as it is in queries → Line

  /** open resolves with the address, behind which a server is where nothing else is meant. */
  async open(server) {
    const main = this.main = new Line(server.port)
    this.#proxy = http.createServer((request, response) => {
      const key = new URL(request.url, server.url).searchParams.get('line')
      ;(this.#lines.get(key) ?? main).take(request, response)
    })
    await new Promise(resolve => this.#proxy.listen(0, '127.0.0.1', resolve))
    return this.url = `http://127.0.0.1:${this.#proxy.address().port}`
  }

  async start(options) {
    const server = await super.start(options)
    return { ...server, ...this.#line(server.key, new Line(Number(new URL(server.url).port))) }
  }

  /** wire is a way to the main server. */
  async wire() {
    const line = new Line(this.main.port)
    const key = this.keep(line)
    return { key, ...this.#line(key, line) }
  }

  async turn({ key, how }) {
    this.#lines.get(String(key))[how]()
  }

  #line(key, line) {
    this.#lines.set(String(key), line)
    return { url: this.url, qs: { line: String(key) } }
  }

  close() {
    this.#proxy.closeAllConnections()
    return new Promise(resolve => this.#proxy.close(resolve))
  }
}

const hop = ['connection', 'keep-alive', 'transfer-encoding']

/** Line passes requests on to a port of 127.0.0.1. */
class Line {
  #state = 'up'
  #exchanges = new Set()

  constructor(port) {
    this.port = port
  }

  take(request, response) {
    if (this.#state === 'down') return request.socket.resetAndDestroy()
    const exchange = { response, live: this.#state === 'up' }
    this.#exchanges.add(exchange)
    response.on('close', () => {
      this.#exchanges.delete(exchange)
      if (!exchange.left) exchange.onward?.destroy()
    })
    if (exchange.live) this.#forward(request, response, exchange)
  }

  #forward(request, response, exchange) {
    const headers = { ...request.headers }
    for (const name of hop) delete headers[name]
    const passes = fn => data => { if (exchange.live) fn(data) }
    exchange.onward = http.request({ host: '127.0.0.1', port: this.port, method: request.method, path: request.url, headers }, answer => {
      exchange.frame = /html/.test(answer.headers['content-type'])
      if (exchange.live) response.writeHead(answer.statusCode, answer.headers).flushHeaders()
      answer.on('data', passes(data => response.write(data)))
      answer.on('end', passes(() => response.end()))
      answer.on('error', passes(() => response.destroy()))
    })
    exchange.onward.on('error', passes(() => response.destroy()))
    request.on('data', passes(data => exchange.onward.write(data)))
    request.on('end', passes(() => exchange.onward.end()))
  }

  /** cut ends all requests: frames as a server ends them, as Chromium does not tell a page of others, the rest by a reset. */
  cut() {
    for (const exchange of this.#exchanges) {
      const { response, frame } = exchange
      exchange.live = false
      if (frame) response.end()
      else response.socket?.resetAndDestroy()
    }
  }

  /** leave does so for the page only: the server is left with what is dead. */
  leave() {
    for (const exchange of this.#exchanges) exchange.left = true
    this.cut()
  }

  /** down cuts all, and what comes until up. */
  down() {
    this.#state = 'down'
    this.cut()
  }

  /** mute lets nothing pass, not even ends. What comes meanwhile is cut in the end. */
  mute() {
    this.#state = 'mute'
    for (const exchange of this.#exchanges) exchange.live = false
  }

  up() {
    if (this.#state === 'mute') this.cut()
    this.#state = 'up'
  }

  async stop() {
    this.cut()
  }
}
