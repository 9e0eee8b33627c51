// The unmodified socket.io-client of 2014, 0.9.17, against a hub: as its pages wrote it, over both its transports.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'

import { io } from 'socket.io-client'

import { startTestserver } from './server.mjs'
import { Inbox, once, within } from './wait.mjs'

const io09 = createRequire(import.meta.url)('socket.io-client-0.9')

let server
before(async () => { server = await startTestserver() })
after(() => server?.stop())

const transports = ['websocket', 'xhr-polling']

/** socketTo returns a socket that the test closes in the end. The client takes its transports from a global list. */
function socketTo(t, transport, { at = server, path = '', query = '', ...options } = {}) {
  io09.transports = [transport]
  const socket = io09.connect(at.url + path, {
    resource: 'old/socket.io', query, 'force new connection': true, 'reconnection delay': 50, 'reconnection limit': 500,
    'max reconnection attempts': 100, ...options,
  })
  t.after(() => end(socket.socket))
  return socket
}

/** end disconnects a client, and stops timers of its that it forgets, each of a minute. */
function end(client) {
  client.disconnect()
  for (const timer of ['heartbeatTimeoutTimer', 'reconnectionTimer', 'connectTimeoutTimer']) clearTimeout(client[timer])
  client.transport?.clearTimeouts()
}

async function connected(t, transport, options) {
  const socket = socketTo(t, transport, options)
  const welcome = once(socket, 'welcome')
  await once(socket, 'connect')
  assert.equal(socket.socket.transport.name, transport)
  const [id] = await welcome
  assert.equal(typeof id, 'string')
  assert.ok(!id.includes(socket.socket.sessionid), 'the secret of the session is told')
  return socket
}

/** told returns an inbox of an event's arguments. */
function told(socket, name) {
  const inbox = new Inbox()
  socket.on(name, (...args) => inbox.put(args))
  return inbox
}

/** call emits and resolves with what the ack brings. */
const call = (socket, name, ...args) => within(`ack of ${name}`, new Promise(resolve => socket.emit(name, ...args, resolve)))

/** never fails the test should an event come. */
const never = (socket, name) => socket.on(name, (...args) => { throw new Error(`${name} comes with ${args}`) })

const words = 'Grüße, 世界 👋 \u2028 "quoted" <&> a:b:c \ufffd9\ufffd'

