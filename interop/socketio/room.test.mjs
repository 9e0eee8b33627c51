// Clients of Socket.IO of every age in one room with those of other protocols: what one says, all hear, once and in one
// order.
//
// PARTIES=python in the environment lets python-socketio take part, from the virtual environment of make test-clients.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'

import { HubConnectionBuilder, LogLevel } from '@microsoft/signalr'
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack'
import { io } from 'socket.io-client'
import io2 from 'socket.io-client-2'
import * as parser from 'socket.io-msgpack-parser'

import { plainEvents, plainSocket } from '../plain.mjs'
import { root, startTestserver } from '../server.mjs'
import { Inbox, once, within } from '../wait.mjs'

const each = 300
const patience = 60_000

const io09 = createRequire(import.meta.url)('socket.io-client-0.9')

let server
before(async () => { server = await startTestserver({ args: ['--keepalive', '2s'] }) })
after(() => server?.stop())

// Each of these joins the room and returns {say, heard, leave}; heard has the texts.

async function socket(connect, options) {
  const s = connect(server.url, { path: '/judge/socket.io/', forceNew: true, ...options })
  const heard = new Inbox()
  s.on('shouted', (_, text) => heard.put(text))
  await once(s, 'connect')
  await within('answer', new Promise(resolve => s.emit('join', 'room', resolve)))
  return { heard, say: text => s.emit('shout', 'room', text), leave: () => s.close() }
}

async function socket09(transport) {
  io09.transports = [transport] // which is global
  const s = io09.connect(server.url, { resource: 'judge/socket.io', 'force new connection': true, reconnect: false })
  const heard = new Inbox()
  s.on('shouted', (_, text) => heard.put(text))
  await once(s, 'connect')
  assert.equal(s.socket.transport.name, transport)
  await within('answer', new Promise(resolve => s.emit('join', 'room', resolve)))
  return {
    heard,
    say: text => s.emit('shout', 'room', text),
    leave() {
      s.socket.disconnect()
      for (const timer of ['heartbeatTimeoutTimer', 'reconnectionTimer', 'connectTimeoutTimer']) clearTimeout(s.socket[timer]) // it forgets them
      s.socket.transport?.clearTimeouts()
    },
  }
}

async function signalr(protocol) {
  const builder = new HubConnectionBuilder().withUrl(server.url + '/judge/signalr').configureLogging(LogLevel.None)
  if (protocol) builder.withHubProtocol(protocol)
  const c = builder.build()
  const heard = new Inbox()
  c.on('shouted', (_, text) => heard.put(text))
  await c.start()
  await c.invoke('join', 'room')
  return { heard, say: text => c.send('shout', 'room', text), leave: () => c.stop() }
}

/** hears puts the texts of the room's events into an inbox. */
function hears(heard) {
  return data => {
    const m = JSON.parse(data)
    if (m.type === 'event' && m.name === 'shouted') heard.put(m.args[1])
  }
}

async function webSocket() {
  const c = await plainSocket(server.url + '/judge/plain')
  const heard = new Inbox()
  c.ws.on('message', hears(heard))
  await c.call('join', 'room')
  return { heard, say: text => c.send({ name: 'shout', args: ['room', text] }), leave: () => c.close() }
}

async function eventSource() {
  const c = await plainEvents(server.url + '/judge/plain')
  const heard = new Inbox()
  const hear = hears(heard)
  c.source.addEventListener('message', e => hear(e.data))
  await c.post({ type: 'call', id: '1', name: 'join', args: ['room'] })
  await c.inbox.has('answer', m => m.id === '1')
  return { heard, leave: () => c.close() }
}

/** python starts a program, which says all it has to say by itself; a test that fails kills it. */
async function python(kind, transport, name, all, t) {
  const args = ['-B', 'interop/python/member_socketio.py', server.url, kind, transport, name, String(each), String(all)]
  const child = spawn('.tools/python/bin/python', args, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const ended = new Promise((resolve, reject) => child.on('error', reject).on('exit', (code, signal) => resolve(code ?? signal)))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async what => (await within(`${what} of ${name}`, lines.next(), patience)).value
  assert.equal(await line('connection'), 'ready')
  return {
    heard: { counts: async () => JSON.parse(await line('what was heard')) },
    begin: () => child.stdin.write('go\n'),
    async leave() {
      child.stdin.end()
      assert.equal(await within(`end of ${name}`, ended), 0, name)
    },
  }
}

const parties = {
  'socket.io-client 4.8': () => socket(io),
  'socket.io-client 4.8, polling': () => socket(io, { transports: ['polling'] }),
  'socket.io-client 4.8, msgpack': () => socket(io, { parser }),
  'socket.io-client 4.8, msgpack over polling': () => socket(io, { parser, transports: ['polling'] }),
  'socket.io-client 2.5': () => socket(io2),
  'socket.io-client 2.5, polling': () => socket(io2, { transports: ['polling'] }),
  'socket.io-client 0.9': () => socket09('websocket'),
  'socket.io-client 0.9, polling': () => socket09('xhr-polling'),
  'SignalR, JSON': () => signalr(),
  'SignalR, MessagePack': () => signalr(new MessagePackHubProtocol()),
  'WebSocket': webSocket,
}

const fromPython = (process.env.PARTIES ?? '').split(' ').includes('python') ? {
  'python-socketio': ['Client', 'upgrade'],
  'python-socketio, polling': ['Client', 'polling'],
  'python-socketio, asyncio': ['AsyncClient', 'websocket'],
} : {}

const unordered = ['python-socketio', 'python-socketio, polling'] // a thread for each message that comes

test(`${each} messages of each client reach all of them, once and in one order`, { timeout: 4 * patience }, async t => {
  const senders = [...Object.keys(parties), ...Object.keys(fromPython)]
  const all = senders.length * each
  const members = new Map()
  for (const [name, join] of Object.entries(parties)) members.set(name, await join()) // 0.9 takes its transport from a global
  members.set('EventSource', await eventSource())
  for (const [name, how] of Object.entries(fromPython)) members.set(name, await python(...how, name, all, t))
  t.after(() => Promise.all([...members.values()].filter(m => !m.begin).map(m => m.leave())))

  for (const m of members.values()) m.begin?.()
  for (let i = 0; i < each; i++) {
    for (const [name, m] of members) m.say?.(`${name}: ${i}`)
    if (i % 20 === 19) await new Promise(setImmediate) // so that they mix
  }

  let first
  for (const [listener, m] of members) {
    const heard = await m.heard.counts(all, undefined, patience)
    assert.equal(heard.length, all, listener)
    if (unordered.includes(listener)) {
      assert.deepEqual(heard.toSorted(), first.toSorted(), `${listener} heard something else`)
      continue
    }
    for (const name of senders) {
      const got = heard.filter(text => text.startsWith(`${name}: `))
      assert.deepEqual(got, Array.from({ length: each }, (_, i) => `${name}: ${i}`), `what ${listener} heard of ${name}`)
    }
    first ??= heard
    assert.deepEqual(heard, first, `${listener} heard another order`)
  }
  for (const m of members.values()) if (m.begin) await m.leave()
})
