// Clients that come and go in every way leave nothing behind: no connection, no goroutine, no memory.
//
//   VISITS   how long they do so, in seconds; 5 when it is not set
//   PARTIES  "python": clients in Python take part
//   SEED     of the order in which visits are chosen; it is printed

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, test } from 'node:test'

import { HttpTransportType, HubConnectionBuilder, LogLevel, Subject } from '@microsoft/signalr'
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack'

import { root, startTestserver } from '../server.mjs'
import { resolvers, within } from '../wait.mjs'

const seconds = Number(process.env.VISITS || 5)
const seed = Number(process.env.SEED || Date.now() % 1e9)
const atOnce = 8
const python = (process.env.PARTIES ?? '').includes('python')

let server, url
before(async () => {
  server = await startTestserver({ args: ['--keepalive', '500ms', '--idle', '5s', '--ask', '2s'] })
  url = server.url + '/signalr/brief' // which gives up soon what has lost its transport
})
after(() => server?.stop())

const { WebSockets, ServerSentEvents, LongPolling } = HttpTransportType
const ways = [[WebSockets, false], [WebSockets, true], [ServerSentEvents, false], [LongPolling, false], [LongPolling, true]]

function build([transport, binary], query = '', extend = builder => builder) {
  const builder = new HubConnectionBuilder().withUrl(url + query, { transport }).configureLogging(LogLevel.None)
  if (binary) builder.withHubProtocol(new MessagePackHubProtocol())
  const connection = extend(builder).build()
  connection.closed = new Promise(resolve => connection.onclose(resolve))
  return connection
}

async function connect(way, ...more) {
  const connection = build(way, ...more)
  await connection.start()
  return connection
}

/** begun resolves when a stream that does not end has sent its first item. */
function begun(connection, name, ...args) {
  const first = resolvers()
  const subscription = connection.stream(name, ...args).subscribe({ next: first.resolve, complete() {}, error() {} })
  return first.promise.then(() => subscription)
}

const post = (path, body, init) => fetch(url + path, { method: 'POST', body, ...init })

let named = 0
const unheardOf = () => `${seed}-${++named}`

async function negotiated() {
  const answer = await post('/negotiate?negotiateVersion=1')
  return (await answer.json()).connectionToken
}

const hello = '{"protocol":"json","version":1}\x1e'

// What clients do. Each takes a way to connect.
const visits = {
  async stops(way) {
    const name = unheardOf()
    const c = await connect(way, '?user=' + name)
    assert.equal(await c.invoke('echo', 'hi'), 'hi')
    await c.invoke('join', name)
    await c.invoke('shout', name, 'nobody else')
    await c.send('tell', 'one more')
    await c.stop()
  },
  async 'stops while a stream runs'(way) {
    const c = await connect(way)
    await begun(c, 'endless', 'left')
    await c.stop()
  },
  async 'ends a stream, and another'(way) {
    const c = await connect(way)
    const subscription = await begun(c, 'endless', 'disposed')
    subscription.dispose()
    await begun(c, 'endless', 'left')
    await c.stop()
  },
  async 'stops while it uploads'(way) {
    const c = await connect(way)
    const items = new Subject()
    const answer = begun(c, 'doubled', items)
    items.next(21)
    await answer
    await c.stop()
  },
  async 'stops while the hub waits for its answer'(way) {
    const c = build(way)
    const asked = resolvers()
    c.on('confirm', () => {
      asked.resolve()
      return new Promise(() => {})
    })
    await c.start()
    c.invoke('ask', 'Sure?').catch(() => {})
    await asked.promise
    await c.stop()
  },
  async 'is told goodbye'(way) {
    const c = await connect(way)
    c.send('kick', true).catch(() => {})
    await c.closed
  },
  async 'is cut off'(way) {
    const c = await connect(way)
    c.send('kick', false).catch(() => {})
    await c.closed
  },
  async 'sends too much'(way) {
    const c = await connect(way)
    c.send('echo', 'x'.repeat(40_000)).catch(() => {})
    await c.closed
  },
  async 'is refused'(way) {
    const c = build(way, '?refuse=today')
    await c.start().then(() => c.closed, () => {})
  },
  async 'loses its WebSocket and comes back to its connection'([, binary]) {
    const c = await connect([WebSockets, binary], '', builder => builder.withStatefulReconnect())
    const id = c.connectionId
    c.connection.transport._webSocket.terminate()
    assert.equal(await c.invoke('echo', 'back'), 'back')
    assert.equal(c.connectionId, id)
    await c.stop()
  },
  async 'loses its WebSocket and stays away'([, binary]) {
    const c = await connect([WebSockets, binary], '', builder => builder.withStatefulReconnect())
    c.connection.features.reconnect = false
    c.connection.transport._webSocket.terminate()
    await c.closed
  },
  async 'negotiates only'() {
    await negotiated()
  },
  async 'sends before it has a transport'() {
    await (await post(`?id=${await negotiated()}`, hello)).text()
  },
  async 'leaves in the middle of a poll'() {
    const id = await negotiated()
    await (await fetch(`${url}?id=${id}`)).text()
    await (await post(`?id=${id}`, hello)).text()
    await (await fetch(`${url}?id=${id}`)).text()
    const leave = new AbortController()
    const poll = fetch(`${url}?id=${id}`, { signal: leave.signal })
    await (await post(`?id=${id}`, '{"type":6}\x1e{"type":1,"tar')).text()
    leave.abort()
    await poll.catch(() => {})
  },
  async 'leaves an event stream'() {
    const id = await negotiated()
    const leave = new AbortController()
    const stream = await fetch(`${url}?id=${id}`, { headers: { Accept: 'text/event-stream' }, signal: leave.signal })
    await (await post(`?id=${id}`, hello)).text()
    await stream.body.getReader().read()
    leave.abort()
  },
}

