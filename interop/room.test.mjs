// Unmodified clients of five kinds in one room: what one says, all see, in one order.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { HubConnectionBuilder, LogLevel } from '@microsoft/signalr'
import { io } from 'socket.io-client'

import { plainEvents, plainSocket } from './plain.mjs'
import { startDemo } from './server.mjs'
import { Inbox, once } from './wait.mjs'

let demo
before(async () => { demo = await startDemo() })
after(() => demo?.stop())

// Each of these joins a room under a name and returns {say, said, close}; said collects [from, text].

async function joinByWebSocket(name, room) {
  const client = await plainSocket(`${demo.url}/hub/plain?name=${name}&room=${room}`)
  const said = new Inbox()
  client.ws.on('message', data => {
    const m = JSON.parse(data)
    if (m.type === 'event' && m.name === 'said') said.put(m.args)
  })
  await client.call('who', room)
  return { name, said, say: text => client.send({ name: 'say', args: [room, text] }), close: () => client.close() }
}

async function joinBySocketIO(name, room) {
  const socket = io(demo.url, { forceNew: true, query: { name, room } })
  const said = new Inbox()
  socket.on('said', (...args) => said.put(args))
  await once(socket, 'connect')
  await socket.emitWithAck('who', room)
  return { name, said, say: text => socket.emit('say', room, text), close: () => socket.close() }
}

async function joinBySignalR(name, room) {
  const connection = new HubConnectionBuilder()
    .withUrl(`${demo.url}/hub/signalr?name=${name}&room=${room}`)
    .configureLogging(LogLevel.Error)
    .build()
  const said = new Inbox()
  connection.on('said', (...args) => said.put(args))
  connection.on('joined', () => {})
  connection.on('left', () => {})
  await connection.start()
  await connection.invoke('who', room)
  return { name, said, say: text => connection.send('say', room, text), close: () => connection.stop() }
}

async function listenByEventSource(name, room) {
  const client = await plainEvents(`${demo.url}/hub/plain?name=${name}&room=${room}`)
  const said = new Inbox()
  client.source.addEventListener('message', e => {
    const m = JSON.parse(e.data)
    if (m.type === 'event' && m.name === 'said') said.put(m.args)
  })
  return { name, said, say: text => client.post({ name: 'say', args: [room, text] }), close: () => client.close() }
}

async function sayByPost(name, room, text) {
  const answer = await fetch(`${demo.url}/hub/plain?name=${name}`, {
    method: 'POST',
    body: JSON.stringify({ name: 'say', args: [room, text] }),
  })
  assert.equal(answer.status, 200, await answer.text())
}

test('1,000 messages from each of three official clients reach all of them in one order', { timeout: 120_000 }, async t => {
  const each = 1000
  const clients = await Promise.all([
    joinByWebSocket('Ann', 'lobby'), joinBySocketIO('Ben', 'lobby'), joinBySignalR('Cem', 'lobby'),
  ])
  const listener = await listenByEventSource('Dee', 'lobby')
  t.after(() => Promise.all([...clients, listener].map(c => c.close())))

  for (let i = 0; i < each; i++) {
    for (const c of clients) await c.say(`${c.name} ${i}`)
  }

  for (const c of [...clients, listener]) {
    const heard = await c.said.counts(clients.length * each, undefined, 60_000)
    assert.equal(heard.length, clients.length * each)
    for (const from of clients) {
      const got = heard.filter(([name]) => name === from.name).map(([, text]) => text)
      const want = Array.from({ length: each }, (_, i) => `${from.name} ${i}`)
      assert.deepEqual(got, want, `what ${c.name} heard of ${from.name}`)
    }
    assert.deepEqual(heard, clients[0].said.items, `${c.name} and ${clients[0].name} heard two orders`)
  }
})

test('three clients that talk as fast as they can lose nothing', { timeout: 120_000 }, async t => {
  const each = 300
  const clients = await Promise.all([
    joinByWebSocket('Ann', 'rush'), joinBySocketIO('Ben', 'rush'), joinBySignalR('Cem', 'rush'),
  ])
  t.after(() => Promise.all(clients.map(c => c.close())))
  for (const c of clients) {
    for (let i = 0; i < each; i++) c.say(`${c.name} ${i}`) // nobody waits for anybody
  }
  for (const c of clients) {
    const heard = await c.said.counts(clients.length * each, undefined, 60_000)
    assert.deepEqual(heard, clients[0].said.items)
  }
})

test('an EventSource and a single POST take part', { timeout: 60_000 }, async t => {
  const clients = await Promise.all([
    joinByWebSocket('Ann', 'mixed'), joinBySocketIO('Ben', 'mixed'), joinBySignalR('Cem', 'mixed'),
    listenByEventSource('Dee', 'mixed'),
  ])
  t.after(() => Promise.all(clients.map(c => c.close())))

  for (const c of clients) await c.say(`I am ${c.name}`)
  await sayByPost('Eve', 'mixed', 'I am Eve')

  for (const c of clients) {
    const heard = await c.said.counts(clients.length + 1)
    assert.deepEqual(heard.map(([name, text]) => `${name}: ${text}`).sort(),
      ['Ann', 'Ben', 'Cem', 'Dee', 'Eve'].map(name => `${name}: I am ${name}`), `what ${c.name} heard`)
    assert.deepEqual(heard, clients[0].said.items)
  }
})

test('whoever sends nobody else\'s room nothing hears nothing of it', { timeout: 60_000 }, async t => {
  const here = await joinByWebSocket('Ann', 'here')
  const there = await joinBySocketIO('Ben', 'there')
  t.after(() => Promise.all([here.close(), there.close()]))
  here.say('for here')
  await here.said.counts(1)
  there.say('for there')
  assert.deepEqual(await there.said.counts(1), [['Ben', 'for there']])
  assert.equal(here.said.items.length, 1)
})
