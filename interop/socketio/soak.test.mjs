// Clients of Socket.IO that come and go in every way leave nothing behind: no connection, no goroutine, no memory.
//
//   VISITS  how long they do so, in seconds; 5 when it is not set
//   SEED    of the order in which visits are chosen; it is printed

import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import { after, before, test } from 'node:test'

import { io } from 'socket.io-client'
import io2 from 'socket.io-client-2'
import * as parser from 'socket.io-msgpack-parser'
import WebSocket from 'ws'

import { seeded } from '../cut.mjs'
import { startTestserver } from '../server.mjs'
import { once, resolvers, within } from '../wait.mjs'

const seconds = Number(process.env.VISITS || 5)
const seed = Number(process.env.SEED || Date.now() % 1e9)
const atOnce = 8
const path = '/judge/brief/' // which gives up soon whoever does not go on

let server
before(async () => { server = await startTestserver({ args: ['--keepalive', '500ms', '--idle', '2s', '--ask', '2s'] }) })
after(() => server?.stop())

// How clients come.
const ways = [
  [io, {}], [io, { transports: ['polling'] }], [io, { transports: ['websocket'] }], [io, { parser, transports: ['websocket'] }],
  [io2, {}], [io2, { transports: ['polling'] }], [io2, { transports: ['websocket'] }],
]

async function connect([library, options]) {
  const socket = library(server.url, { path, forceNew: true, reconnection: false, ...options })
  const given = new Promise((_, reject) => socket.io.on('close', () => reject(new Late())))
  given.catch(() => {}) // it may well close afterwards
  await Promise.race([once(socket, 'connect'), given])
  return socket
}

/** Late is that the hub gave up a client before it had joined, as the machine is busy. */
class Late extends Error {}

const call = (socket, name, ...args) => within(`answer to ${name}`, new Promise(resolve => socket.emit(name, ...args, resolve)))

const url = (query, at = path) => `${server.url}${at}?EIO=4&${query}`

/** opened polls for a session. */
async function opened(at) {
  const answer = await (await fetch(url('transport=polling', at))).text()
  return JSON.parse(answer.slice(1)).sid
}

const polls = sid => url(`transport=polling&sid=${sid}`)
const post = (sid, body) => fetch(polls(sid), { method: 'POST', body }).then(r => r.text())

async function joined() {
  const sid = await opened()
  await post(sid, '40')
  await (await fetch(polls(sid))).text()
  return sid
}

/** raw opens a bare WebSocket. */
async function raw(query = '') {
  const ws = new WebSocket(url(`transport=websocket${query}`).replace('http', 'ws'))
  ws.on('error', () => {})
  await within('WebSocket', new Promise(resolve => ws.on('open', resolve).on('close', resolve)))
  return ws
}

const closed = ws => within('close', new Promise(resolve => ws.readyState === WebSocket.CLOSED ? resolve() : ws.on('close', resolve)))

let named = 0

