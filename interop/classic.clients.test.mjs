// Other clients of classic SignalR from npm, against a hub. All but the last speak WebSocket only.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, describe, test } from 'node:test'

import { EventSource } from 'eventsource'
import { JSDOM, VirtualConsole } from 'jsdom'
import { Client as NodeSignalR } from 'node-signalr'
import signalRClient from 'signalr-client'

import { Host } from './classic/host.mjs'
import { startTestserver } from './server.mjs'
import { Inbox, resolvers, within } from './wait.mjs'

const require = createRequire(import.meta.url)

const host = new Host()
let server
before(async () => { server = await startTestserver() })
after(() => server?.stop())

/** wireTo is a way to the server that can be cut. */
async function wireTo(t) {
  const { key, url } = await host.wire({ target: server.url })
  t.after(() => host.stop(key))
  return { url, cut: () => host.turn({ key, how: 'cut' }) }
}

/** byNodeSignalR is a started client of node-signalr. */
async function byNodeSignalR(t, { url = server.url + '/classic', hubs = ['judgeHub'], ...options } = {}) {
  const client = Object.assign(new NodeSignalR(url, hubs), { reconnectDelayTime: 50, ...options })
  client.errors = []
  client.connects = new Inbox()
  client.on('error', err => client.errors.push(err.code))
  client.on('connected', () => client.connects.put())
  t.after(() => client.end())
  client.start()
  await client.connects.counts(1)
  client.call = (name, ...args) => client.connection.hub.call('judgeHub', name, ...args)
  client.heard = name => {
    const inbox = new Inbox()
    client.connection.hub.on('judgeHub', name, (...args) => inbox.put(args))
    return inbox
  }
  return client
}

describe('node-signalr', { concurrency: 4 }, () => {
  test('calls, errors, events and groups', { timeout: 60_000 }, async t => {
    const [ann, ben] = await Promise.all([byNodeSignalR(t), byNodeSignalR(t)])
    const heard = ben.heard('shouted')
    assert.deepEqual(await Promise.all([ann.call('echo', { a: [1] }), ann.call('add', 20, 22)]), [{ a: [1] }, 42])
    await assert.rejects(ann.call('fail', 'No luck.'), err => err === 'No luck.')
    await ben.call('join', 'node-signalr')
    for (let i = 0; i < 20; i++) ann.connection.hub.invoke('judgeHub', 'shout', 'node-signalr', String(i))
    await heard.counts(20)
    assert.deepEqual(heard.items.map(([, text]) => text), Array.from({ length: 20 }, (_, i) => String(i)))
    assert.equal((await ann.call('describe').then(JSON.parse)).id, ann.connection.id)
    assert.deepEqual([ann.errors, ben.errors], [[], []])
  })

  test('it comes back after a cut, as who it was', { timeout: 60_000 }, async t => {
    const wire = await wireTo(t)
    const ann = await byNodeSignalR(t, { url: wire.url + '/classic' })
    const heard = ann.heard('shouted')
    await ann.call('join', 'cut')
    const { id } = ann.connection
    await wire.cut()
    await ann.connects.counts(2)
    assert.equal((await ann.call('describe').then(JSON.parse)).id, id)
    await ann.call('shout', 'cut', 'back')
    await heard.counts(1)
  })

  test('the hub learns that it has ended', { timeout: 60_000 }, async t => {
    const [ann, ben] = await Promise.all([byNodeSignalR(t), byNodeSignalR(t)])
    const gone = ann.heard('gone')
    await ann.call('watch')
    ben.end()
    await gone.has('end', ([id]) => id === ben.connection.id, 20_000)
  })

  test('who is not let in learns it', { timeout: 60_000 }, async t => {
    const client = new NodeSignalR(server.url + '/classic/guarded', ['judgeHub'])
    const refused = resolvers()
    client.on('error', refused.resolve)
    t.after(() => client.end())
    client.start()
    assert.equal((await within('refusal', refused.promise)).code, 'UNAUTHORIZED')
  })
})

