// What clients other than Microsoft's may do.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import WebSocket from 'ws'

import { startTestserver } from './server.mjs'
import { resolvers, within } from './wait.mjs'

let server
before(async () => { server = await startTestserver() })
after(() => server?.stop())

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