for (const transport of transports) {
  test(`send, json.send and emit, with acks of both kinds, over ${transport}`, async t => {
    const socket = await connected(t, transport)
    const messages = told(socket, 'message')
    socket.send(words)
    socket.json.send({ j: [1, null, words] })
    socket.send('')
    assert.deepEqual(await messages.counts(3), [[words], [{ j: [1, null, words] }], ['']])
    await within('ack of send', new Promise(resolve => socket.send('with an ack', resolve)))
    await messages.has('what was acknowledged', ([text]) => text === 'with an ack')
    for (const value of [null, true, 0, -1.5, '', words, [], {}, { a: { b: [null] } }]) {
      assert.deepEqual(await call(socket, 'echo', value), value)
    }
    assert.equal(await call(socket, 'add', 20, 22), 42)
    assert.equal(await call(socket, 'nothing'), undefined)
    assert.equal(await call(socket, 'message', 'as an event'), 'seen')
    assert.equal(await call(socket, 'transport'), transport === 'websocket' ? 'websocket' : 'polling')
  })

  test(`the hub asks, by events and messages, and the client answers over ${transport}`, async t => {
    const socket = await connected(t, transport)
    socket.on('confirm', (question, answer) => answer(question === 'Sure?'))
    assert.equal(await call(socket, 'ask', 'Sure?'), true)
    assert.equal(await call(socket, 'ask', 'Really?'), false)
    socket.on('message', (question, answer) => answer({ to: question }))
    assert.deepEqual(await call(socket, 'askMessage', 'text'), { to: 'text' })
    assert.deepEqual(await call(socket, 'askMessage', { json: 1 }), { to: { json: 1 } })
  })

  test(`failures arrive in the ack, or as an event, over ${transport}`, async t => {
    const socket = await connected(t, transport)
    const failed = async (...args) => (await call(socket, ...args)).error
    assert.deepEqual(await failed('fail', 'No luck today.'), { code: 'no_luck', message: 'No luck today.', data: [1, 2] })
    assert.equal((await failed('nope')).code, 'not_found')
    assert.equal((await failed('add', 'one')).code, 'arguments')
    assert.equal((await failed('count', 3)).code, 'streaming')
    for (const name of ['broken', 'panic']) assert.doesNotMatch(JSON.stringify(await failed(name)), /password/)
    const errors = told(socket, 'error')
    socket.emit('nope')
    assert.deepEqual((await errors.counts(1))[0][0], { code: 'not_found', message: 'no handler named "nope"', event: 'nope' })
    assert.equal(await call(socket, 'echo', 'still here'), 'still here')
  })

  test(`namespaces over ${transport}`, async t => {
    const main = await connected(t, transport)
    const chat = main.of('/chat')
    const welcome = once(chat, 'welcome')
    const answer = call(chat, 'add', 1, 2) // before it is in
    await once(chat, 'connect')
    await welcome
    assert.equal(await answer, 3)
    const ticks = told(chat, 'tick')
    never(main, 'tick')
    chat.emit('burst', 3)
    await ticks.counts(3)
    const messages = told(chat, 'message')
    never(main, 'message')
    chat.send('only there')
    await messages.has('message', ([text]) => text === 'only there')

    const nowhere = main.of('/nowhere')
    assert.deepEqual(await once(nowhere, 'connect_failed'), ['unauthorized'])

    const away = once(chat, 'disconnect')
    chat.emit('kick', true)
    await away
    assert.equal(await call(main, 'echo', 'still here'), 'still here')
  })

  test(`io.connect to a namespace's address over ${transport}`, async t => {
    const chat = socketTo(t, transport, { path: '/chat' })
    await once(chat, 'connect')
    assert.equal(await call(chat, 'add', 20, 22), 42)
  })

  test(`a refusal is connect_failed, and final, over ${transport}`, async t => {
    const socket = socketTo(t, transport, { query: 'refuse=closed' })
    never(socket, 'connect')
    assert.deepEqual(await once(socket, 'connect_failed'), ['unauthorized'])
    assert.equal(socket.socket.reconnecting, false)
  })

  test(`bursts keep their order over ${transport}`, async t => {
    const socket = await connected(t, transport)
    const ticks = told(socket, 'tick'), heard = told(socket, 'told')
    socket.emit('burst', 1000)
    assert.deepEqual((await ticks.counts(1000)).map(([i]) => i), Array.from({ length: 1000 }, (_, i) => i))
    for (let i = 0; i < 1000; i++) socket.emit('tell', `${i} 👋`)
    const got = await heard.counts(1000, undefined, 30_000)
    assert.deepEqual(got.map(([, text]) => text), Array.from({ length: 1000 }, (_, i) => `${i} 👋`))
  })

  test(`both sides disconnect over ${transport}`, async t => {
    const first = await connected(t, transport)
    const bye = once(first, 'disconnect')
    first.disconnect()
    assert.deepEqual(await bye, ['booted'])

    const second = await connected(t, transport)
    const kicked = once(second, 'disconnect')
    second.emit('kick', true)
    assert.deepEqual(await kicked, ['booted'])
    assert.equal(second.socket.reconnecting, false, 'the client comes back by itself')
    await goneOf(second)
  })

  test(`a page that is being left says goodbye by a request, over ${transport}`, async t => {
    const socket = await connected(t, transport, { reconnect: false })
    const gone = once(socket, 'disconnect')
    // As its disconnectSync asks, which is for browsers: with two slashes.
    const answer = await fetch(`${server.url}/old/socket.io/1//${socket.socket.sessionid}/?disconnect=1`)
    assert.equal(answer.status, 200)
    await gone
    await goneOf(socket)
  })

  test(`a cut connection comes back, and into its namespaces, over ${transport}`, async t => {
    const socket = await connected(t, transport)
    const chat = socket.of('/chat')
    await once(chat, 'connect')
    const session = socket.socket.sessionid
    const back = once(socket, 'reconnect', 30_000), again = once(chat, 'connect', 30_000)
    const away = once(socket, 'disconnect')
    socket.emit('kick', false)
    await away
    await back
    await again
    assert.notEqual(socket.socket.sessionid, session)
    assert.equal(await call(socket, 'echo', 'back'), 'back')
    assert.equal(await call(chat, 'echo', 'back'), 'back')
  })

  test(`large messages, and one that is too large, over ${transport}`, async t => {
    const socket = await connected(t, transport, { reconnect: false })
    const other = await connected(t, transport)
    assert.equal((await call(socket, 'big', 500_000)).length, 500_000)
    assert.equal((await call(socket, 'echo', '世'.repeat(200_000))).length, 200_000)
    const away = once(socket, 'disconnect')
    socket.emit('echo', 'x'.repeat(2_000_000))
    await away
    assert.equal(await call(other, 'echo', 'still here'), 'still here')
  })

  test(`a server that restarts on the same port is found again over ${transport}`, { timeout: 90_000 }, async t => {
    let other = await startTestserver()
    t.after(() => other.stop())
    const socket = await connected(t, transport, { at: other })
    const away = once(socket, 'disconnect'), back = once(socket, 'reconnect', 60_000)
    assert.equal(await within('end', other.stop()), 0)
    await away
    other = await startTestserver({ listen: other.host })
    await back
    assert.equal(await call(socket, 'echo', 'back'), 'back')
  })
}

/** goneOf resolves when the server has forgotten a client's session. */
async function goneOf(socket) {
  const url = `${server.url}/old/socket.io/1/xhr-polling/${socket.socket.sessionid}`
  const post = () => fetch(url, { method: 'POST', body: '8::' }).then(r => r.text())
  const gone = async () => { while (await post() !== '7:::1+0'); }
  await within('end of the session', gone())
}

test('heartbeats keep a quiet WebSocket', { timeout: 60_000 }, async t => {
  const quick = await startTestserver({ args: ['--keepalive', '200ms'] })
  t.after(() => quick.stop())
  const socket = await connected(t, 'websocket', { at: quick })
  const beats = new Inbox()
  const { transport } = socket.socket
  const answer = transport.onHeartbeat
  transport.onHeartbeat = function (...args) {
    beats.put(1)
    answer.apply(this, args)
  }
  await beats.counts(5)
  assert.equal(await call(socket, 'echo', 'still here'), 'still here')
})

test('one room for the clients of 2014 and of today', { timeout: 60_000 }, async t => {
  const old = [await connected(t, 'websocket'), await connected(t, 'xhr-polling')]
  const today = io(server.url, { path: '/old/socket.io/', forceNew: true })
  t.after(() => today.close())
  await once(today, 'connect')
  const heard = [...old, today].map(s => told(s, 'told'))
  for (let i = 0; i < 100; i++) {
    for (const s of [...old, today]) s.emit('tell', String(i))
  }
  await Promise.all(heard.map(inbox => inbox.counts(300, undefined, 30_000)))
  assert.deepEqual(heard[1].items, heard[0].items)
  assert.deepEqual(heard[2].items, heard[0].items)
})
