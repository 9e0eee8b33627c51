// The unmodified socket.io-client against a hub.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { io } from 'socket.io-client'

import { startTestserver } from './server.mjs'
import { Inbox, once, within } from './wait.mjs'

const oversize = 'x'.repeat(2_000_000) // the limit is 1,000,000 bytes, as in Socket.IO

let server
before(async () => { server = await startTestserver() })
after(() => server?.stop())

const transports = {
  'in its default configuration': {},
  'by polling': { transports: ['polling'] },
  'by WebSocket': { transports: ['websocket'] },
}

/** socketTo returns a socket that the test closes in the end. */
function socketTo(t, options, at = server) {
  const socket = io(at.url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 100, ...options })
  t.after(() => socket.close())
  return socket
}

async function connected(t, options, at) {
  const socket = socketTo(t, options, at)
  const welcome = once(socket, 'welcome')
  await once(socket, 'connect')
  const [id] = await welcome
  assert.equal(id, socket.id)
  return socket
}

/** upgraded resolves when the socket's transport is WebSocket. */
async function upgraded(socket) {
  const { engine } = socket.io
  if (engine.transport.name !== 'websocket') await once(engine, 'upgrade')
  assert.equal(engine.transport.name, 'websocket')
}

/** told returns an inbox of a hub's event. */
function told(socket, name) {
  const inbox = new Inbox()
  socket.on(name, (...args) => inbox.put(args))
  return inbox
}

const call = (socket, name, ...args) => socket.timeout(10_000).emitWithAck(name, ...args)

test('auth reaches the server', async t => {
  const auth = { token: 'secret', roles: ['painter'] }
  assert.deepEqual(await call(await connected(t, { auth }), 'auth'), auth)
  assert.equal(await call(await connected(t, {}), 'auth'), null)
})

for (const [how, options] of Object.entries(transports)) {
  test(`connects, emits, acknowledges ${how}`, async t => {
    const socket = await connected(t, options)
    if (!options.transports) await upgraded(socket)
    const name = socket.io.engine.transport.name
    assert.equal(name, options.transports?.[0] ?? 'websocket')
    assert.equal(await call(socket, 'transport'), name)
    assert.equal(await call(socket, 'add', 20, 22), 42)
    for (const value of [null, true, 0, -1.5, '', 'Grüße, 世界 👋', '\u2028\u001e<&>"\\', [], { a: { b: null } }]) {
      assert.deepEqual(await call(socket, 'echo', value), value)
    }
    assert.equal((await call(socket, 'big', 500_000)).length, 500_000)
  })

  test(`a burst keeps its order ${how}`, async t => {
    const socket = socketTo(t, options)
    const ticks = told(socket, 'tick')
    socket.emit('burst', 1000) // sent with the connect: the upgrade falls into the middle
    await once(socket, 'connect')
    const got = await ticks.counts(1000)
    assert.deepEqual(got.map(([i]) => i), Array.from({ length: 1000 }, (_, i) => i))
    if (!options.transports) await upgraded(socket)
  })

  test(`1,000 events of the client keep their order ${how}`, async t => {
    const socket = socketTo(t, options)
    const heard = told(socket, 'told')
    await once(socket, 'connect')
    for (let i = 0; i < 1000; i++) socket.emit('tell', String(i))
    const got = await heard.counts(1000, ([id]) => id === socket.id, 30_000)
    assert.deepEqual(got.map(([, text]) => text), Array.from({ length: 1000 }, (_, i) => String(i)))
  })

  test(`the hub asks and the client answers ${how}`, async t => {
    const socket = await connected(t, options)
    socket.on('confirm', (question, answer) => answer(question === 'Sure?'))
    assert.equal(await call(socket, 'ask', 'Sure?'), true)
    assert.equal(await call(socket, 'ask', 'Really?'), false)
  })

  test(`failures arrive in the ack ${how}`, async t => {
    const socket = await connected(t, options)
    const failed = async (...args) => (await call(socket, ...args)).error
    assert.deepEqual(await failed('fail', 'No luck today.').then(({ code, message }) => ({ code, message })),
      { code: 'no_luck', message: 'No luck today.' })
    assert.equal((await failed('nope')).code, 'not_found')
    assert.equal((await failed('add', 1)).code, 'arguments')
    assert.equal((await failed('add', 1, 2, 3)).code, 'arguments')
    assert.equal((await failed('add', 'one', 'two')).code, 'arguments')
    for (const name of ['broken', 'panic']) {
      const err = await failed(name)
      assert.equal(err.code, 'internal')
      assert.doesNotMatch(err.message, /password/)
    }
    assert.equal(await call(socket, 'echo', 'still here'), 'still here')
  })

  test(`failures without an ack arrive as an event ${how}`, async t => {
    const socket = await connected(t, options)
    const errors = told(socket, 'error')
    socket.emit('nope', 1)
    socket.emit('add', 'one')
    assert.equal(await call(socket, 'echo', 'still here'), 'still here')
    const got = (await errors.counts(2)).map(([{ code, event }]) => ({ code, event }))
    assert.deepEqual(got, [{ code: 'not_found', event: 'nope' }, { code: 'arguments', event: 'add' }])
  })

  test(`both sides disconnect with the right reason ${how}`, async t => {
    const first = await connected(t, options)
    const bye = once(first, 'disconnect')
    first.disconnect()
    assert.equal((await bye)[0], 'io client disconnect')

    const second = await connected(t, options)
    const kicked = once(second, 'disconnect')
    second.emit('kick', true)
    assert.equal((await kicked)[0], 'io server disconnect')
    assert.equal(second.active, false, 'the client comes back by itself')
  })

  test(`a cut connection comes back ${how}`, async t => {
    const socket = await connected(t, options)
    if (!options.transports) await upgraded(socket)
    const before = socket.id
    const away = once(socket, 'disconnect')
    const back = once(socket, 'connect', 30_000)
    socket.emit('kick', false)
    assert.match((await away)[0], /^transport (close|error)$/)
    await back
    assert.notEqual(socket.id, before)
    assert.equal(await call(socket, 'echo', 'back'), 'back')
  })

  test(`a refusal is a connect_error with message and data ${how}`, async t => {
    const socket = socketTo(t, { ...options, query: { refuse: 'closed today' } })
    const [err] = await once(socket, 'connect_error')
    assert.equal(err.message, 'closed today')
    assert.deepEqual(err.data, { hint: 'come without refuse' })
    assert.equal(socket.connected, false)
    assert.equal(socket.active, false, 'the client tries again by itself')
  })

  test(`an oversized message ends the connection of its sender ${how}`, async t => {
    const socket = await connected(t, options)
    if (!options.transports) await upgraded(socket)
    const other = await connected(t, options)
    const away = once(socket, 'disconnect')
    socket.emit('echo', oversize)
    assert.match((await away)[0], /^transport (close|error)$/)
    assert.equal(await call(other, 'echo', 'still here'), 'still here')
  })
}

