// The unmodified @microsoft/signalr client against a hub.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { HttpTransportType, HubConnectionBuilder, HubConnectionState } from '@microsoft/signalr'
import WebSocket from 'ws'

import { startTestserver } from './server.mjs'
import { Inbox, resolvers, within } from './wait.mjs'

const oversize = 'x'.repeat(64 * 1024) // the limit is 32 KiB, as in ASP.NET Core
const ping = 6

let server
before(async () => { server = await startTestserver() })
after(() => server?.stop())

const silent = { log() {} }

function builder(options, at = server) {
  return new HubConnectionBuilder().withUrl(`${at.url}/signalr`, options).configureLogging(silent)
}

/** connected returns a started connection that the test stops in the end. */
async function connected(t, connection = builder().build()) {
  connection.closed = new Promise(resolve => connection.onclose(resolve))
  t.after(() => connection.stop())
  await connection.start()
  return connection
}

/** told returns an inbox of a hub's event. */
function told(connection, name) {
  const inbox = new Inbox()
  connection.on(name, (...args) => inbox.put(args))
  return inbox
}

const failsWith = (promise, sentence) => assert.rejects(within('failure', promise), err => {
  assert.equal(err.message, sentence)
  return true
})

const openings = {
  'by default': undefined,
  'without negotiation': { skipNegotiation: true, transport: HttpTransportType.WebSockets },
}

for (const [how, options] of Object.entries(openings)) {
  test(`connects and calls ${how}`, async t => {
    const connection = builder(options).build()
    const welcome = told(connection, 'welcome')
    await connected(t, connection)
    assert.equal(connection.state, HubConnectionState.Connected)
    assert.equal(await connection.invoke('transport'), 'websocket')
    assert.equal(await connection.invoke('echo', 'hi'), 'hi')
    const [[id]] = await welcome.counts(1)
    if (!options) assert.equal(connection.connectionId, id)
    await connection.stop()
    assert.equal(connection.state, HubConnectionState.Disconnected)
  })
}

test('results of every kind come back as they went', async t => {
  const connection = await connected(t)
  for (const value of [null, true, 0, -1.5, '', 'Grüße, 世界 👋', '\u2028<&>"\\', [], [1, [2]], { a: { b: null } }]) {
    assert.deepEqual(await connection.invoke('echo', value), value)
  }
  assert.equal(await connection.invoke('add', 20, 22), 42)
  assert.equal(await connection.invoke('ADD', 20, 22), 42, 'names are found without regard to case')
  assert.equal(await connection.invoke('nothing'), null)
  assert.equal(await connection.invoke('big', 1 << 20).then(s => s.length), 1 << 20)
})

test('many calls at once each get their own answer', async t => {
  const connection = await connected(t)
  const answers = await within('answers', Promise.all(Array.from({ length: 1000 }, (_, i) => connection.invoke('add', i, i))))
  assert.deepEqual(answers, Array.from({ length: 1000 }, (_, i) => 2 * i))
})

test('send waits for no answer, and an unknown name in it hurts nobody', async t => {
  const connection = await connected(t)
  const heard = told(connection, 'told')
  await connection.send('nobody answers to this', 1)
  await connection.send('add', 'not a number')
  await connection.send('tell', 'first')
  await connection.send('tell', 'second')
  assert.deepEqual((await heard.counts(2)).map(([, text]) => text), ['first', 'second'])
})

test('failures come in SignalR\'s own sentences', async t => {
  const connection = await connected(t)
  await failsWith(connection.invoke('nope'),
    "Failed to invoke 'nope' due to an error on the server. HubException: Method does not exist.")
  await failsWith(connection.invoke('fail', 'No luck today.'),
    "An unexpected error occurred invoking 'fail' on the server. HubException: No luck today.")
  await failsWith(connection.invoke('broken'), "An unexpected error occurred invoking 'broken' on the server.")
  await failsWith(connection.invoke('panic'), "An unexpected error occurred invoking 'panic' on the server.")
  await failsWith(connection.invoke('count', 3),
    "The client attempted to invoke the streaming 'count' method with a non-streaming invocation.")
  assert.equal(await connection.invoke('echo', 'still here'), 'still here')
})

test('wrong arguments fail their call and nothing else', async t => {
  const connection = await connected(t)
  for (const args of [[], [1], [1, 2, 3], ['one', 'two'], [1, null, 2], [{}, []]]) {
    await assert.rejects(connection.invoke('add', ...args), /^Error: Failed to invoke 'add' due to an error on the server\./)
  }
  assert.equal(await connection.invoke('add', 1, 2), 3)
})

