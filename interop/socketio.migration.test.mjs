// The client that a moved server had: the chat of docs/socketio.md on npm's socket.io and its twin in Go, examples/migration-socketio,
// driven by the same tests with the unmodified socket.io-client.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'

import { io } from 'socket.io-client'

import { startChat } from './server.mjs'
import { Inbox, once, within } from './wait.mjs'

const events = ['came', 'went', 'said', 'typing', 'whispered', 'file', 'announced']

for (const original of [true, false]) {
  describe(original ? 'on Node' : 'in Go', () => {
    let server
    before(async () => { server = await startChat({ original }) })
    after(() => server?.stop())

    for (const transports of [['polling', 'websocket'], ['polling'], ['websocket']]) {
      describe(transports.join(', '), () => chat(() => server, transports))
    }

    test('the client that pages load', async () => {
      const answer = await fetch(server.url + '/socket.io/socket.io.min.js')
      assert.equal(answer.status, 200)
      assert.match(await answer.text(), /^\/\*!\s+\* Socket\.IO v4\.8\.4/)
    })

    test('a page of another origin', async () => {
      const poll = origin => fetch(server.url + '/socket.io/?EIO=4&transport=polling', { headers: { origin } })
      const answer = await poll('https://chat.example.com')
      assert.equal(answer.headers.get('access-control-allow-origin'), 'https://chat.example.com')
      assert.equal(answer.headers.get('access-control-allow-credentials'), 'true')
      assert.notEqual((await poll('https://elsewhere.example')).headers.get('access-control-allow-origin'), 'https://elsewhere.example')
    })

    test('what is logged', async t => {
      const ann = await enter(t, server, ['websocket'], "ann's token")
      await ann.ask('join', 'log')
      await ann.ask('say', 'log', 'hi')
      await ann.hears('said')
      for (const end = Date.now() + 15_000; !/Ann: say\n[^]*to Ann: said\n/.test(server.log);) { // it comes by a pipe of its own
        assert.ok(Date.now() < end, server.log)
        await delay(10)
      }
    })
  })
}

/** open makes a socket that collects what it hears, and is not connected yet. */
function open(t, server, transports, token, namespace = '') {
  const socket = io(server.url + namespace, { transports, auth: { token }, forceNew: true, autoConnect: false, reconnectionDelay: 300 })
  const heard = new Inbox()
  for (const name of events) socket.on(name, (...what) => heard.put([name, ...what]))
  t.after(() => socket.disconnect())
  return {
    socket,
    heard,
    ask: (...call) => within(call[0], socket.emitWithAck(...call)),
    hears: async (name, ...what) => (await heard.has(`${name} ${what}`, item =>
      item[0] === name && what.every((value, i) => item[i + 1] === value))).slice(1),
  }
}

async function enter(t, server, transports, token, namespace) {
  const one = open(t, server, transports, token, namespace)
  const connected = once(one.socket, 'connect')
  one.socket.connect()
  await connected
  return one
}

