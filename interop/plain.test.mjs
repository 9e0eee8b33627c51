// Clients without a library: a bare WebSocket, an EventSource, fetch and curl.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'

import WebSocket from 'ws'

import { plainEvents, plainSocket } from './plain.mjs'
import { startDemo, startTestserver } from './server.mjs'
import { Inbox, once, within } from './wait.mjs'

let demo, server
before(async () => { [demo, server] = await Promise.all([startDemo(), startTestserver()]) })
after(() => Promise.all([demo?.stop(), server?.stop()]))

async function socket(t, query = '') {
  const client = await plainSocket(`${server.url}/plain${query}`)
  t.after(() => client.ws.terminate())
  return client
}

async function events(t, query = '') {
  const client = await plainEvents(`${server.url}/plain${query}`)
  t.after(() => client.close())
  return client
}

// --- WebSocket ---

test('a bare WebSocket calls and is answered', async t => {
  const client = await socket(t)
  assert.equal(client.inbox.items[0].type, 'open')
  assert.ok(client.opened.id)
  assert.deepEqual(await client.event('welcome'), [client.opened.id])
  for (const value of [null, true, 0, -1.5, '', 'Grüße, 世界 👋', '\u2028<&>"\\', [], { a: { b: null } }]) {
    assert.deepEqual(await client.call('echo', value), value)
  }
  assert.equal(await client.call('add', 20, 22), 42)
  assert.equal(await client.call('nothing'), null)
})

test('the shortest call there is', async t => {
  const client = await socket(t)
  client.send('{"id":7,"name":"nothing"}')
  assert.deepEqual(await client.inbox.has('answer', m => m.id === '7'), { type: 'result', id: '7', value: null })
})

test('unknown fields and unknown types are ignored', async t => {
  const client = await socket(t)
  client.send({ type: 'of tomorrow', id: 1, why: { not: [] } })
  client.send({ id: 2, name: 'echo', args: ['hi'], priority: 'high' })
  assert.equal((await client.inbox.has('answer', m => m.id === '2')).value, 'hi')
  assert.ok(!client.inbox.items.some(m => m.id === '1'))
})

test('failures carry a code, a message and data', async t => {
  const client = await socket(t)
  await assert.rejects(client.call('fail', 'No luck.'), { code: 'no_luck', message: 'No luck.', data: [1, 2] })
  await assert.rejects(client.call('nope'), { code: 'not_found' })
  await assert.rejects(client.call('add', 1), { code: 'arguments' })
  await assert.rejects(client.call('add', 1, 'two'), { code: 'arguments' })
  for (const name of ['broken', 'panic']) {
    await assert.rejects(client.call(name), err => err.code === 'internal' && !/password/.test(err.message))
  }
  client.send({ name: 'nope' })
  assert.equal((await client.inbox.has('error', m => m.type === 'error' && !('id' in m))).code, 'not_found')
  assert.equal(await client.call('echo', 'still here'), 'still here')
})

test('streams run, fail and are cancelled', async t => {
  const client = await socket(t)
  const of = id => m => m.id === id
  client.send({ type: 'stream', id: 's', name: 'count', args: [3] })
  assert.deepEqual(await client.inbox.counts(4, of('s')), [
    { type: 'item', id: 's', value: 1 }, { type: 'item', id: 's', value: 2 }, { type: 'item', id: 's', value: 3 },
    { type: 'end', id: 's' },
  ])
  client.send({ type: 'stream', id: 'f', name: 'stumble', args: [1] })
  assert.deepEqual((await client.inbox.counts(2, of('f'))).map(m => m.code ?? m.value), [1, 'no_luck'])
  client.send({ type: 'stream', id: 'e', name: 'endless', args: ['mine'] })
  await client.inbox.has('item', of('e'))
  client.send({ type: 'cancel', id: 'e' })
  assert.equal((await client.event('cancelled', name => name === 'mine'))[0], 'mine')
})

test('the hub asks, and takes an answer or an error', async t => {
  const client = await socket(t)
  const first = client.call('ask', 'Sure?')
  const question = await client.inbox.has('question', m => m.type === 'call')
  assert.deepEqual({ name: question.name, args: question.args }, { name: 'confirm', args: ['Sure?'] })
  client.send({ type: 'result', id: question.id, value: true })
  assert.equal(await first, true)

  const second = client.call('ask', 'Really?')
  const again = await client.inbox.has('question', m => m.type === 'call' && m.id !== question.id)
  client.send({ type: 'error', id: again.id, code: 'shy', message: 'I would rather not.' })
  await assert.rejects(second, /I would rather not/)
})

test('ping is answered by pong', async t => {
  const client = await socket(t)
  client.send({ type: 'ping' })
  await client.inbox.has('pong', m => m.type === 'pong')
})