/** streamed collects a stream until its end. */
function streamed(connection, name, ...args) {
  const items = []
  const end = resolvers()
  connection.stream(name, ...args).subscribe({
    next: item => items.push(item), complete: () => end.resolve(items), error: end.reject,
  })
  return within(`end of ${name}`, end.promise)
}

test('streams run to their end', async t => {
  const connection = await connected(t)
  assert.deepEqual(await streamed(connection, 'count', 0), [])
  assert.deepEqual(await streamed(connection, 'count', 1000), Array.from({ length: 1000 }, (_, i) => i + 1))
  const both = await Promise.all([streamed(connection, 'count', 3), streamed(connection, 'count', 5)])
  assert.deepEqual(both, [[1, 2, 3], [1, 2, 3, 4, 5]])
})

test('a stream that fails says so', async t => {
  const connection = await connected(t)
  await assert.rejects(streamed(connection, 'stumble', 2), /stumbled after 2/)
  await assert.rejects(streamed(connection, 'nope'), /Method does not exist/)
  await failsWith(streamed(connection, 'echo', 1),
    "The client attempted to invoke the non-streaming 'echo' method with a streaming invocation.")
})

test('a disposed stream is cancelled on the hub', async t => {
  const connection = await connected(t)
  const cancelled = told(connection, 'cancelled')
  const first = resolvers()
  const subscription = connection.stream('endless', 'mine').subscribe({ next: first.resolve, complete() {}, error: first.reject })
  await within('first item', first.promise)
  subscription.dispose()
  assert.equal((await cancelled.counts(1))[0][0], 'mine')
  assert.equal(await connection.invoke('echo', 'still here'), 'still here')
})

test('events reach every connection in one order', async t => {
  const connections = [builder().build(), builder().build(), builder().build()]
  const heard = connections.map(c => told(c, 'told'))
  for (const c of connections) await connected(t, c)
  await Promise.all(connections.flatMap(c => Array.from({ length: 100 }, (_, i) => c.invoke('tell', String(i)))))
  await Promise.all(heard.map(inbox => inbox.counts(300)))
  assert.deepEqual(heard[1].items, heard[0].items)
  assert.deepEqual(heard[2].items, heard[0].items)
})

test('the hub asks, the client answers', async t => {
  const connection = await connected(t)
  const questions = []
  connection.on('confirm', question => {
    questions.push(question)
    return question === 'Sure?'
  })
  assert.equal(await connection.invoke('ask', 'Sure?'), true)
  assert.equal(await connection.invoke('ask', 'Really?'), false)
  assert.deepEqual(questions, ['Sure?', 'Really?'])
})

test('an answer that takes its time, and one that fails', async t => {
  const connection = await connected(t)
  const waiting = resolvers()
  connection.on('confirm', async question => {
    if (question === 'fail') throw new Error('I would rather not')
    await waiting.promise
    return true
  })
  const answer = connection.invoke('ask', 'wait')
  waiting.resolve()
  assert.equal(await answer, true)
  await assert.rejects(connection.invoke('ask', 'fail'), /I would rather not/)
})