/** bySignalRClient is a started client of signalr-client. */
async function bySignalRClient(t, { url = server.url + '/classic', waits = true } = {}) {
  const client = new signalRClient.client(url, ['judgeHub'], 1, true)
  const connected = resolvers()
  client.errors = []
  const bound = waits ? 'connected' : 'bound'
  client.serviceHandlers = {
    [bound]: connected.resolve, onerror: (...said) => client.errors.push(said), disconnected: () => {}, connectionLost: () => {}, reconnecting: () => false,
    reconnected: () => client.again?.(),
  }
  t.after(() => client.end())
  client.start()
  await within('start', connected.promise)
  client.ask = (name, ...args) => within(`result of ${name}`, new Promise((resolve, reject) => {
    client.call('judgeHub', name, ...args).done((err, result) => err ? reject(err) : resolve(result))
  }))
  client.heard = name => {
    const inbox = new Inbox()
    client.on('judgeHub', name, (...args) => inbox.put(args))
    return inbox
  }
  return client
}

describe('signalr-client', { concurrency: 4 }, () => {
  for (const waits of [true, false]) {
    test(`calls, errors, events and groups${waits ? '' : ', of one that asks for no start'}`, { timeout: 60_000 }, async t => {
      const ann = await bySignalRClient(t, { waits })
      const heard = ann.heard('shouted')
      const room = `signalr-client ${waits}`
      assert.equal(await ann.ask('add', 20, 22), 42)
      await assert.rejects(ann.ask('fail', 'No luck.'), err => err === 'No luck.')
      await ann.ask('join', room)
      for (let i = 0; i < 20; i++) ann.invoke('judgeHub', 'shout', room, String(i))
      await heard.counts(20)
      assert.deepEqual(heard.items.map(([, text]) => text), Array.from({ length: 20 }, (_, i) => String(i)))
      assert.deepEqual(ann.errors, [])
    })
  }

  test('it comes back after a cut, as who it was', { timeout: 60_000 }, async t => {
    const wire = await wireTo(t)
    const ann = await bySignalRClient(t, { url: wire.url + '/classic' })
    const heard = ann.heard('shouted')
    await ann.ask('join', 'signalr-client cut')
    const again = new Promise(resolve => { ann.again = resolve })
    await wire.cut()
    await within('return', again)
    const other = await bySignalRClient(t)
    await other.ask('shout', 'signalr-client cut', 'back')
    await heard.counts(1)
  })

  test('the hub learns that it has ended', { timeout: 60_000 }, async t => {
    const [ann, ben] = await Promise.all([bySignalRClient(t), bySignalRClient(t)])
    const gone = ann.heard('gone')
    await ann.ask('watch')
    const { id } = ben.connection
    ben.end()
    await gone.has('end', ([who]) => who === id, 20_000)
  })
})

describe('signalr-no-jquery', () => {
  let window, hubConnection
  const complaints = []
  before(async () => {
    const virtualConsole = new VirtualConsole()
    virtualConsole.on('jsdomError', err => complaints.push(err))
    window = new JSDOM('<!doctype html>', { url: server.url + '/', virtualConsole }).window
    await within('load', new Promise(resolve => { window.onload = resolve }))
    window.EventSource = EventSource
    globalThis.window = window // it reads the global one as it is loaded
    hubConnection = require('signalr-no-jquery').hubConnection
  })
  after(() => {
    delete globalThis.window
    window.close()
  })

  for (const transport of ['webSockets', 'serverSentEvents', 'longPolling']) {
    test(`calls, errors and events over ${transport}`, { timeout: 60_000 }, async t => {
      const connection = hubConnection(server.url + '/classic', { useDefaultPath: false })
      const hub = connection.createHubProxy('judgeHub')
      const heard = new Inbox()
      const errors = []
      hub.on('heard', text => heard.put(text))
      connection.error(err => errors.push(String(err)))
      t.after(() => connection.stop())
      await within('start', new Promise((resolve, reject) => connection.start({ transport }).done(resolve).fail(reject)))
      assert.equal(connection.transport.name, transport)
      const call = (...args) => within('answer', new Promise((resolve, reject) => hub.invoke(...args).done(resolve).fail(reject)))
      assert.equal(await call('add', 20, 22), 42)
      await assert.rejects(call('fail', 'No luck.'), /No luck\./)
      await call('toOne', connection.id, 'hello')
      await heard.counts(1)
      assert.deepEqual([errors, complaints], [[], []])
    })
  }
})
