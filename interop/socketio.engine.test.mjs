// The unmodified socket.io-client over every transport that it can be given, and with what else its engine can be told.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import './socketio/builtin.mjs'

import { Fetch, NodeWebSocket, NodeXHR, WebSocket } from 'engine.io-client'
import { io } from 'socket.io-client'

import { startTestserver } from './server.mjs'
import { Inbox, once, within } from './wait.mjs'

let server
before(async () => { server = await startTestserver() })
after(() => server?.stop())

function socketTo(t, options = {}, path = '/judge/socket.io/') {
  const socket = io(server.url, { path, forceNew: true, reconnection: false, ...options })
  t.after(() => socket.close())
  return socket
}

async function connected(t, options, path) {
  const socket = socketTo(t, options, path)
  if (options.transports?.includes(WebSocket)) binaryAsNodeLikesIt(socket.io.engine)
  await once(socket, 'connect')
  return socket
}

/** binaryAsNodeLikesIt does what the client should: it asks a WebSocket for "nodebuffer", which only that of ws knows. */
function binaryAsNodeLikesIt(engine) {
  engine.binaryType = 'arraybuffer' // of those to come
  if (engine.transport.ws) engine.transport.ws.binaryType = 'arraybuffer'
}

const call = (socket, name, ...args) => socket.timeout(30_000).emitWithAck(name, ...args)

/** settled resolves once the engine is at its last transport. */
async function settled(socket, name) {
  const { engine } = socket.io
  if (engine.transport.name !== name) await within(`upgrade to ${name}`, new Promise(resolve => engine.on('upgrade', resolve)))
  assert.equal(engine.transport.name, name)
  assert.equal(await call(socket, 'transport'), name)
}

const large = 'ä'.repeat(200_000)
const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i & 255))

async function talks(socket) {
  for (const value of ['', 'Grüße, 世界 👋\u2028\u001e', large, { a: [1, null, { b: true }] }]) assert.deepEqual(await call(socket, 'echo', value), value)
  const back = await call(socket, 'echo', { bytes, more: [Buffer.from([1])] })
  assert.ok(bytes.equals(Buffer.from(back.bytes)) && Buffer.from([1]).equals(Buffer.from(back.more[0])))
  socket.on('confirm', (question, answer) => answer(question === 'Really?'))
  assert.equal(await call(socket, 'ask', 'Really?'), true)
  const inbox = new Inbox()
  socket.on('back', i => inbox.put(i))
  for (let i = 0; i < 300; i++) socket.emit('back', i)
  assert.deepEqual(await inbox.counts(300), Array.from({ length: 300 }, (_, i) => i))
}

describe('transports', { concurrency: true }, () => {
  for (const [name, transports, last] of [
    ['fetch', [Fetch], 'polling'],
    ['XMLHttpRequest', [NodeXHR], 'polling'],
    ['the built-in WebSocket', [WebSocket], 'websocket'],
    ['the WebSocket of ws', [NodeWebSocket], 'websocket'],
    ['fetch, then the built-in WebSocket', [Fetch, WebSocket], 'websocket'],
    ['fetch, then the WebSocket of ws', [Fetch, NodeWebSocket], 'websocket'],
  ]) {
    for (const forceBase64 of [false, true]) {
      test(`${name}${forceBase64 ? ', with bytes as text' : ''}`, async t => {
        const socket = await connected(t, { transports, forceBase64 })
        await talks(socket) // some of it during the upgrade
        await settled(socket, last)
        await talks(socket)
      })
    }
  }

  test('tryAllTransports goes on to one that is served', async t => {
    const socket = await connected(t, { transports: ['websocket', 'polling'], tryAllTransports: true }, '/judge/polling/')
    assert.equal(await call(socket, 'transport'), 'polling')
    await talks(socket)
  })

  test('a transport that is not served is refused', async t => {
    const socket = socketTo(t, { transports: ['websocket'] }, '/judge/polling/')
    const [err] = await once(socket, 'connect_error')
    assert.equal(err.message, 'websocket error')
  })

  test('without upgrade the client goes on polling', async t => {
    const socket = await connected(t, { upgrade: false })
    await talks(socket)
    assert.equal(await call(socket, 'transport'), 'polling')
  })

  test('rememberUpgrade begins with a WebSocket the next time', async t => {
    const socket = await connected(t, { rememberUpgrade: true })
    await settled(socket, 'websocket')
    socket.disconnect().connect()
    await once(socket, 'connect')
    assert.equal(socket.io.engine.transport.name, 'websocket')
  })
})

describe('requests', { concurrency: true }, () => {
  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    test(`headers and query arrive: ${transports}`, async t => {
      const socket = await connected(t, { transports, extraHeaders: { 'X-Color': 'red' }, query: { shape: 'round', n: 1 } })
      const { headers, query, xdomain, secure, url } = await call(socket, 'came')
      assert.equal(headers['x-color'], 'red')
      assert.equal(query.shape, 'round')
      assert.equal(query.n, '1')
      assert.equal(query.EIO, '4')
      assert.deepEqual([xdomain, secure], [false, false])
      assert.match(url, /^\/judge\/socket\.io\/\?.*shape=round/)
    })
  }

  test('the cookie comes back with every request', async t => {
    const socket = await connected(t, { withCredentials: true, transports: ['polling', 'websocket'] }, '/judge/cookie/')
    await settled(socket, 'websocket')
    await talks(socket)
    const answer = await fetch(`${server.url}/judge/cookie/?EIO=4&transport=polling`)
    const { sid } = JSON.parse((await answer.text()).slice(1))
    assert.equal(answer.headers.get('set-cookie'), `io=${sid}; Path=/; HttpOnly; SameSite=Lax`)
  })

  for (const [path, options] of [
    ['/judge/bare', { addTrailingSlash: false }],
    ['/judge/socket.io', {}], ['/judge/socket.io/', { addTrailingSlash: false }],
    ['/judge/socket.io', { timestampRequests: true, timestampParam: 'now' }],
  ]) {
    test(`path ${path} ${JSON.stringify(options)}`, async t => {
      const socket = await connected(t, options, path)
      assert.equal(await call(socket, 'add', 20, 22), 42)
      await settled(socket, 'websocket')
    })
  }

  test('compression of both sides', async t => {
    const socket = await connected(t, { transports: ['websocket'], perMessageDeflate: { threshold: 0 } }, '/judge/deflate/')
    assert.match(socket.io.engine.transport.ws.extensions, /permessage-deflate/)
    await talks(socket)
  })

  test('polls are compressed from a kilobyte on', async t => {
    const begun = await fetch(`${server.url}/judge/socket.io/?EIO=4&transport=polling`, { headers: { 'Accept-Encoding': 'gzip' } })
    assert.equal(begun.headers.get('content-encoding'), null)
    const { sid } = JSON.parse((await begun.text()).slice(1))
    const at = `${server.url}/judge/socket.io/?EIO=4&transport=polling&sid=${sid}`
    await fetch(at, { method: 'POST', body: `40\u001e421["big",5000]` })
    let said = '', encoding
    while (!said.includes('431[')) {
      const answer = await fetch(at, { headers: { 'Accept-Encoding': 'gzip' } })
      encoding = answer.headers.get('content-encoding')
      said = await answer.text()
    }
    assert.equal(encoding, 'gzip')
    await fetch(at, { method: 'POST', body: '1' })
  })
})