test('a question nobody handles fails the call that asked', async t => {
  const connection = await connected(t)
  await assert.rejects(within('failure', connection.invoke('ask', 'anyone?')), /Client didn't provide a result/)
})

test('stop ends without an error', async t => {
  const connection = await connected(t)
  await connection.stop()
  assert.equal(await within('close', connection.closed), undefined)
})

test('a goodbye of the hub ends without an error, and for good', async t => {
  const connection = builder().withAutomaticReconnect([0]).build()
  let reconnecting = false
  connection.onreconnecting(() => { reconnecting = true })
  await connected(t, connection)
  await connection.send('kick', true)
  assert.equal(await within('close', connection.closed), undefined)
  assert.equal(reconnecting, false)
})

test('a cut connection is an error without automatic reconnect', async t => {
  const connection = await connected(t)
  await connection.send('kick', false)
  assert.match(String(await within('close', connection.closed)), /WebSocket closed with status code: 1006/)
})

test('a cut connection comes back with automatic reconnect', async t => {
  const connection = builder().withAutomaticReconnect([0, 100, 1000]).build()
  const welcome = told(connection, 'welcome')
  const back = new Promise(resolve => connection.onreconnected(resolve))
  await connected(t, connection)
  const before = connection.connectionId
  await connection.send('kick', false)
  const id = await within('reconnect', back)
  assert.notEqual(id, before)
  assert.deepEqual((await welcome.counts(2)).map(([id]) => id), [before, id])
  assert.equal(await connection.invoke('echo', 'back'), 'back')
})

test('calls that wait when the connection is cut fail', async t => {
  const connection = await connected(t)
  const asked = resolvers()
  connection.on('confirm', () => {
    asked.resolve()
    return new Promise(() => {})
  })
  const failure = assert.rejects(connection.invoke('ask', 'for ever'), /Invocation canceled|closed with status code|underlying connection/)
  await within('question', asked.promise)
  const other = await connected(t)
  assert.equal(await other.invoke('echo', 1), 1)
  connection.connection.transport._webSocket.terminate()
  await within('failure', failure)
})

test('a message over the limit closes with an error', async t => {
  const connection = await connected(t)
  connection.invoke('echo', oversize).catch(() => {})
  const err = await within('close', connection.closed)
  assert.equal(err.message, 'Server returned an error on close: Connection closed with an error.')
})

test('who is refused gets the reason and stays out', async t => {
  const connection = new HubConnectionBuilder().withUrl(`${server.url}/signalr?refuse=closed+today`).configureLogging(silent).build()
  t.after(() => connection.stop())
  // The refusal may overtake start or follow it.
  const closed = new Promise(resolve => connection.onclose(resolve))
  const err = await within('refusal', connection.start().then(() => closed, err => err))
  assert.equal(err.message, 'Server returned an error on close: Connection closed with an error. HubException: closed today')
})

test('pings of both sides keep a quiet connection', { timeout: 60_000 }, async t => {
  const quick = await startTestserver({ args: ['--keepalive', '200ms', '--idle', '1500ms'] })
  t.after(() => quick.stop())
  const pings = new Inbox()
  class Observed extends WebSocket {
    constructor(...args) {
      super(...args)
      this.on('message', data => data.toString().includes(`"type":${ping}`) && pings.put(ping))
    }
  }
  const connection = builder({ WebSocket: Observed }, quick).withKeepAliveInterval(300).withServerTimeout(5000).build()
  await connected(t, connection)
  await pings.counts(12) // more than the idle timeout
  assert.equal(connection.state, HubConnectionState.Connected)
  assert.equal(await connection.invoke('echo', 'still here'), 'still here')
})

test('a server that shuts down asks its clients back', { timeout: 60_000 }, async t => {
  let other = await startTestserver()
  t.after(() => other.stop())
  const connection = builder(undefined, other).withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 100 }).build()
  const away = new Promise(resolve => connection.onreconnecting(resolve))
  const back = new Promise(resolve => connection.onreconnected(resolve))
  await connected(t, connection)
  assert.equal(await other.stop(), 0)
  await within('goodbye', away)
  other = await startTestserver({ listen: other.host })
  await within('reconnect', back, 30_000)
  assert.equal(await connection.invoke('echo', 'back'), 'back')
})

// What other clients than the one above may do.

async function negotiate(query, init) {
  const answer = await fetch(`${server.url}/signalr/negotiate${query}`, { method: 'POST', ...init })
  return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() }
}

test('negotiates in version 0 and in version 1', async () => {
  const v0 = await negotiate('')
  assert.equal(v0.status, 200)
  const answer0 = JSON.parse(v0.body)
  assert.equal(answer0.negotiateVersion, 0)
  assert.ok(answer0.connectionId)
  assert.ok(!('connectionToken' in answer0))

  const v1 = await negotiate('?negotiateVersion=1')
  const answer1 = JSON.parse(v1.body)
  assert.equal(answer1.negotiateVersion, 1)
  assert.ok(answer1.connectionToken)
  assert.notEqual(answer1.connectionToken, answer1.connectionId)
  assert.ok(answer1.availableTransports.some(t => t.transport === 'WebSockets'))

  assert.equal(JSON.parse((await negotiate('?negotiateVersion=7')).body).negotiateVersion, 1)
  assert.equal((await negotiate('', { method: 'GET' })).status, 405)
})

test('an unknown connection token is not let in', async () => {
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/signalr?id=unknown`)
  const refused = resolvers()
  ws.on('unexpected-response', (_, answer) => refused.resolve(answer.statusCode))
  ws.on('error', () => {})
  ws.on('open', () => refused.reject(new Error('it was let in')))
  assert.equal(await within('refusal', refused.promise), 404)
})