test('goodbyes of both sides', async t => {
  const first = await socket(t)
  assert.deepEqual(await first.close(), { code: 1005, reason: '' })

  const second = await socket(t)
  second.send({ type: 'close' })
  assert.equal((await within('close', second.closed.promise)).code, 1000)

  const third = await socket(t)
  third.send({ name: 'kick', args: [true] })
  const { code, reason } = await within('close', third.closed.promise)
  assert.deepEqual({ code, reason }, { code: 1000, reason: 'kicked' })
  const said = third.inbox.items.at(-1)
  assert.deepEqual(said, { type: 'close', code: 1000, reason: 'kicked', reconnect: false })
})

test('a refusal says why', async t => {
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/plain?refuse=closed+today`)
  t.after(() => ws.terminate())
  const inbox = new Inbox()
  ws.on('message', data => inbox.put(JSON.parse(data)))
  const [code, reason] = await once(ws, 'close')
  assert.equal(code, 1008)
  assert.equal(reason.toString(), 'closed today')
  assert.equal(inbox.items.at(-1).type, 'close')
})

test('pages of other origins stay out', async () => {
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/plain`, { origin: 'https://elsewhere.example' })
  ws.on('error', () => {})
  const [, answer] = await once(ws, 'unexpected-response')
  assert.equal(answer.statusCode, 403)
  ws.terminate()
  for (const init of [{}, { method: 'POST', body: '{"name":"echo","args":[1]}' }]) {
    const res = await fetch(`${server.url}/plain`, { ...init, headers: { Origin: 'https://elsewhere.example' } })
    assert.equal(res.status, 403)
    await res.body?.cancel()
  }
})

// --- EventSource ---

test('an EventSource hears, and speaks by POST', async t => {
  const client = await events(t)
  assert.ok(client.opened.session)
  const sent = await client.post({ id: 1, name: 'add', args: [20, 22] }, { id: 2, name: 'nope' })
  assert.equal(sent.status, 202)
  assert.equal(await sent.text(), '')
  assert.equal((await client.inbox.has('answer', m => m.id === '1')).value, 42)
  assert.equal((await client.inbox.has('answer', m => m.id === '2')).code, 'not_found')
  await client.post({ name: 'tell', args: ['line\none\r\ntwo\u2028three'] })
  const heard = await client.inbox.has('event', m => m.name === 'told')
  assert.deepEqual(heard.args, [client.opened.id, 'line\none\r\ntwo\u2028three'])
})

test('an EventSource keeps the order of 1,000 messages', async t => {
  const client = await events(t)
  await client.post({ name: 'burst', args: [1000] })
  const ticks = await client.inbox.counts(1000, m => m.name === 'tick')
  assert.deepEqual(ticks.map(m => m.args[0]), Array.from({ length: 1000 }, (_, i) => i))
})

test('a POST for nobody is a 404 in JSON', async () => {
  const answer = await fetch(`${server.url}/plain?session=unknown`, { method: 'POST', body: '{"name":"echo"}' })
  assert.equal(answer.status, 404)
  assert.match(answer.headers.get('content-type'), /^application\/json/)
  const body = await answer.json()
  assert.equal(body.type, 'error')
  assert.ok(body.message)
})

test('an oversized POST is a 413, and its connection lives', async t => {
  const client = await events(t)
  const answer = await client.post({ name: 'echo', args: ['x'.repeat(2_000_000)] })
  assert.equal(answer.status, 413)
  await answer.text()
  await client.post({ id: 1, name: 'echo', args: ['still here'] })
  assert.equal((await client.inbox.has('answer', m => m.id === '1')).value, 'still here')
})

// --- long polling ---

test('long polling by fetch', async () => {
  const base = `${server.url}/plain`
  const [opened] = await (await fetch(`${base}?transport=poll`)).json()
  assert.equal(opened.type, 'open')
  assert.ok(opened.session)
  const own = `${base}?transport=poll&session=${encodeURIComponent(opened.session)}`
  const inbox = new Inbox()
  const polling = (async () => {
    for (;;) {
      const answer = await fetch(own)
      if (answer.status !== 200) return answer.status
      for (const m of await answer.json()) inbox.put(m)
    }
  })()
  const send = (...ms) => fetch(own, { method: 'POST', body: ms.map(m => JSON.stringify(m)).join('\n') })
  assert.equal((await send({ id: 1, name: 'add', args: [20, 22] })).status, 202)
  assert.equal((await inbox.has('answer', m => m.id === '1')).value, 42)
  await send({ name: 'burst', args: [1000] })
  const ticks = await inbox.counts(1000, m => m.name === 'tick')
  assert.deepEqual(ticks.map(m => m.args[0]), Array.from({ length: 1000 }, (_, i) => i))

  const gone = await fetch(own, { method: 'DELETE' })
  assert.ok(gone.ok, `DELETE: ${gone.status}`)
  await within('end of the polls', polling)
  assert.equal((await send({ name: 'nothing' })).status, 404)
})

