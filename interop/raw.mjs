// A TCP socket that speaks just enough WebSocket (RFC 6455 §5.2) to break its rules.

import net from 'node:net'

import { Inbox, resolvers, within } from './wait.mjs'

export const text = 1, binary = 2, close = 8, ping = 9

/** frame builds a frame; anything about it may be wrong. */
export function frame(opcode, payload = '', { fin = true, rsv = 0, masked = true, length } = {}) {
  const data = Buffer.from(payload)
  const size = length ?? data.length
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode]
  const mask = masked ? 0x80 : 0
  if (size < 126) head.push(mask | size)
  else if (size < 65536) head.push(mask | 126, size >> 8, size & 255)
  else {
    const wide = Buffer.alloc(8)
    wide.writeBigUInt64BE(BigInt(size))
    head.push(mask | 127, ...wide)
  }
  const key = masked ? Buffer.from([1, 2, 3, 4]) : Buffer.alloc(0)
  if (masked) for (let i = 0; i < data.length; i++) data[i] ^= key[i % 4]
  return Buffer.concat([Buffer.from(head), key, data])
}

/** rawSocket connects and, unless told otherwise, shakes hands at path. */
export async function rawSocket(url, path, { upgrade = true, headers = [] } = {}) {
  const { hostname, port, host } = new URL(url)
  const raw = new RawSocket(net.connect({ host: hostname, port }))
  await within('connection', raw.connected.promise)
  if (!upgrade) return raw
  raw.write([`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: websocket',
    'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==', ...headers, '', ''].join('\r\n'))
  const head = await within('answer to the handshake', raw.head.promise)
  if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(head)
  return raw
}

export class RawSocket {
  frames = new Inbox() // {opcode, data}
  connected = resolvers()
  head = resolvers() // the response's head
  closed = resolvers() // the TCP connection has ended
  #rest = Buffer.alloc(0)
  #open = false

  constructor(socket) {
    this.socket = socket
    this.head.promise.catch(() => {})
    socket.on('connect', this.connected.resolve)
    socket.on('data', data => this.#take(data))
    socket.on('error', () => {}) // a close follows
    socket.on('close', () => {
      this.connected.reject(new Error('closed'))
      this.head.reject(new Error('closed before the answer'))
      this.closed.resolve()
    })
    this.connected.promise.catch(() => {})
  }

  write(data) {
    this.socket.write(data)
  }

  /** said resolves with the first text that fits, past or future. */
  async said(what, fits = () => true) {
    const found = await this.frames.has(what, f => f.opcode === text && fits(f.data.toString()))
    return found.data.toString()
  }

  /** goodbye resolves with the close frame's code and reason. */
  async goodbye() {
    const { data } = await this.frames.has('close frame', f => f.opcode === close)
    return data.length < 2 ? { code: 1005, reason: '' } : { code: data.readUInt16BE(0), reason: data.subarray(2).toString() }
  }

  /** stall stops reading, for good: what the server sends fills the buffers. */
  stall() {
    this.socket.pause()
  }

  destroy() {
    this.socket.destroy()
  }

  #take(data) {
    this.#rest = Buffer.concat([this.#rest, data])
    if (!this.#open) {
      const end = this.#rest.indexOf('\r\n\r\n')
      if (end < 0) return
      const head = this.#rest.subarray(0, end).toString('latin1')
      this.#rest = this.#rest.subarray(end + 4)
      this.#open = head.startsWith('HTTP/1.1 101 ')
      this.head.resolve(head)
    }
    if (this.#open) while (this.#frame());
  }

  #frame() {
    const b = this.#rest
    if (b.length < 2) return false
    let size = b[1] & 127, at = 2
    if (size === 126) {
      if (b.length < 4) return false
      size = b.readUInt16BE(2)
      at = 4
    } else if (size === 127) {
      if (b.length < 10) return false
      size = Number(b.readBigUInt64BE(2))
      at = 10
    }
    if (b.length < at + size) return false
    this.#rest = b.subarray(at + size)
    const data = Buffer.from(b.subarray(at, at + size))
    this.frames.put({ opcode: b[0] & 15, data })
    if ((b[0] & 15) === close) this.write(frame(close, data)) // §5.5.1: answered in kind
    return true
  }
}