/** random is a generator of numbers below n (xorshift32). */
function random(state) {
  return n => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % n
  }
}

const names = Object.keys(visits)

let late = 0 // visits that took longer from negotiation to connection than the hub waits, as the machine is busy

async function visit(name, way) {
  try {
    await within('end of the visit', visits[name](way))
  } catch (err) {
    if (/The connection could not be found on the server/.test(err.message)) {
      late++
      return
    }
    throw new Error(`a client that ${name} (${way}): ${err.stack}`)
  }
}

/** comeAndGo has clients of all kinds visit the hub, each kind once or for a time; resolves with their number. */
async function comeAndGo(forSeconds) {
  if (forSeconds === 0) {
    for (const name of names) {
      for (const way of ways) await visit(name, way)
    }
    return names.length * ways.length
  }
  const end = performance.now() + forSeconds * 1000
  const next = random(seed)
  let count = 0
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (; performance.now() < end; count++) await visit(names[next(names.length)], ways[next(ways.length)])
  }))
  return count
}

/** comeAndGoInPython is the same with the clients in Python. */
async function comeAndGoInPython(forSeconds) {
  const child = spawn('.tools/python/bin/python', ['-B', 'interop/python/soak.py', url, String(forSeconds)],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', text => { said += text })
  try {
    const code = await within('end of the clients in Python', new Promise((resolve, reject) => child.on('error', reject).on('close', resolve)),
      (forSeconds + 120) * 1000)
    assert.equal(code, 0)
    return Number(said)
  } finally {
    child.kill('SIGKILL')
  }
}

const state = async () => (await fetch(server.url + '/debug/state')).json()

/** settled resolves with the hub's state once it has no connections and at most so many goroutines. */
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
  const both = async forSeconds => {
    const counts = await Promise.all([comeAndGo(forSeconds), ...(python ? [comeAndGoInPython(forSeconds)] : [])])
    return counts.reduce((a, b) => a + b)
  }
  await both(0) // so that everything has its buffers
  const start = await settled(empty.goroutines)
  const count = await both(seconds)
  const end = await settled(empty.goroutines)
  t.diagnostic(`seed ${seed}: ${count} visits; goroutines ${empty.goroutines}, ${start.goroutines}, ${end.goroutines}; heap ${start.heap}, ${end.heap}; ${late} late`)
  assert.ok(late <= 5 + count / 100, `${late} of ${count} connections were gone before their transport came`)
  assert.equal(end.panics, 0)
  assert.ok(end.heap - start.heap < allowance(count), `the heap grew from ${start.heap} to ${end.heap} with ${count} visits`)
})

/** allowance is what maps and buffers may keep; a visit leaves nothing. */
function allowance(count) {
  return 512 * 1024 + 16 * count
}
