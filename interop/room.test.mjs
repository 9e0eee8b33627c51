// Unmodified clients of every kind and age in one room: what one says, all see, once, and in one order.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { everyKind, heardAll, joinByEventSource, joinBySignalR, joinBySocketIO, joinByWebSocket, meet, speak } from './party.mjs'
import { startDemo } from './server.mjs'

let demo
before(async () => { demo = await startDemo() })
after(() => demo?.stop())

test('500 messages from a client of every kind, all at once, reach each of them', { timeout: 300_000 }, async t => {
  const each = 500
  const members = await meet(t, demo, 'every kind', everyKind)
  await Promise.all(members.map(member => speak(member, each)))
  await heardAll(members, members, each)
})

const official = [['Ann', joinByWebSocket], ['Ben', joinBySocketIO], ['Cem', joinBySignalR]]

test('1,000 messages from each of three official clients, in turn, reach all of them', { timeout: 120_000 }, async t => {
  const members = await meet(t, demo, 'lobby', [...official, ['Dee', joinByEventSource]])
  const speakers = members.slice(0, 3)
  for (let i = 0; i < 1000; i++) {
    for (const speaker of speakers) await speaker.say(`${speaker.name} ${i}`)
  }
  await heardAll(members, speakers, 1000)
})

test('three clients that talk as fast as they can lose nothing', { timeout: 120_000 }, async t => {
  const members = await meet(t, demo, 'rush', official)
  for (const member of members) {
    for (let i = 0; i < 300; i++) member.say(`${member.name} ${i}`) // nobody waits for anybody
  }
  await heardAll(members, members, 300)
})

test('a single POST takes part', { timeout: 60_000 }, async t => {
  const members = await meet(t, demo, 'mixed', everyKind)
  const answer = await fetch(`${demo.url}/hub/plain?name=Eve`, { method: 'POST', body: JSON.stringify({ name: 'say', args: ['mixed', 'Eve 0'] }) })
  assert.equal(answer.status, 200, await answer.text())
  await heardAll(members, [{ name: 'Eve' }], 1)
})

test('whoever sends nobody else\'s room nothing hears nothing of it', { timeout: 60_000 }, async t => {
  const [here] = await meet(t, demo, 'here', [['Ann', joinByWebSocket]])
  const [there] = await meet(t, demo, 'there', [['Ben', joinBySocketIO]])
  here.say('for here')
  await here.said.counts(1)
  there.say('for there')
  assert.deepEqual(await there.said.counts(1), [['Ben', 'for there']])
  assert.equal(here.said.items.length, 1)
})
