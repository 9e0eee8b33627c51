// The plain protocol as a page speaks it: a bare WebSocket or an EventSource, and no library.

import { EventSource } from 'eventsource'
import WebSocket from 'ws'

import { Inbox, resolvers, within } from './wait.mjs'

/** plainSocket opens a bare WebSocket, of ws or of another kind; resolves when the hub has said open. */
export async function plainSocket(url, Kind = WebSocket) {
  const client = new PlainSocket(new Kind(url.replace(/^http/, 'ws')))
  client.opened = await client.inbox.has('open message', m => m.type === 'open')
  return client
}

export class PlainSocket {
  inbox = new Inbox()
  closed = resolvers()
  #calls = new Map()
  #last = 0

  constructor(ws) {
    this.ws = ws
    ws.on('message', (data, binary) => this.#take(JSON.parse(data.toString()), binary))
    ws.on('close', (code, reason) => this.closed.resolve({ code, reason: reason.toString() }))
    ws.on('error', () => {}) // a close follows
  }

  #take(message) {
    this.inbox.put(message)
    const call = this.#calls.get(message.id)
    if (!call || (message.type !== 'result' && message.type !== 'error')) return
    this.#calls.delete(message.id)
    if (message.type === 'error') call.reject(Object.assign(new Error(message.message), message))
    else call.resolve('values' in message ? message.values : message.value)
  }

  send(message) {
    this.ws.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** call resolves with the hub's answer. */
  call(name, ...args) {
    const id = String(++this.#last)
    const answer = resolvers()
    this.#calls.set(id, answer)
    this.send({ type: 'call', id, name, args })
    return within(`answer to ${name}`, answer.promise)
  }

  /** event resolves with the arguments of the first event of that name, past or future, that fits. */
  async event(name, fits = () => true) {
    const message = await this.inbox.has(`event ${name}`, m => m.type === 'event' && m.name === name && fits(...m.args))
    return message.args
  }

  /** close says goodbye; resolves with what the server closed with. */
  close() {
    this.ws.close()
    return within('close', this.closed.promise)
  }
}

/** plainEvents opens an EventSource; resolves when the hub has said open. */
export async function plainEvents(url) {
  const client = new PlainEvents(url)
  client.opened = await client.inbox.has('open message', m => m.type === 'open')
  return client
}

export class PlainEvents {
  inbox = new Inbox()

  constructor(url) {
    this.url = url
    this.source = new EventSource(url)
    this.source.onmessage = e => this.inbox.put(JSON.parse(e.data))
  }

  /** post sends messages; resolves with the response. */
  post(...messages) {
    const address = new URL(this.url)
    address.search = '?session=' + encodeURIComponent(this.opened.session)
    const body = messages.map(m => (typeof m === 'string' ? m : JSON.stringify(m))).join('\n')
    return fetch(address, { method: 'POST', body })
  }

  close() {
    this.source.close()
  }
}
