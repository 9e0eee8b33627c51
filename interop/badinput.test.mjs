// What comes in may be anything: its sender is told, and nobody else loses a word.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'

import { plainSocket } from './plain.mjs'
import { binary, close, frame, ping, rawSocket, text } from './raw.mjs'
import { startDemo, startTestserver } from './server.mjs'
import { within } from './wait.mjs'

const record = '\x1e'

// How each dialect is opened by hand, and how it writes a call.
const dialects = {
  plain: {
    path: '/hub/plain',
    async greet(raw) { await raw.said('open', s => s.includes('"open"')) },
    call: (id, name, ...args) => JSON.stringify({ id, name, args }),
    answers: (id, s) => s.includes(`"id":"${id}"`),
  },
  signalr: {
    path: '/hub/signalr',
    async greet(raw) {
      raw.write(frame(text, '{"protocol":"json","version":1}' + record))
      await raw.said('handshake', s => s.startsWith('{}' + record))
    },
    call: (id, name, ...args) => JSON.stringify({ type: 1, invocationId: id, target: name, arguments: args }) + record,
    answers: (id, s) => s.includes(`"invocationId":"${id}"`),
  },
  socketio: {
    path: '/socket.io/?EIO=4&transport=websocket',
    async greet(raw) {
      await raw.said('open', s => s.startsWith('0{'))
      raw.write(frame(text, '40'))
      await raw.said('connect', s => s.startsWith('40{'))
    },
    call: (id, name, ...args) => `42${id}${JSON.stringify([name, ...args])}`,
    answers: (id, s) => s.startsWith(`43${id}[`),
  },
}

const pathOf = (dialect, query) => dialects[dialect].path + (dialects[dialect].path.includes('?') ? '&' : '?') + query

/** opened returns a raw connection that speaks a dialect, and its handshake is done. */
async function opened(t, dialect, { at = demo, path = pathOf(dialect, 'name=Mallory') } = {}) {
  const raw = await rawSocket(at.url, path)
  t.after(() => raw.destroy())
  await dialects[dialect].greet(raw)
  return raw
}

// A healthy room, before, while and after anything is tried.

let demo, listeners
let spoken = 0

before(async () => {
  demo = await startDemo()
  listeners = await Promise.all(['Ann', 'Ben'].map(name => plainSocket(`${demo.url}/hub/plain?name=${name}&room=lobby`)))
  await Promise.all(listeners.map(l => l.call('who', 'lobby')))
})
after(async () => {
  await Promise.all((listeners ?? []).map(l => l.close()))
  assert.equal(await demo?.stop(), 0)
})

const say = () => listeners[spoken % listeners.length].send({ name: 'say', args: ['lobby', String(spoken++)] })

beforeEach(say)
afterEach(async () => {
  say()
  for (const l of listeners) {
    const own = m => m.name === 'said' && ['Ann', 'Ben'].includes(m.args[0]) && /^\d+$/.test(m.args[1])
    const heard = await l.inbox.counts(spoken, own)
    assert.deepEqual(heard.map(m => Number(m.args[1])).sort((a, b) => a - b), Array.from({ length: spoken }, (_, i) => i))
  }
  assert.ok(await demo.healthy())
})

// --- Frames that break RFC 6455 ---

const badFrames = {
  'an unmasked frame (§5.1)': [frame(text, 'hi', { masked: false }), 1002],
  'a reserved bit (§5.2)': [frame(text, 'hi', { rsv: 2 }), 1002],
  'a reserved opcode (§5.2)': [frame(3, 'hi'), 1002],
  'a continuation of nothing (§5.4)': [frame(0, 'hi'), 1002],
  'a new message inside another (§5.4)': [Buffer.concat([frame(text, 'h', { fin: false }), frame(text, 'i')]), 1002],
  'a ping in fragments (§5.5)': [frame(ping, 'hi', { fin: false }), 1002],
  'a ping of 126 bytes (§5.5)': [frame(ping, 'x'.repeat(126)), 1002],
  'a close of one byte (§5.5.1)': [frame(close, 'x'), 1002],
  'a close code that must not be sent (§7.4.1)': [frame(close, Buffer.from([1005 >> 8, 1005 & 255])), 1002],
  'a close reason that is no UTF-8 (§8.1)': [frame(close, Buffer.from([3, 232, 0xff])), 1007],
  'a text that is no UTF-8 (§8.1)': [frame(text, Buffer.from([0x22, 0xc3, 0x28, 0x22])), 1007],
  'a text that ends inside a character (§8.1)': [frame(text, Buffer.from([0xe2, 0x82])), 1007],
  'a length that no memory holds (§10.4)': [frame(text, '', { length: 2 ** 52 }), 1009],
}