function chat(server, transports) {
  let rooms = 0
  const both = async t => {
    const room = `room ${++rooms} of ${transports}`
    const ann = await enter(t, server(), transports, "ann's token")
    const ben = await enter(t, server(), transports, "ben's token")
    assert.deepEqual(await ann.ask('join', room), ['Ann'])
    assert.deepEqual(await ben.ask('join', room), ['Ann', 'Ben'])
    await ann.hears('came', room, 'Ben')
    return [ann, ben, room]
  }

  test('two in a room', async t => {
    const [ann, ben, room] = await both(t)
    assert.equal(await ben.ask('say', room, 'hi'), undefined)
    for (const one of [ann, ben]) {
      const [line] = await one.hears('said')
      assert.deepEqual({ ...line, at: '' }, { room, user: 'Ben', text: 'hi', at: '' })
      assert.ok(Math.abs(Date.now() - new Date(line.at)) < 60_000, line.at)
    }
    assert.deepEqual(await ben.ask('say', 'cellar', 'hi'), { error: { code: 'outside', message: 'You are not in cellar.' } })

    await ben.ask('leave', room)
    await ann.hears('went', room, 'Ben')
    await ann.ask('say', room, 'alone')
    await ann.hears('said')
    await ben.ask('join', room)
    ben.socket.disconnect()
    await ann.heard.counts(2, item => item[0] === 'went' && item[2] === 'Ben')
    assert.deepEqual(ben.heard.items.filter(([name]) => name === 'said').length, 1)
  })

  test('typing, whispers and files', async t => {
    const [ann, ben, room] = await both(t)
    // What is volatile may be lost, so it is said until it is heard.
    const again = setInterval(() => ben.socket.emit('typing', room), 100)
    await ann.hears('typing', room, 'Ben').finally(() => clearInterval(again))

    ben.socket.emit('whisper', 'nobody', 'psst')
    ben.socket.emit('whisper', ann.socket.id, 'psst')
    await ann.hears('whispered', ben.socket.id, 'Ben', 'psst')

    const bytes = Buffer.from([0, 1, 254, 255])
    assert.equal(await ben.ask('upload', room, { name: 'dots.png', bytes }), 4)
    const [, user, file] = await ann.hears('file', room)
    assert.deepEqual([user, file.name, Buffer.compare(file.bytes, bytes)], ['Ben', 'dots.png', 0])
    assert.ok(!ben.heard.items.some(([name]) => ['typing', 'whispered', 'file'].includes(name)), 'Ben hears himself')
  })

  test('a vote', async t => {
    const [ann, ben, room] = await both(t)
    ben.socket.once('question', (question, answer) => answer(`${question} Yes.`))
    assert.deepEqual(await ann.ask('vote', room, 'Tea?'), { answers: ['Tea? Yes.'], all: true })

    const dan = await enter(t, server(), transports, "ben's token")
    await dan.ask('join', room)
    dan.socket.on('question', (question, answer) => answer('No.'))
    assert.deepEqual(await ann.ask('vote', room, 'Tea?'), { answers: ['No.'], all: false }, 'Ben does not answer in time')
    assert.deepEqual(await ann.ask('vote', 'an empty room', 'Tea?'), { answers: [], all: true })
  })

  test('what is for admins', async t => {
    const ben = await enter(t, server(), transports, "ben's token")
    const refused = open(t, server(), transports, "ben's token", '/admin')
    const error = once(refused.socket, 'connect_error')
    refused.socket.connect()
    assert.equal((await error)[0].message, 'Admins only.')

    const admin = await enter(t, server(), transports, "ann's token", '/admin')
    admin.socket.emit('announce', 'tea at five')
    await ben.hears('announced', 'tea at five')
    assert.ok(await admin.ask('count') >= 1)
    const kicked = once(ben.socket, 'disconnect')
    await admin.ask('kick', ben.socket.id)
    assert.equal((await kicked)[0], 'io server disconnect')
  })

  test('who may enter', async t => {
    const nobody = open(t, server(), transports, 'no token')
    const error = once(nobody.socket, 'connect_error')
    nobody.socket.connect()
    const [err] = await error
    assert.deepEqual([err.message, err.data], ['Who are you?', { token: 'unknown' }])
  })

  test('a connection that is lost goes on', async t => {
    const [ann, ben, room] = await both(t)
    await ann.ask('say', room, 'one')
    await ben.hears('said')
    const { id } = ben.socket
    const lost = once(ben.socket, 'disconnect')
    ben.socket.io.engine.close()
    await lost
    await ann.hears('went', room, 'Ben')
    const back = once(ben.socket, 'connect')
    await ann.ask('say', room, 'two')
    await back
    assert.deepEqual([ben.socket.recovered, ben.socket.id], [true, id])
    const lines = await ben.heard.counts(2, ([name]) => name === 'said')
    assert.deepEqual(lines.map(([, line]) => line.text), ['one', 'two'])
    await ann.heard.counts(2, item => item[0] === 'came' && item[2] === 'Ben')
    await ben.ask('say', room, 'three')
    await ann.heard.counts(3, ([name]) => name === 'said')
  })
}
