// Ten versions of socket.io-client, SignalR, a plain WebSocket and an EventSource in one room of one hub.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { HubConnectionBuilder, HttpTransportType, LogLevel } from '@microsoft/signalr'

import { plainEvents, plainSocket } from './plain.mjs'
import { startTestserver } from './server.mjs'
import { client, versions, ways } from './socketio/matrix.mjs'
import { Inbox, within } from './wait.mjs'

let server
before(async () => { server = await startTestserver() })
after(() => server?.stop())

// Each of these connects a client as a user and returns {name, heard, paged, send, call, close}; heard collects texts.

async function bySocketIO({ version, ...library }, way, user) {
  const socket = client(library).io(server.url, { path: '/matrix', forceNew: true, query: { user }, ...ways[way] })
  const [heard, paged] = [new Inbox(), new Inbox()]
  socket.on('heard', text => heard.put(text))
  socket.on('paged', text => paged.put(text))
  return {
    name: `${version} ${way}`, heard, paged,
    send: (name, ...args) => { socket.emit(name, ...args) },
    call: (name, ...args) => within(name, new Promise(resolve => socket.emit(name, ...args, resolve))),
    close: () => socket.close(),
  }
}

async function bySignalR(transport, user) {
  const connection = new HubConnectionBuilder()
    .withUrl(`${server.url}/matrix/signalr?user=${user}`, { transport: HttpTransportType[transport] })
    .configureLogging(LogLevel.Error)
    .build()
  const [heard, paged] = [new Inbox(), new Inbox()]
  connection.on('heard', text => heard.put(text))
  connection.on('paged', text => paged.put(text))
  connection.on('welcome', () => {})
  await within('start', connection.start())
  return {
    name: `SignalR ${transport}`, heard, paged,
    send: (name, ...args) => connection.send(name, ...args),
    call: (name, ...args) => within(name, connection.invoke(name, ...args)),
    close: () => connection.stop(),
  }
}

/** plainly is a client of the plain protocol. */
function plainly(name, socket, messages, send, call) {
  const [heard, paged] = [new Inbox(), new Inbox()]
  messages(data => {
    const m = JSON.parse(data)
    if (m.type === 'event' && m.name === 'heard') heard.put(m.args[0])
    if (m.type === 'event' && m.name === 'paged') paged.put(m.args[0])
  })
  return { name, heard, paged, send, call, close: () => socket.close() }
}

async function byWebSocket(user) {
  const socket = await plainSocket(`${server.url}/matrix/plain?user=${user}`)
  return plainly('plain WebSocket', socket, fn => socket.ws.on('message', fn),
    (name, ...args) => socket.send({ name, args }), (name, ...args) => socket.call(name, ...args))
}

let calls = 0

async function byEventSource(user) {
  const source = await plainEvents(`${server.url}/matrix/plain?user=${user}`)
  return plainly('EventSource', source, fn => source.source.addEventListener('message', e => fn(e.data)),
    (name, ...args) => source.post({ name, args }), async (name, ...args) => {
      const id = `call ${++calls}`
      await source.post({ type: 'call', id, name, args })
      await source.inbox.has(`answer to ${name}`, m => m.type === 'result' && m.id === id)
    })
}

/** everybody is a client of each kind, the versions of Socket.IO's by all ways in turn. */
async function everybody(t, user) {
  const all = await Promise.all([
    ...versions.map((version, i) => bySocketIO(version, Object.keys(ways)[i % 3], user(i))),
    bySignalR('WebSockets', user(10)), bySignalR('LongPolling', user(11)),
    byWebSocket(user(12)), byEventSource(user(13)),
  ])
  t.after(() => Promise.all(all.map(c => c.close())))
  return all
}

test('100 messages of each of 14 clients reach all of them in one order', { timeout: 180_000 }, async t => {
  const all = await everybody(t, () => 'somebody')
  for (const c of all) await c.call('join', 'room')
  for (let i = 0; i < 100; i++) {
    for (const c of all) await c.send('send', { to: ['room'] }, 'heard', [`${c.name} ${i}`])
  }
  for (const c of all) {
    const heard = await c.heard.counts(100 * all.length)
    for (const from of all) {
      const got = heard.filter(text => text.startsWith(`${from.name} `))
      assert.deepEqual(got, Array.from({ length: 100 }, (_, i) => `${from.name} ${i}`), `what ${c.name} heard of ${from.name}`)
    }
    assert.deepEqual(heard, all[0].heard.items, `${c.name} and ${all[0].name} heard two orders`)
  }
})

test('a user of every kind of client is one user', { timeout: 180_000 }, async t => {
  const all = await everybody(t, i => i % 2 ? 'ann' : 'ben')
  for (const c of all) await c.call('nothing')
  await all[0].call('page', 'ann', 'for Ann')
  await all[0].call('page', 'ben', 'for Ben')
  for (const [i, c] of all.entries()) assert.deepEqual(await c.paged.counts(1), [i % 2 ? 'for Ann' : 'for Ben'], c.name)
  for (const c of all) {
    await c.call('nothing')
    assert.equal(c.paged.items.length, 1, c.name)
  }
})
