// The unmodified socket.io-client with socket.io-msgpack-parser, whose packets are MessagePack and whose values may be
// binary and moments in time.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { HubConnectionBuilder, LogLevel } from '@microsoft/signalr'
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack'
import { io } from 'socket.io-client'
import * as parser from 'socket.io-msgpack-parser'

import { startTestserver } from './server.mjs'
import { Inbox, once, within } from './wait.mjs'

const reference = process.env.REFERENCE === '1' // which speaks one of the parsers at a path

let server
before(async () => { server = await startTestserver({ args: ['--ask', '5s'] }) })
after(() => server?.stop())

const transports = {
  'in its default configuration': {},
  'by polling': { transports: ['polling'] },
  'by WebSocket': { transports: ['websocket'] },
}

/** socketTo returns a socket with the parser, which the test closes in the end. */
function socketTo(t, options, name = '') {
  const socket = io(server.url + name, {
    path: reference ? '/judge/packed/' : '/judge/socket.io/', parser, forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 100, ...options,
  })
  t.after(() => socket.close())
  return socket
}

async function connected(t, options, name) {
  const socket = socketTo(t, options, name)
  await once(socket, 'connect')
  return socket
}

function told(socket, name) {
  const inbox = new Inbox()
  socket.on(name, (...args) => inbox.put(args))
  return inbox
}

const call = (socket, name, ...args) => socket.timeout(30_000).emitWithAck(name, ...args)

const bytes = (n, first = 0) => Buffer.from(Array.from({ length: n }, (_, i) => (first + i) & 255))

for (const [how, options] of Object.entries(transports)) {
  describe(how, () => {
    test('values come back as they went', async t => {
      const socket = await connected(t, options)
      assert.equal(await call(socket, 'add', 20, 22), 42)
      for (const value of [null, true, false, 0, -1, -1.5, 127, 128, -33, 65_536, 2 ** 31, 2 ** 40, -(2 ** 40), 0.1, '', 'Grüße, 世界 👋', '\u2028\u001e<&>"\\',
        'x'.repeat(40), 'x'.repeat(300), 'x'.repeat(70_000), [], [1, [2, [3]]], Array.from({ length: 20 }, (_, i) => i), {}, { a: { b: null } }]) {
        assert.deepEqual(await call(socket, 'echo', value), value)
      }
      assert.equal((await call(socket, 'big', 500_000)).length, 500_000)
    })

    test('bytes come back as bytes, at any depth', async t => {
      const socket = await connected(t, options)
      for (const n of [0, 1, 255, 256, 70_000]) assert.deepEqual(Buffer.from(await call(socket, 'echo', bytes(n))), bytes(n))
      const deep = await call(socket, 'echo', { list: [bytes(3), { more: bytes(4, 100) }], name: 'two' })
      assert.deepEqual(Buffer.from(deep.list[0]), bytes(3))
      assert.deepEqual(Buffer.from(deep.list[1].more), bytes(4, 100))
      assert.equal(deep.name, 'two')
      const many = await call(socket, 'echo', Array.from({ length: 30 }, (_, i) => bytes(2, i))) // no attachments, no limit
      assert.deepEqual(many.map(b => b[0]), Array.from({ length: 30 }, (_, i) => i))
    })

    test('moments come back as dates', async t => {
      const socket = await connected(t, options)
      for (const when of [0, 1, 1_700_000_000_000, 1_700_000_000_123, 2 ** 34 * 1000, -62_135_596_800_000 + 5, 253_402_300_799_999]) {
        const moment = new Date(when)
        const back = await call(socket, 'echo', moment)
        assert.ok(back instanceof Date, `${moment.toISOString()} came back as ${typeof back}`)
        assert.equal(back.getTime(), when)
      }
    })

    test('events arrive with all their arguments, in order', async t => {
      const socket = socketTo(t, options)
      const back = told(socket, 'back')
      for (let i = 0; i < 300; i++) socket.emit('back', i, bytes(2, i), { i })
      const got = await back.counts(300)
      got.forEach(([i, b, o], k) => {
        assert.deepEqual([i, b[0], o.i], [k, k & 255, k])
      })
    })

    test('the hub asks and the client answers, with bytes', async t => {
      const socket = await connected(t, options)
      socket.on('confirm', (question, answer) => answer(question === 'Sure?'))
      socket.on('answer', (question, answer) => answer({ question, seal: bytes(5) }))
      assert.equal(await call(socket, 'ask', 'Sure?'), true)
      assert.equal(await call(socket, 'ask', 'Really?'), false)
      const answer = await call(socket, 'askFor', 'What?')
      assert.equal(answer.question, 'What?')
      assert.deepEqual(Buffer.from(answer.seal), bytes(5))
    })

    test('auth arrives, and a refusal has its data', async t => {
      const auth = { token: 'secret', n: 1 }
      assert.deepEqual(await call(await connected(t, { ...options, auth }), 'auth'), auth)
      const socket = socketTo(t, { ...options, auth: { refuse: 'closed today' } })
      const [err] = await once(socket, 'connect_error')
      assert.equal(err.message, 'closed today')
      assert.deepEqual({ ...err.data }, { code: 'refused', hint: 'come without refuse' })
      assert.equal(socket.active, false, 'the client tries again by itself')
    })

    test('namespaces share a connection and keep apart', async t => {
      const main = await connected(t, options)
      const side = main.io.socket('/side', { auth: { from: 'side' } })
      const closed = main.io.socket('/closed')
      const nowhere = main.io.socket('/nowhere')
      t.after(() => [side, closed, nowhere].forEach(s => s.close()))
      const refused = once(closed, 'connect_error')
      const unknown = once(nowhere, 'connect_error')
      side.open()
      closed.open()
      nowhere.open()
      await once(side, 'connect')
      const [err] = await refused
      assert.equal(err.message, 'Members only.')
      assert.equal(err.data.level, 3)
      assert.equal((await unknown)[0].message, 'Invalid namespace')
      assert.notEqual(side.id, main.id)
      assert.deepEqual(await call(side, 'auth'), { from: 'side' })
      const [heardMain, heardSide] = [told(main, 'said'), told(side, 'said')]
      for (const s of [main, side]) await call(s, 'join', 'room')
      await call(side, 'say', 'room', 'side only', bytes(3))
      await call(main, 'say', 'room', 'main only')
      assert.equal((await heardSide.counts(1))[0][0], 'side only')
      assert.deepEqual(await heardMain.counts(1), [['main only']])
      side.disconnect()
      assert.equal(await call(main, 'echo', 'still here'), 'still here')
      assert.equal(heardSide.items.length, 1)
    })

    test('both sides disconnect with the right reason', async t => {
      const watcher = await connected(t, { transports: ['websocket'] })
      const gone = told(watcher, 'gone')
      await call(watcher, 'join', 'watchers')
      const first = await connected(t, options)
      const { id } = first
      const bye = once(first, 'disconnect')
      first.disconnect()
      assert.equal((await bye)[0], 'io client disconnect')
      assert.deepEqual(await gone.has('goodbye', ([of]) => of === id), [id, 'client namespace disconnect'])

      const second = await connected(t, options)
      const kicked = once(second, 'disconnect')
      second.emit('kick', true)
      assert.equal((await kicked)[0], 'io server disconnect')
      assert.equal(second.active, false, 'the client comes back by itself')
    })

    test('a cut connection comes back', async t => {
      const socket = await connected(t, options)
      const before = socket.id
      const away = once(socket, 'disconnect')
      const back = once(socket, 'connect', 30_000)
      socket.emit('kick', false)
      assert.match((await away)[0], /^transport (close|error)$/)
      await back
      assert.notEqual(socket.id, before)
      assert.equal(await call(socket, 'echo', 'back'), 'back')
    })
  })
}