for (const dialect of Object.keys(dialects)) {
  for (const [what, [bytes, code]] of Object.entries(badFrames)) {
    test(`${dialect}: ${what} closes with ${code}`, async t => {
      const raw = await opened(t, dialect)
      raw.write(bytes)
      assert.equal((await raw.goodbye()).code, code)
      await within('end of the connection', raw.closed.promise)
    })
  }
}

// --- Messages that a dialect cannot read: its sender is told and shown the door ---

const badMessages = {
  plain: [['no JSON', '{"name":'], ['no object', '[1,2]'], ['a name that is none', '{"id":1,"name":{}}'], ['deep nesting', '['.repeat(20_000)]],
  signalr: [['no JSON', '{"type":' + record], ['no object', '[1,2]' + record], ['no type', '{}' + record],
    ['arguments that are no list', '{"type":1,"target":"echo","arguments":1}' + record], ['deep nesting', '['.repeat(20_000) + record]],
  socketio: [['an unknown packet', '4abc'], ['an event that is no list', '42{}'], ['an event without a name', '42[]'],
    ['a reserved name', '42["disconnect"]'], ['no JSON', '42["echo",'], ['an unknown engine packet', 'x'], ['deep nesting', '42' + '['.repeat(20_000)]],
}

for (const [dialect, messages] of Object.entries(badMessages)) {
  for (const [what, message] of messages) {
    test(`${dialect}: ${what} ends its sender's connection`, async t => {
      const raw = await opened(t, dialect)
      raw.write(frame(text, message))
      const { code, reason } = await raw.goodbye()
      await within('end of the connection', raw.closed.promise)
      const words = raw.frames.items.filter(f => f.opcode === text).at(-1).data.toString()
      if (dialect === 'plain') {
        assert.equal(code, 1002)
        const said = JSON.parse(words)
        assert.deepEqual(said, { type: 'close', code, reason: said.reason, reconnect: false })
        assert.ok(reason && said.reason.startsWith(reason), `${reason} is not ${said.reason}`)
      }
      if (dialect === 'signalr') {
        assert.equal(code, 1000, 'SignalR says it in a message of its own')
        assert.match(words, /^\{"type":7,"error":"Connection closed with an error\./)
      }
      if (dialect === 'socketio') assert.equal(code, 1005, 'Socket.IO has no words for it')
    })
  }
}

test('plain and socketio: a binary message nobody announced ends its sender\'s connection', async t => {
  for (const [dialect, code] of [['plain', 1003], ['socketio', 1005]]) {
    const raw = await opened(t, dialect)
    raw.write(frame(binary, Buffer.from([0, 1, 2])))
    assert.equal((await raw.goodbye()).code, code)
    await within('end of the connection', raw.closed.promise)
  }
})

test('signalr: a handshake that is none is answered with its error', async t => {
  for (const [message, error] of [
    ['hello' + record, /An unexpected error occurred during connection handshake\./],
    ['{"protocol":"morse","version":1}' + record, /The protocol 'morse' is not supported\./],
    ['{"protocol":"json","version":9001}' + record, /The server does not support version 9001 of the 'json' protocol\./],
  ]) {
    const raw = await rawSocket(demo.url, dialects.signalr.path)
    t.after(() => raw.destroy())
    raw.write(frame(text, message))
    assert.match(await raw.said('error', s => s.includes('"error"')), error)
    await within('end of the connection', raw.closed.promise)
  }
})

test('socketio: requests that are none are answered with code and message', async () => {
  for (const [query, code] of [
    ['', 0], ['?EIO=4&transport=morse', 0], ['?EIO=4&transport=polling&sid=unknown', 1], ['?EIO=4&transport=websocket', 3],
  ]) {
    const answer = await fetch(`${demo.url}/socket.io/${query}`)
    assert.equal(answer.status, 400, query)
    const body = await answer.json()
    assert.equal(body.code, code, query)
    assert.ok(body.message)
  }
})

// --- Calls that cannot be done: they fail, the connection lives ---

const longest = 2000 // characters of a text in the demo's chat

const badCalls = [
  ['an unknown name', ['nope', 1]],
  ['too few arguments', ['say', 'lobby']],
  ['too many arguments', ['echo', 1, 2, 3]],
  ['arguments of a wrong type', ['say', 1, { text: 'hi' }]],
  ['a text that is too long', ['say', 'lobby', 'x'.repeat(longest + 1)]],
  ['a room that is too long', ['join', 'x'.repeat(65)]],
  ['a name that is too long', ['rename', 'x'.repeat(33)]],
]

for (const [dialect, { call, answers }] of Object.entries(dialects)) {
  for (const [what, args] of badCalls) {
    test(`${dialect}: ${what} fails the call and nothing else`, async t => {
      const raw = await opened(t, dialect)
      raw.write(frame(text, call('7', ...args)))
      assert.match(await raw.said('failure', s => answers('7', s)), /"error"/)
      raw.write(frame(text, call('8', 'echo', 'still here')))
      assert.match(await raw.said('answer', s => answers('8', s)), /still here/)
    })
  }

  test(`${dialect}: an oversized message ends with 1009`, async t => {
    const raw = await opened(t, dialect)
    raw.write(frame(text, call('7', 'echo', 'x'.repeat(2_000_000)))) // more than any dialect takes
    assert.equal((await raw.goodbye()).code, 1009)
    await within('end of the connection', raw.closed.promise)
  })

  test(`${dialect}: an endless message in fragments ends with 1009`, async t => {
    const raw = await opened(t, dialect)
    raw.write(frame(text, '"', { fin: false }))
    const piece = frame(0, 'x'.repeat(60_000), { fin: false })
    for (let i = 0; i < 40; i++) raw.write(piece)
    assert.equal((await raw.goodbye()).code, 1009)
    await within('end of the connection', raw.closed.promise)
  })
}

// --- Clients that do not read, or do not go on ---

test('clients that never read are let go, and everyone else hears everything', { timeout: 240_000 }, async t => {
  const slow = []
  for (const dialect of Object.keys(dialects)) {
    const raw = await opened(t, dialect, { path: pathOf(dialect, `name=slow-${dialect}&room=lobby`) })
    slow.push([`slow-${dialect}`, raw])
  }
  const sse = await rawSocket(demo.url, '', { upgrade: false })
  t.after(() => sse.destroy())
  sse.write(`GET /hub/plain?name=slow-sse&room=lobby HTTP/1.1\r\nHost: ${new URL(demo.url).host}\r\n\r\n`)
  await within('event stream', sse.head.promise)
  slow.push(['slow-sse', sse])
  for (const [name] of slow) await listeners[0].event('joined', who => who === name)
  for (const [, raw] of slow) raw.stall()

  const left = Promise.all(slow.map(([name]) => listeners[1].inbox.has(`end of ${name}`, m => m.name === 'left' && m.args[0] === name, 180_000)))
  let gone = false
  left.then(() => { gone = true }, () => { gone = true })
  const speaker = await plainSocket(`${demo.url}/hub/plain?name=Speaker`)
  t.after(() => speaker.close())
  const bySpeaker = m => m.name === 'said' && m.args[0] === 'Speaker'
  let said = 0
  while (!gone && said < 20_000) {
    await speaker.call('say', 'lobby', `#${said++} ` + 'x'.repeat(1900))
    // Who reads as fast as this process comes to it may yet be too slow for one that only sends.
    if (said % 50 === 0) for (const l of listeners) await l.inbox.counts(said, bySpeaker)
  }
  await left

  for (const l of listeners) {
    const heard = await l.inbox.counts(said, bySpeaker, 60_000)
    heard.forEach((m, i) => assert.ok(m.args[1].startsWith(`#${i} `), `message ${i} is ${m.args[1].slice(0, 10)}`))
  }
  assert.deepEqual(await speaker.call('who', 'lobby'), ['Ann', 'Ben'])
})

test('half a request, half a handshake and half a frame harm nobody', async t => {
  for (const half of ['GET /hub/pl', 'GET /hub/plain HTTP/1.1\r\nHost: x\r\nUpgr', 'POST /hub/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"name"']) {
    const raw = await rawSocket(demo.url, '', { upgrade: false })
    raw.write(half)
    t.after(() => raw.destroy())
  }
  for (const dialect of Object.keys(dialects)) {
    const raw = await opened(t, dialect)
    raw.write(frame(text, dialects[dialect].call('1', 'echo', 'hi')).subarray(0, 9))
  }
})

test('whoever falls silent is let go in time, and leaves no goroutine', { timeout: 120_000 }, async t => {
  const server = await startTestserver({ args: ['--keepalive', '200ms', '--idle', '1s'] })
  t.after(() => server.stop())
  const goroutines = async () => Number(await (await fetch(`${server.url}/debug/goroutines`)).text())
  const paths = { plain: '/plain', signalr: '/signalr', socketio: dialects.socketio.path }
  const before = await goroutines()

  const all = []
  for (let i = 0; i < 30; i++) {
    for (const dialect of Object.keys(dialects)) {
      const raw = await opened(t, dialect, { at: server, path: paths[dialect] })
      // SignalR counts the idle time from the client's first ping.
      if (dialect === 'signalr') raw.write(frame(text, '{"type":6}' + record))
      if (i % 3 === 1) raw.write(frame(text, 'half a frame').subarray(0, 8))
      if (i % 3 === 2) raw.write(frame(3, 'no frame'))
      all.push(raw)
    }
  }
  await within('end of all connections', Promise.all(all.map(raw => raw.closed.promise)))
  const most = before + 12 // the HTTP connections that fetch keeps
  await within(`at most ${most} goroutines`, (async () => {
    for (let now = Infinity; now > most;) now = await goroutines()
  })(), 30_000)
})
