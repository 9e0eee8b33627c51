// A Host for pages that may reach no origin but their own, as with forever frames: all that a scenario starts, and what
// stands before it, is behind one address, which is that of the page.

import { Host, Wire } from './host.mjs'

export class Behind extends Host {
  #server
  #wire

  /** open resolves with the address of the page, which a server is behind. */
  async open(server) {
    this.#server = server
    this.#wire = new Wire(server.port)
    await this.#wire.start()
    this.key = this.keep(this.#wire)
    this.url = this.#wire.url
    return this.url
  }

  /** reset puts the server behind the address again. */
  reset() {
    this.#wire.port = this.#server.port
    this.#wire.up()
  }

  async start(options) {
    return this.#through(await super.start(options))
  }

  async blocks(options) {
    return this.#through(await super.blocks({ ...options, target: `http://127.0.0.1:${this.#wire.port}` }))
  }

  async wire() {
    return { key: this.key, url: this.url }
  }

  async stop(key) {
    if (key !== this.key) return super.stop(key)
  }

  /** close ends the address itself. */
  async close() {
    await super.stop(this.key)
  }

  #through(started) {
    this.#wire.port = Number(new URL(started.url).port)
    return { ...started, url: this.url }
  }
}
