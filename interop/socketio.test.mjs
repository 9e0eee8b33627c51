// What a hub of ours says that npm's server does not, to the unmodified socket.io-client: failures. All else is in socketio.matrix.test.mjs.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { io } from 'socket.io-client'

import { startTestserver } from './server.mjs'
import { Inbox, once } from './wait.mjs'

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

/** told returns an inbox of a hub's event. */
function told(socket, name) {
  const inbox = new Inbox()
  socket.on(name, (...args) => inbox.put(args))
  return inbox
}

const call = (socket, name, ...args) => socket.timeout(30_000).emitWithAck(name, ...args)

for (const [how, options] of Object.entries(transports)) {
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
