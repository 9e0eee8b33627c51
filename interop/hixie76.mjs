// A client of draft 76 of the WebSocket protocol, as browsers of 2010 were, by its text: no npm package of today has one. It looks like
// one of ws, as far as these tests use that.

import assert from 'node:assert/strict'
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { connect } from 'node:net'

/** key makes a value for Sec-WebSocket-Key1 or 2, and the part of the challenge in it (§5.1, steps 16 to 24). */
function key() {
  const spaces = randomInt(1, 13)
  const part = randomInt(Math.floor(4294967295 / spaces) + 1)
  const characters = [...String(part * spaces)]
  const insert = (c, from, to) => characters.splice(randomInt(from, to), 0, c)
  for (let n = randomInt(1, 13); n > 0; n--) insert(String.fromCharCode(randomInt(2) ? randomInt(0x21, 0x30) : randomInt(0x3A, 0x7F)), 0, characters.length + 1)
  for (let n = spaces; n > 0; n--) insert(' ', 1, characters.length)
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(part)
  return { text: characters.join(''), bytes }
}

export class Hixie76 extends EventEmitter {
  #socket
  #rest = Buffer.alloc(0)
  #expected // the answer to the challenge, until it has come
  #ended = false

  constructor(url) {
    super()
    this.url = new URL(url.replace(/^http/, 'ws'))
    const [one, two, three] = [key(), key(), randomBytes(8)]
    this.#expected = createHash('md5').update(Buffer.concat([one.bytes, two.bytes, three])).digest()
    this.#socket = connect(this.url.port, this.url.hostname, () => {
      const { host, pathname, search } = this.url
      this.#socket.write([
        `GET ${pathname}${search} HTTP/1.1`, 'Upgrade: WebSocket', 'Connection: Upgrade', `Host: ${host}`, `Origin: http://${host}`,
        `Sec-WebSocket-Key1: ${one.text}`, `Sec-WebSocket-Key2: ${two.text}`, '', '',
      ].join('\r\n'))
      this.#socket.write(three)
    })
    this.#socket.on('data', data => {
      this.#rest = Buffer.concat([this.#rest, data])
      try {
        this.#take()
      } catch (err) {
        this.#socket.destroy(err)
      }
    })
    this.#socket.on('error', err => this.emit('error', err))
    this.#socket.on('close', () => this.emit('close', this.#ended ? 1005 : 1006, Buffer.alloc(0)))
  }

  #take() {
    if (this.#expected && !this.#opened()) return
    while (this.#rest.length > 1 && !this.#ended) {
      if (this.#rest[0] === 0xFF) {
        assert.equal(this.#rest[1], 0, 'the closing handshake')
        this.#ended = true
        this.#socket.end(Buffer.from([0xFF, 0x00]))
        return
      }
      assert.equal(this.#rest[0], 0, 'the type of a frame')
      const end = this.#rest.indexOf(0xFF)
      if (end < 0) return
      const text = this.#rest.subarray(1, end)
      this.#rest = this.#rest.subarray(end + 1)
      this.emit('message', text, false)
    }
  }

  /** #opened checks the answer of the server as a browser did (§5.1, steps 30 to 47). */
  #opened() {
    const end = this.#rest.indexOf('\r\n\r\n')
    if (end < 0 || this.#rest.length < end + 20) return false
    const [status, ...fields] = this.#rest.subarray(0, end).toString('latin1').split('\r\n')
    assert.match(status, /^HTTP\/1\.1 101 /)
    const header = Object.fromEntries(fields.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
    assert.deepEqual([header.upgrade, header.connection.toLowerCase()], ['WebSocket', 'upgrade'])
    assert.equal(header['sec-websocket-origin'], `http://${this.url.host}`)
    assert.equal(header['sec-websocket-location'], this.url.href)
    assert.deepEqual(this.#rest.subarray(end + 4, end + 20), this.#expected, 'the answer to the challenge')
    this.#expected = undefined
    this.#rest = this.#rest.subarray(end + 20)
    this.emit('open')
    return true
  }

  send(text) {
    this.#socket.write(Buffer.concat([Buffer.from([0x00]), Buffer.from(text), Buffer.from([0xFF])]))
  }

  /** close says goodbye; the server says it too, and hangs up. */
  close() {
    this.#socket.write(Buffer.from([0xFF, 0x00]))
  }
}