// --- one POST ---

const posts = {
  'a result': ['{"name":"echo","args":["hi"]}', 200, { type: 'result', value: 'hi' }],
  'nothing': ['{"name":"nothing"}', 200, { type: 'result', value: null }],
  'an unknown name': ['{"name":"nope"}', 404, { type: 'error', code: 'not_found' }],
  'wrong arguments': ['{"name":"add","args":[1]}', 400, { type: 'error', code: 'arguments' }],
  'a broken handler': ['{"name":"broken"}', 500, { type: 'error', code: 'internal' }],
  'a failed call': ['{"name":"fail","args":["No luck."]}', 422, { type: 'error', code: 'no_luck', message: 'No luck.' }],
  'no JSON': ['{"name":', 400, { type: 'error' }],
  'an oversized body': [`{"name":"echo","args":["${'x'.repeat(2_000_000)}"]}`, 413, { type: 'error' }],
}

for (const [what, [body, status, want]] of Object.entries(posts)) {
  test(`a single POST: ${what} is a ${status}`, async () => {
    const answer = await fetch(`${server.url}/plain`, { method: 'POST', body })
    const got = JSON.parse(await answer.text())
    assert.equal(answer.status, status, JSON.stringify(got))
    for (const [key, value] of Object.entries(want)) assert.deepEqual(got[key], value, key)
  })
}

test('a single POST of several calls answers each on a line', async () => {
  const body = '{"id":1,"name":"echo","args":["a"]}\n{"id":2,"name":"nope"}\n{"type":"stream","id":3,"name":"count","args":[2]}'
  const answer = await fetch(`${server.url}/plain`, { method: 'POST', body })
  assert.equal(answer.status, 200)
  const lines = (await answer.text()).trim().split('\n').map(line => JSON.parse(line))
  const of = id => lines.filter(m => m.id === id)
  assert.deepEqual(of('1'), [{ type: 'result', id: '1', value: 'a' }])
  assert.equal(of('2')[0].code, 'not_found')
  assert.deepEqual(of('3').map(m => m.value ?? m.type), [1, 2, 'end'])
})

test('other methods are told which there are', async () => {
  const answer = await fetch(`${server.url}/plain`, { method: 'PUT', body: '{}' })
  assert.equal(answer.status, 405)
  assert.match(answer.headers.get('allow'), /GET/)
})

// --- curl, against the demo's chat ---

const curl = (...args) => promisify(execFile)('curl', ['--silent', '--show-error', '--max-time', '20', ...args]).then(r => r.stdout)

test('curl watches a room while another curl speaks in it', async t => {
  const url = `${demo.url}/hub/plain`
  const watching = spawn('curl', ['--silent', '-N', `${url}?name=Watcher&room=lobby`], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => watching.kill())
  const seen = new Inbox()
  createInterface({ input: watching.stdout }).on('line', line => {
    if (line.startsWith('data:')) seen.put(JSON.parse(line.slice(5)))
  })
  assert.equal((await seen.counts(1))[0].type, 'open')

  await curl('-d', '{"name":"say","args":["lobby","Hi from curl"]}', `${url}?name=Ann`)
  const said = await seen.has('said', m => m.name === 'said')
  assert.deepEqual(said.args, ['Ann', 'Hi from curl'])

  const answer = JSON.parse(await curl('-d', '{"name":"echo","args":["hi"]}', url))
  assert.equal(answer.type, 'result')
  assert.equal(answer.value, 'hi')
  assert.deepEqual(JSON.parse(await curl('-d', '{"name":"who","args":["lobby"]}', url)).value, ['Watcher'])
})

test('curl counts', async () => {
  const out = await curl('-d', '{"type":"stream","id":"1","name":"count","args":[3]}', `${demo.url}/hub/plain`)
  assert.deepEqual(out.trim().split('\n').map(line => JSON.parse(line)).map(m => m.value ?? m.type), [1, 2, 3, 'end'])
})

test('the echo address gives everything back', async () => {
  const ws = new WebSocket(`${demo.url.replace('http', 'ws')}/echo`)
  await once(ws, 'open')
  for (const value of ['hi', Buffer.from([0, 255, 1])]) {
    const answer = once(ws, 'message')
    ws.send(value)
    const [data, binary] = await answer
    assert.equal(binary, typeof value !== 'string')
    assert.deepEqual(Buffer.from(data), Buffer.from(value))
  }
  const closed = once(ws, 'close')
  ws.close(1000, 'done')
  assert.equal((await closed)[0], 1000)
})
