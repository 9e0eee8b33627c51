// Connection state recovery: unmodified clients of Socket.IO behind a proxy that cuts their connections.
//
// SEED=2 MESSAGES=1000 node --test socketio.recovery.test.mjs

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { io } from 'socket.io-client'
import { io as io46 } from 'socket.io-client-4.6'
import * as parser from 'socket.io-msgpack-parser'

import { Cutter } from './cut.mjs'
import { startTestserver } from './server.mjs'
import { Inbox, once, within } from './wait.mjs'

const messages = Number(process.env.MESSAGES ?? 10_000)
const seed = Number(process.env.SEED ?? 1)

// The reference loses its way where volatile events and those with an ack end in strings, does not recover a client
// that has had no event, nor one whose end it has not noticed, and speaks one parser.
const reference = process.env.REFERENCE === '1'

// A client whose WebSocket is cut between the answer to its probe and the upgrade writes nothing any more: only the hub's
// pings find it out. Its other clients, which hear them late on a slow machine, are given 9 s before they give up.
let server
before(async () => { server = await startTestserver({ args: ['--keepalive', '1s', '--idle', '8s'] }) })
after(() => server?.stop())

const clients = { '4.6.2': io46, '4.8.4': io }

const transports = {
  'by polling': { transports: ['polling'] },
  'by WebSocket': { transports: ['websocket'] },
  'with upgrades': {},
}

async function call(socket, name, ...args) {
  const answer = await socket.timeout(60_000).emitWithAck(name, ...args)
  if (answer?.error) throw new Error(`${name}: ${answer.error.message}`)
  return answer
}

/** Line is a client that came through a proxy of its own. */
class Line {
  drops = []
  dropped = new Inbox()
  mist = []
  asked = []
  connects = new Inbox() // [id, recovered]
  disconnects = new Inbox()

  constructor({ connect = io, options = {}, path = '/judge/recovery/', name = '', ...cuts } = {}) {
    Object.assign(this, { connect, options, path, name })
    this.cutter = new Cutter({ seed, oneSided: reference ? 0 : 0.5, ...cuts })
  }

  async open() {
    await this.cutter.start(server.port)
    const socket = this.socket = this.connect(this.cutter.url + this.name, {
      path: this.path, forceNew: true, reconnectionDelay: 5, reconnectionDelayMax: 20, ...this.options,
    })
    socket.on('connect', () => this.connects.put([socket.id, socket.recovered]))
    socket.on('disconnect', reason => this.disconnects.put(reason))
    socket.on('drop', (n, ...rest) => {
      this.drops.push(n)
      if (rest[0]?.bytes) assert.equal(Buffer.from(rest[0].bytes)[0], n & 255)
      this.dropped.put(n)
    })
    socket.on('mist', n => this.mist.push(n))
    socket.on('asked', (n, ...rest) => {
      this.asked.push(n)
      rest.at(-1)('heard')
    })
    await this.connects.counts(1)
    this.id = socket.id
    return socket
  }

  /** forget forgets what the client has heard. */
  forget() {
    Object.assign(this, { drops: [], dropped: new Inbox(), mist: [], asked: [] })
  }

  /** away cuts the client off where both ends, or only the client, learn of it, and lets nobody back before the cutter's
      release. */
  async away(both = true) {
    const n = this.disconnects.items.length
    while (!this.cutter.waits(100)) await new Promise(resolve => setTimeout(resolve, 10)) // between two polls there is nothing to cut
    this.cutter.hold()
    this.cutter.cutAll({ others: true, both })
    await this.disconnects.counts(n + 1)
  }

  /** back resolves with [id, recovered] of the next connection. */
  async back() {
    const n = this.connects.items.length
    this.cutter.release()
    return (await this.connects.counts(n + 1, undefined, 30_000)).at(n)
  }

  /** calm ends the cutting, and resolves once the client has an answer. */
  async calm() {
    this.cutter.cutting = false
    const answered = () => this.socket.timeout(1000).emitWithAck('nothing').then(() => true, () => false) // one that was just cut off has none
    await within('calm', (async () => { while (!await answered()); })())
  }

  /** story tells what happened to the client. */
  story() {
    const { connected, receiveBuffer, _lastOffset, io: { engine } } = this.socket
    return JSON.stringify({
      connects: this.connects.items, disconnects: this.disconnects.items, drops: this.drops.length, last: this.drops.at(-1), cuts: this.cutter.cuts,
      connected, offset: _lastOffset, buffered: receiveBuffer.length, engine: engine.readyState, transport: engine.transport?.name,
    })
  }

