// What runs beside a scenario: other servers, and a proxy in between. Everything given and returned is plain, as the
// scenarios of a browser call from there.

import http from 'node:http'

import { startTestserver } from '../server.mjs'

export class Host {
  #running = new Map() // key → what stops it
  #keys = 0

  #keep(stop) {
    this.#running.set(++this.#keys, stop)
    return this.#keys
  }

  /** start starts a testserver. */
  async start(options) {
    const server = await startTestserver(options)
    return { key: this.#keep(() => server.stop()), url: server.url, host: server.host }
  }

  /** proxy starts a proxy that lets HTTP through, and of no WebSocket more than its request. */
  async proxy({ target }) {
    const proxy = http.createServer((request, response) => forward(target, request, response))
    await new Promise(resolve => proxy.listen(0, '127.0.0.1', resolve))
    const key = this.#keep(() => new Promise(resolve => {
      proxy.close(resolve)
      proxy.closeAllConnections()
    }))
    return { key, url: `http://127.0.0.1:${proxy.address().port}` }
  }

  async stop(key) {
    const stop = this.#running.get(key)
    this.#running.delete(key)
    await stop?.()
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
