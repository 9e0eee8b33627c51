// A TCP proxy on the loopback that cuts connections, as a network does.

import { createConnection, createServer } from 'node:net'

import { resolvers } from './wait.mjs'

/** seeded is a generator of numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const mostConnections = 2000

/** Cutter passes connections on to a port of 127.0.0.1, and cuts each that is a WebSocket after a while, unless it is told
    not to, and some of the others. */
export class Cutter {
  cuts = 0
  cutting = false
  deaf = false // what clients send over WebSockets goes nowhere
  #random
  #server
  #pairs = new Set()
  #waiting = new Set() // clients at the gate
  #count = 0
  #gate = resolvers() // connections wait for it

  /** A WebSocket lasts from least to most milliseconds, and of other connections that share is cut after at most 20.
      A cut is for the client only with the probability oneSided: the server is left with what is dead. */
  constructor({ seed = 1, least = 20, most = 250, share = 0, oneSided = 0.5 } = {}) {
    this.#random = seeded(seed)
    this.share = share
    this.oneSided = oneSided
    this.lifetime = () => least + this.#random() * (most - least)
    this.release()
  }

  async start(port) {
    this.#server = createServer(client => this.#pass(client, port))
    await new Promise(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${this.#server.address().port}`
  }

  /** hold lets nobody through before release. */
  hold() { this.#gate = resolvers() }

  release() { this.#gate.resolve() }

  async #pass(client, port) {
    if (++this.#count > mostConnections) return client.destroy()
    client.on('error', () => {})
    this.#waiting.add(client)
    await this.#gate.promise
    this.#waiting.delete(client)
    if (client.destroyed) return
    const pair = { client, server: createConnection(port, '127.0.0.1'), open: false, doomed: false, cut: false, asked: 0 }
    this.#pairs.add(pair)
    if (this.cutting && this.#random() < this.share) this.#doom(pair, this.#random() * 20)
    for (const [from, to] of [[client, pair.server], [pair.server, client]]) {
      from.on('data', data => this.#move(pair, from, to, data))
      from.on('end', () => pair.cut || to.end())
      from.on('error', () => pair.cut || to.destroy())
      from.on('close', () => {
        if (!pair.cut) to.destroy()
        if (to.destroyed) this.#pairs.delete(pair)
      })
    }
  }

  /** move passes data on, or some of it and then nothing more. */
  #move(pair, from, to, data) {
    pair.asked = from === pair.client ? performance.now() : 0
    if (pair.cut || (this.deaf && pair.open && from === pair.client)) return
    if (!pair.open && from === pair.server && data.includes('HTTP/1.1 101')) {
      pair.open = true
      this.#doom(pair)
    }
    if (!this.cutting || !pair.doomed) {
      to.write(data)
      return
    }
    to.write(data.subarray(0, this.#random() * data.length))
    this.cut(pair)
  }

  /** doom cuts a connection after a while: in the middle of what it carries then, or a moment later if that is nothing. */
  #doom(pair, ends = this.lifetime()) {
    setTimeout(() => { pair.doomed = true }, ends).unref()
    setTimeout(() => { if (this.cutting) this.cut(pair) }, ends + 20).unref()
  }

  /** cut ends a connection for both ends at once, or, as often, for the client only: the server is left with one that is dead. */
  cut(pair, both = this.#random() >= this.oneSided) {
    if (pair.cut) return
    pair.cut = true
    this.cuts++
    setImmediate(() => pair.client.resetAndDestroy()) // what was written shall leave before
    if (both) setImmediate(() => pair.server.resetAndDestroy())
  }

  /** cutAll cuts every WebSocket; with others, all connections there are, also those that are held. For both ends, unless
      it is told otherwise. */
  cutAll({ others = false, both = true } = {}) {
    for (const pair of this.#pairs) if (pair.open || others) this.cut(pair, both)
    if (others) for (const client of this.#waiting) client.resetAndDestroy()
  }

  /** waits tells whether what is open are WebSockets and requests that wait for their answer since so many milliseconds. */
  waits(ms) {
    const since = performance.now() - ms
    const busy = [...this.#pairs].filter(({ open, asked, cut }) => !cut && (open || asked))
    return busy.length > 0 && busy.every(({ open, asked }) => open || asked < since)
  }

  async stop() {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const { client, server } of this.#pairs) {
      client.destroy()
      server.destroy()
    }
    await closed
  }
}