  async close() {
    this.cutter.cutting = false
    this.cutter.release()
    this.socket?.close()
    await this.cutter.stop()
  }
}

async function withLine(options, body) {
  const line = new Line(options)
  try {
    await body(line)
  } catch (err) {
    throw new Error(`${err.stack}\n${line.story()}\n${server.log.slice(-1000)}`)
  } finally {
    await line.close()
  }
}

/** driver is a client without a proxy. */
async function driver(t, path = '/judge/recovery/', name = '') {
  const socket = io(server.url + name, { path, transports: ['websocket'], forceNew: true })
  t.after(() => socket.close())
  await once(socket, 'connect')
  return socket
}

/** wantInOrder wants the numbers from 1 to n, each once. */
function wantInOrder(got, n) {
  const i = got.findIndex((number, i) => number !== i + 1)
  assert.equal(i, -1, `${got[i]} came after ${got[i - 1]}`)
  assert.equal(got.length, n)
}

/** wantRising wants no number twice, and none before a smaller one. */
function wantRising(got, what) {
  got.forEach((n, i) => assert.ok(i === 0 || n > got[i - 1], `${what} ${n} came after ${got[i - 1]}`))
}

// A cut falls into what travels: with polls, a connection is one request.
const ways = { 'by polling': { share: 0.3 }, 'with upgrades': { share: 0.1 } }