test('a question that nobody answers fails in time', { timeout: 60_000 }, async t => {
  const hasty = await startTestserver({ args: ['--ask', '200ms'] })
  t.after(() => hasty.stop())
  const socket = await connected(t, {}, hasty)
  const { error } = await call(socket, 'ask', 'anyone?')
  assert.ok(error, 'the call that asked did not fail')
  assert.equal(await call(socket, 'echo', 'still here'), 'still here')
})

test('a stream is refused with a clear error', async t => {
  const socket = await connected(t)
  const { error } = await call(socket, 'count', 3)
  assert.equal(error.code, 'streaming')
})

test('an unknown namespace is refused', async t => {
  const socket = io(`${server.url}/nowhere`, { forceNew: true })
  t.after(() => socket.close())
  const [err] = await once(socket, 'connect_error')
  assert.equal(err.message, 'Invalid namespace')
})

test('clients of every transport hear one order', { timeout: 60_000 }, async t => {
  const sockets = []
  for (const options of Object.values(transports)) sockets.push(await connected(t, options))
  const heard = sockets.map(s => told(s, 'told'))
  for (let i = 0; i < 200; i++) {
    for (const s of sockets) s.emit('tell', String(i))
  }
  await Promise.all(heard.map(inbox => inbox.counts(600, undefined, 30_000)))
  assert.deepEqual(heard[1].items, heard[0].items)
  assert.deepEqual(heard[2].items, heard[0].items)
})

test('heartbeats keep a quiet connection', { timeout: 60_000 }, async t => {
  const quick = await startTestserver({ args: ['--keepalive', '200ms', '--idle', '1500ms'] })
  t.after(() => quick.stop())
  for (const options of [{ transports: ['polling'] }, { transports: ['websocket'] }]) {
    const socket = await connected(t, options, quick)
    const pings = new Inbox()
    socket.io.on('ping', () => pings.put(1))
    await pings.counts(10) // more than the idle timeout
    assert.equal(await call(socket, 'echo', 'still here'), 'still here')
  }
})

test('clients of a server that restarts on the same port come back', { timeout: 60_000 }, async t => {
  let other = await startTestserver()
  t.after(() => other.stop())
  const sockets = []
  for (const options of Object.values(transports)) sockets.push(await connected(t, options, other))
  const away = sockets.map(s => once(s, 'disconnect'))
  const back = sockets.map(s => once(s, 'connect', 30_000))
  assert.equal(await within('end', other.stop()), 0)
  for (const [reason] of await Promise.all(away)) assert.match(reason, /^transport (close|error)$/)
  other = await startTestserver({ listen: other.host })
  await Promise.all(back)
  for (const s of sockets) assert.equal(await call(s, 'echo', 'back'), 'back')
})