// What clients do. Each takes a way to come.
const visits = {
  async 'leaves'(way) {
    const room = `${seed}-${++named}`
    const s = await connect(way)
    assert.equal(await call(s, 'echo', 'hi'), 'hi')
    await call(s, 'join', room)
    s.emit('shout', room, 'nobody else')
    s.emit('echo', Buffer.alloc(100))
    s.close()
  },
  async 'leaves at once'(way) {
    (await connect(way)).close()
  },
  async 'leaves before it is there'([library, options]) {
    const s = library(server.url, { path, forceNew: true, reconnection: false, ...options })
    await within('open', new Promise(resolve => s.io.on('open', resolve)))
    s.close()
  },
  async 'leaves during its upgrade'([library]) {
    const s = await connect([library, {}])
    s.io.engine.close()
  },
  async 'has many namespaces'(way) {
    const s = await connect(way)
    const others = ['/side', '/child-1', `/child-${2 + (named++ % 3)}`].map(name => s.io.socket(name))
    await Promise.all(others.map(other => { other.open(); return other.connected || once(other, 'connect') }))
    others[0].close()
    s.io.engine.close()
  },
  async 'leaves while the hub waits for its answer'(way) {
    const s = await connect(way)
    const asked = once(s, 'confirm')
    s.emit('ask', 'Sure?', () => {})
    await asked
    s.close()
  },
  async 'is told goodbye'(way) {
    const s = await connect(way)
    const gone = once(s, 'disconnect')
    s.emit('kick', true)
    await gone
    s.io.engine.close()
  },
  async 'is cut off'(way) {
    const s = await connect(way)
    const gone = once(s, 'disconnect')
    s.emit('kick', false)
    await gone
  },
  async 'sends too much'(way) {
    const s = await connect(way)
    const gone = once(s, 'disconnect')
    s.emit('echo', 'x'.repeat(2_000_000))
    await gone
  },
  async 'is refused'([library, options]) {
    const s = library(server.url, { path, forceNew: true, reconnection: false, ...options, query: { refuse: 'today' } })
    await within('refusal', new Promise(resolve => s.on('connect_error', resolve).on('error', resolve)))
    s.close()
  },
  async 'is lost and comes back'() {
    const s = io(server.url, { path: '/judge/forgetful/', forceNew: true, transports: ['websocket'], reconnectionDelay: 1 })
    await once(s, 'connect')
    const back = once(s, 'connect')
    s.io.engine.transport.ws.terminate()
    await back
    s.close()
  },
  async 'is lost and stays away'() {
    const s = io(server.url, { path: '/judge/forgetful/', forceNew: true, transports: ['websocket'], reconnection: false })
    await once(s, 'connect')
    s.io.engine.transport.ws.terminate()
  },
  async 'opens by polling, and no more'() {
    await opened()
  },
  async 'joins by polling, and no more'() {
    await joined()
  },
  async 'leaves in the middle of a poll'() {
    const sid = await joined()
    const leave = new AbortController()
    const poll = fetch(polls(sid), { signal: leave.signal }).catch(() => {})
    await post(sid, '42["echo",1]')
    leave.abort()
    await poll
  },
  async 'leaves in the middle of a POST'() {
    const sid = await joined()
    const socket = createConnection(server.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(`POST ${new URL(polls(sid)).pathname}${new URL(polls(sid)).search} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n42["ec`)
    await new Promise(resolve => setTimeout(resolve, 5))
    socket.resetAndDestroy()
  },
  async 'owes attachments'() {
    const ws = await raw()
    ws.send('40')
    ws.send('452-["echo",{"_placeholder":true,"num":0}]')
    ws.send(Buffer.alloc(10))
    ws.terminate()
  },
  async 'opens a WebSocket, and no more'() {
    await closed(await raw())
  },
  async 'probes, and no more'() {
    const sid = await joined()
    const ws = await raw(`&sid=${sid}`)
    ws.send('2probe')
    ws.terminate()
  },
  async 'probes, changes over, and vanishes'() {
    const sid = await joined()
    const ws = await raw(`&sid=${sid}`)
    const probed = new Promise(resolve => ws.on('message', resolve))
    ws.send('2probe')
    await within('probe', probed)
    ws.send('5')
    ws.send('42["echo",1]')
    ws.terminate()
  },
  async 'says what is no packet'() {
    const ws = await raw()
    ws.send('4what?')
    await closed(ws)
  },
  async 'hangs up in the middle of its handshake'() {
    const socket = createConnection(server.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(`GET ${path}?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n`)
    socket.destroy()
  },
  async 'asks for what there is not'() {
    for (const query of ['transport=pigeon', 'transport=polling&sid=nobody', 'transport=websocket']) await (await fetch(url(query))).text()
  },
}

const names = Object.keys(visits)

let late = 0

async function visit(name, way) {
  try {
    await within('end of the visit', visits[name](way))
  } catch (err) {
    if (err instanceof Late) {
      late++
      return
    }
    throw new Error(`a client that ${name} (${way[0] === io2 ? 2.5 : 4.8}, ${Object.values(way[1])}): ${err.stack}`)
  }
}

/** comeAndGo has clients of all kinds visit the hub, each kind once or for a time; resolves with their number. */
async function comeAndGo(forSeconds) {
  if (forSeconds === 0) {
    await Promise.all(ways.map(async way => {
      for (const name of names) await visit(name, way)
    }))
    return names.length * ways.length
  }
  const end = performance.now() + forSeconds * 1000
  const random = seeded(seed)
  const any = list => list[Math.floor(random() * list.length)]
  let count = 0
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (; performance.now() < end; count++) await visit(any(names), any(ways))
  }))
  return count
}

const state = async () => (await fetch(server.url + '/debug/state')).json()

/** settled resolves with the hubs' state once they have no connections and at most so many goroutines. */
async function settled(goroutines) {
  const end = performance.now() + 30_000
  for (;;) {
    const now = await state()
    if (now.conns === 0 && now.goroutines <= goroutines) return now
    if (performance.now() > end) {
      const stacks = await (await fetch(server.url + '/debug/goroutines?stacks')).text()
      assert.fail(`${JSON.stringify(now)}, want no connections and ${goroutines} goroutines:\n${stacks}`)
    }
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

test(`clients that come and go for ${seconds} s leave nothing behind`, { timeout: (seconds + 300) * 1000 }, async t => {
  const empty = await state()
  await comeAndGo(0) // so that everything has its buffers
  await new Promise(resolve => setTimeout(resolve, 5000)) // and sessions that nobody uses are given up
  const start = await settled(empty.goroutines)
  const count = await comeAndGo(seconds)
  await new Promise(resolve => setTimeout(resolve, 5000))
  const end = await settled(empty.goroutines)
  t.diagnostic(`seed ${seed}: ${count} visits; goroutines ${empty.goroutines}, ${start.goroutines}, ${end.goroutines}; heap ${start.heap}, ${end.heap}; ${late} late`)
  assert.ok(late <= 5 + count / 20, `${late} of ${count} clients were given up before they had joined`)
  assert.equal(end.panics, 0)
  assert.ok(end.heap - start.heap < allowance(count), `the heap grew from ${start.heap} to ${end.heap} with ${count} visits`)
})

/** allowance is what maps and buffers may keep; a visit leaves nothing. */
function allowance(count) {
  return 512 * 1024 + 16 * count
}