describe('recovery', { concurrency: 2 }, () => {
  for (const [version, connect] of Object.entries(clients)) {
    for (const [how, options] of Object.entries(transports)) {
      test(`${messages} numbered events, cut at random, ${version} ${how}`, { timeout: 180_000 }, t => withLine({ connect, options, ...ways[how] }, async line => {
        const socket = await line.open()
        const group = `rain ${version} ${how}`
        await call(socket, 'join', group)
        await call(socket, 'remember', { wet: true })
        const groups = await call(socket, 'groups')
        const other = await driver(t)
        const cuts = () => line.disconnects.items.length
        while (cuts() < messages / 3000) { // a client that waits for the hub's ping hears most of it at once, and few cuts prove nothing
          line.forget()
          line.cutter.cutting = true
          await call(other, 'deluge', group, line.id, messages)
          await line.dropped.counts(messages, undefined, 60_000)
          await line.calm()
          wantInOrder(line.drops, messages)
          wantRising(line.mist, 'volatile event')
          assert.equal(new Set(line.asked).size, line.asked.length, 'an event with an ack came twice')
          assert.ok(line.mist.length > 0 && line.asked.length > 0)
          t.diagnostic(`${cuts()} connections lost of ${line.cutter.cuts} cut; ${line.mist.length} and ${line.asked.length} volatile and acked events came`)
        }
        for (const [id, recovered] of line.connects.items.slice(1)) assert.deepEqual([id, recovered], [line.id, true])
        assert.deepEqual(await call(socket, 'groups'), groups)
        assert.deepEqual(await call(socket, 'remembered'), { wet: true })
        assert.equal((await call(socket, 'me')).id, line.id)
      }))

      test(`what is sent to one who is away waits, ${version} ${how}`, { timeout: 60_000 }, t => withLine({ connect, options }, async line => {
        const socket = await line.open()
        await call(socket, 'join', `away ${version} ${how}`)
        const other = await driver(t)
        await line.away()
        await call(other, 'deluge', `away ${version} ${how}`, line.id, 100)
        assert.deepEqual(await line.back(), [line.id, true])
        wantInOrder(line.drops, 100) // what was missed comes before the connect
        assert.deepEqual([line.mist, line.asked], [[], []])
        await call(other, 'say', `away ${version} ${how}`, 'after')
        assert.equal((await call(socket, 'me')).id, line.id)
      }))

      test(`one who is away for too long comes back as another, ${version} ${how}`, { timeout: 60_000 }, t => withLine({ connect, options, path: '/judge/forgetful/' }, async line => {
        const socket = await line.open()
        await call(socket, 'join', 'forgotten')
        await call(socket, 'remember', 'me')
        const other = await driver(t, '/judge/forgetful/')
        const gone = new Inbox()
        other.on('gone', id => gone.put(id))
        await call(other, 'join', 'watchers')
        await line.away()
        await gone.has('end', id => id === line.id)
        await new Promise(resolve => setTimeout(resolve, 1000)) // of 300 ms it is granted
        const [id, recovered] = await line.back()
        assert.notEqual(id, line.id)
        assert.equal(recovered, false)
        assert.deepEqual(await call(socket, 'groups'), ['everyone'])
        assert.equal(await call(socket, 'remembered'), null)
      }))

      test(`one who said goodbye comes back as another, ${version} ${how}`, { timeout: 60_000 }, t => withLine({ connect, options }, async line => {
        const socket = await line.open()
        socket.disconnect()
        await line.disconnects.counts(1)
        const again = line.connects.counts(2)
        socket.connect()
        const [, [id, recovered]] = await again
        assert.notEqual(id, line.id)
        assert.equal(recovered, false)
        socket.emit('kick', true)
        assert.equal((await line.disconnects.counts(2))[1], 'io server disconnect')
        socket.connect()
        const [, , [, third]] = await line.connects.counts(3)
        assert.equal(third, false)
      }))
    }
  }

  test('one who has had no event yet is recovered', { skip: reference }, t => withLine({ name: '/quiet' }, async line => {
    const socket = await line.open()
    await call(socket, 'join', 'silence')
    await line.away()
    const other = await driver(t, '/judge/recovery/', '/quiet')
    await call(other, 'deluge', 'silence', line.id, 10)
    assert.deepEqual(await line.back(), [line.id, true])
    wantInOrder(line.drops, 10)
    assert.deepEqual(await call(socket, 'groups'), ['silence'])
  }))

  for (const [how, options] of Object.entries(transports)) {
    test(`one whose end the hub has not noticed is recovered ${how}`, { skip: reference, timeout: 60_000 }, t => withLine({ options }, async line => {
      const socket = await line.open()
      await call(socket, 'join', `ghost ${how}`)
      const other = await driver(t)
      await line.away(false)
      await call(other, 'deluge', `ghost ${how}`, line.id, 100)
      assert.deepEqual(await line.back(), [line.id, true])
      await line.dropped.counts(100)
      wantInOrder(line.drops, 100)
      assert.equal((await call(socket, 'me')).id, line.id)
      assert.deepEqual(await call(socket, 'groups'), ['everyone', `ghost ${how}`])
    }))
  }

  test('clients of the msgpack parser are recovered', { skip: reference, timeout: 60_000 }, t => withLine({ options: { parser } }, async line => {
    const socket = await line.open()
    await call(socket, 'join', 'packed')
    const other = await driver(t)
    line.cutter.cutting = true
    await call(other, 'deluge', 'packed', line.id, 2000)
    await line.dropped.counts(2000)
    await line.calm()
    wantInOrder(line.drops, 2000)
    for (const [id, recovered] of line.connects.items.slice(1)) assert.deepEqual([id, recovered], [line.id, true])
  }))

  test('each namespace of a connection is recovered for itself', { timeout: 60_000 }, t => withLine({}, async line => {
    const main = await line.open()
    const side = main.io.socket('/side')
    t.after(() => side.close())
    await once(side, 'connect')
    const { id } = side
    await call(main, 'join', 'both')
    await call(side, 'join', 'both')
    const heard = new Inbox()
    side.on('drop', n => heard.put(n))
    const others = await Promise.all([driver(t), driver(t, '/judge/recovery/', '/side')])
    await line.away()
    await Promise.all([call(others[0], 'deluge', 'both', line.id, 50), call(others[1], 'deluge', 'both', id, 100)])
    const sideBack = once(side, 'connect')
    assert.deepEqual(await line.back(), [line.id, true])
    await sideBack
    assert.deepEqual([side.id, side.recovered], [id, true])
    wantInOrder(line.drops, 50)
    await heard.counts(100)
    wantInOrder(heard.items, 100)
  }))

  test('what a client sends with retries arrives, in order', { timeout: 60_000 }, t => withLine({ options: { retries: 1000, ackTimeout: 500 } }, async line => {
    const socket = await line.open()
    line.cutter.cutting = true
    const echoed = []
    await within('all answers', Promise.all(Array.from({ length: 300 }, (_, i) => new Promise((resolve, reject) => {
      socket.emit('echo', i, (err, n) => {
        if (err) return reject(err)
        echoed.push(n)
        resolve()
      })
    }))), 45_000)
    line.cutter.cutting = false
    assert.deepEqual(echoed, Array.from({ length: 300 }, (_, i) => i))
  }))
})