test('clients of both parsers and of SignalR in one room hear everything, bytes as bytes', { skip: reference }, async t => {
  const packed = await connected(t, {})
  const plain = await connected(t, { parser: undefined })
  const heard = [told(packed, 'said'), told(plain, 'said')]
  for (const s of [packed, plain]) await call(s, 'join', 'mixed')
  const signalr = [undefined, new MessagePackHubProtocol()].map(protocol => {
    const builder = new HubConnectionBuilder().withUrl(server.url + '/judge/signalr').configureLogging(LogLevel.None)
    if (protocol) builder.withHubProtocol(protocol)
    return builder.build()
  })
  for (const c of signalr) {
    const inbox = new Inbox()
    heard.push(inbox)
    c.on('said', (...args) => inbox.put(args))
    c.on('welcome', () => {})
    await c.start()
    t.after(() => c.stop())
    await c.invoke('join', 'mixed')
  }
  const each = 50
  for (let i = 0; i < each; i++) {
    packed.emit('say', 'mixed', 'packed', i, bytes(3, i))
    plain.emit('say', 'mixed', 'plain', i, bytes(3, i))
    await signalr[1].send('say', 'mixed', 'signalr', i, bytes(3, i))
  }
  const all = await Promise.all(heard.map(inbox => inbox.counts(3 * each)))
  const order = all.map(list => list.map(([who, i]) => `${who} ${i}`))
  for (const who of ['packed', 'plain', 'signalr']) {
    assert.deepEqual(order[0].filter(x => x.startsWith(who)), Array.from({ length: each }, (_, i) => `${who} ${i}`))
  }
  for (const other of order) assert.deepEqual(other, order[0])
  const seals = all.map(list => list.map(([, , b]) => typeof b === 'string' ? Buffer.from(b, 'base64') : Buffer.from(b)))
  for (const list of seals) list.forEach((b, k) => assert.deepEqual(b, bytes(3, all[0][k][1])))
  assert.equal(typeof all[2][0][2], 'string', 'bytes in SignalR\'s JSON are Base64')
  assert.ok(all[3].every(([, , b]) => b instanceof Uint8Array), 'bytes in SignalR\'s MessagePack')
  assert.ok(all[0].concat(all[1]).every(([, , b]) => b instanceof Uint8Array), 'bytes in Socket.IO')
})

test('what is no packet ends that connection only', async t => {
  const other = await connected(t, { transports: ['websocket'] })
  for (const transport of ['polling', 'websocket']) {
    for (const junk of [Buffer.from([0xc1]), Buffer.from([0x80]), Buffer.from([0x93, 1, 2, 3]), Buffer.from([0x82, 0xa4]), bytes(0), Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff])]) {
      const socket = await connected(t, { transports: [transport], reconnection: false })
      const away = once(socket, 'disconnect')
      socket.io.engine.write(junk)
      await within(`end over ${transport} after ${junk.toString('hex')}`, away)
    }
  }
  assert.equal(await call(other, 'echo', 'still here'), 'still here')
})
