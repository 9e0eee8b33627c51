// Unmodified clients of every kind, each as a member of a room of the demo's chat.
//
// Each join resolves, once the room has the client, with a member: {name, said, say, close}. said collects [from, text]; say sends
// one line, and resolves when another may follow without overtaking it.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr'
import { io } from 'socket.io-client'
import io2 from 'socket.io-client-2'

import { openPage } from './classic/page.mjs'
import { promised } from './classic/world.mjs'
import { Hixie76 } from './hixie76.mjs'
import { plainEvents, plainSocket } from './plain.mjs'
import { Inbox, once, within } from './wait.mjs'

const io09 = createRequire(import.meta.url)('socket.io-client-0.9')

const plainly = (at, name, room) => `${at.url}/hub/plain?${new URLSearchParams({ name, room })}`

/** sayings passes on what the plain protocol says was said. */
function sayings(said, message) {
  if (message.type === 'event' && message.name === 'said') said.put(message.args)
}

export async function joinByWebSocket(at, name, room, { WebSocket } = {}) {
  const client = await plainSocket(plainly(at, name, room), WebSocket)
  const said = new Inbox()
  client.ws.on('message', data => {
    const message = JSON.parse(data)
    sayings(said, message)
    if (message.type === 'ping') client.send({ ...message, type: 'pong' }) // a WebSocket of draft 76 has no pings
  })
  await client.call('who', room)
  return { name, said, say: text => client.send({ name: 'say', args: [room, text] }), close: () => client.close() }
}

export async function joinByEventSource(at, name, room) {
  const client = await plainEvents(plainly(at, name, room))
  const said = new Inbox()
  client.source.addEventListener('message', e => sayings(said, JSON.parse(e.data)))
  return {
    name, said,
    async say(text) {
      const answer = await client.post({ name: 'say', args: [room, text] })
      assert.equal(answer.status, 202, await answer.text())
    },
    close: () => client.close(),
  }
}

/** joinByCurl has one curl listen, which streams, and one more for each list of lines, which posts them one after the other. */
export async function joinByCurl(at, name, room) {
  const listener = spawn('curl', ['--silent', '--show-error', '--no-buffer', plainly(at, name, room)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said, opened] = [new Inbox(), new Inbox()]
  createInterface({ input: listener.stdout }).on('line', line => {
    if (!line.startsWith('data: ')) return
    const message = JSON.parse(line.slice('data: '.length))
    if (message.type === 'open') opened.put(message)
    sayings(said, message)
  })
  const ended = new Promise((resolve, reject) => listener.on('error', reject).on('exit', resolve))
  const [{ session }] = await Promise.race([opened.counts(1), ended.then(code => { throw new Error(`curl ended with ${code}`) })])
  const url = `${at.url}/hub/plain?${new URLSearchParams({ session })}`
  const sayAll = texts => post(url, texts.map(text => ({ name: 'say', args: [room, text] })))
  return {
    name, said, sayAll,
    say: text => sayAll([text]),
    async close() {
      listener.kill()
      await ended
    },
  }
}

/** post has one curl post messages, one by one. */
async function post(url, messages) {
  const curl = spawn('curl', ['--config', '-'], { stdio: ['pipe', 'pipe', 'inherit'] })
  curl.stdin.end(messages.map(message => [
    'silent', 'show-error', `url = ${JSON.stringify(url)}`, `data = ${JSON.stringify(JSON.stringify(message))}`, 'write-out = "%{http_code}\\n"',
  ].join('\n')).join('\nnext\n'))
  const answers = new Inbox()
  createInterface({ input: curl.stdout }).on('line', line => answers.put(line))
  const code = await within('end of curl', new Promise((resolve, reject) => curl.on('error', reject).on('close', resolve)), 120_000)
  assert.equal(code, 0, 'how curl has ended')
  assert.deepEqual(answers.items, messages.map(() => '202'), 'the answers to curl')
}

export async function joinBySocketIO(at, name, room, { library = io, transports = ['polling', 'websocket'] } = {}) {
  const socket = library(at.url, { forceNew: true, transports, query: { name, room } })
  const said = new Inbox()
  socket.on('said', (...args) => said.put(args))
  await once(socket, 'connect')
  await answer(socket, 'who', room)
  return { name, said, say: text => { socket.emit('say', room, text) }, close: () => socket.close() }
}

/** joinBySocketIO2 is the client of 2.x. */
export const joinBySocketIO2 = (at, name, room, options) => joinBySocketIO(at, name, room, { library: io2, ...options })

/** joinBySocketIO09 is the client of 2014. */
export async function joinBySocketIO09(at, name, room, { transport = 'websocket' } = {}) {
  io09.transports = [transport] // the client knows no other way to choose
  const socket = io09.connect(at.url, { query: new URLSearchParams({ name, room }).toString(), 'force new connection': true })
  const said = new Inbox()
  socket.on('said', (...args) => said.put(args))
  await once(socket, 'connect')
  await answer(socket, 'who', room)
  return {
    name, said,
    say: text => { socket.emit('say', room, text) },
    close() {
      const client = socket.socket
      client.disconnect()
      for (const timer of ['heartbeatTimeoutTimer', 'reconnectionTimer', 'connectTimeoutTimer']) clearTimeout(client[timer]) // which it forgets
      client.transport?.clearTimeouts()
    },
  }
}

const answer = (socket, name, ...args) => within(`answer to ${name}`, new Promise(resolve => socket.emit(name, ...args, resolve)))

/** joinBySignalR is the client of ASP.NET Core. What it sends over HTTP does not overtake itself if it waits for each answer. */
export async function joinBySignalR(at, name, room, { transport = 'WebSockets' } = {}) {
  const connection = new HubConnectionBuilder()
    .withUrl(`${at.url}/hub/signalr?${new URLSearchParams({ name, room })}`, { transport: HttpTransportType[transport] })
    .configureLogging(LogLevel.Error)
    .build()
  const said = new Inbox()
  connection.on('said', (...args) => said.put(args))
  connection.on('joined', () => {})
  connection.on('left', () => {})
  await within('start', connection.start())
  await connection.invoke('who', room)
  return { name, said, say: text => connection.send('say', room, text), close: () => connection.stop() }
}

/** joinByClassic is the client of ASP.NET's days, on a page in jsdom. */
export async function joinByClassic(at, name, room, { transport = 'webSockets' } = {}) {
  const page = await openPage(at.url + '/', { library: 'signalr-2.4.3', jquery: 'jquery' })
  const connection = page.$.hubConnection(at.url + '/signalr', { useDefaultPath: false, qs: { name, room } })
  const hub = connection.createHubProxy('chat')
  const said = new Inbox()
  hub.on('said', (...args) => said.put(args))
  await within('start', promised(connection.start({ transport })))
  await within('answer to who', promised(hub.invoke('who', room)))
  return {
    name, said,
    say: text => promised(hub.invoke('say', room, text)),
    async close() {
      const { fetch } = page.window
      const goodbye = new Promise(resolve => { page.window.fetch = (...args) => fetch(...args).finally(resolve) })
      connection.stop()
      await within('goodbye', goodbye)
      page.close()
    },
  }
}

/** everyKind are guests for meet. */
export const everyKind = [
  ['WebSocket', joinByWebSocket],
  ['WebSocket of draft 76', joinByWebSocket, { WebSocket: Hixie76 }],
  ['EventSource', joinByEventSource],
  ['curl', joinByCurl],
  ['Socket.IO 4.8', joinBySocketIO],
  ['Socket.IO 4.8 polling', joinBySocketIO, { transports: ['polling'] }],
  ['Socket.IO 2.5', joinBySocketIO2],
  ['Socket.IO 2.5 polling', joinBySocketIO2, { transports: ['polling'] }],
  ['Socket.IO 0.9', joinBySocketIO09],
  ['Core WebSockets', joinBySignalR],
  ['Core ServerSentEvents', joinBySignalR, { transport: 'ServerSentEvents' }],
  ['Core LongPolling', joinBySignalR, { transport: 'LongPolling' }],
  ['classic webSockets', joinByClassic],
  ['classic serverSentEvents', joinByClassic, { transport: 'serverSentEvents' }],
  ['classic longPolling', joinByClassic, { transport: 'longPolling' }],
]

/** meet has guests, [name, join, options] of each, join a room, which they leave when the test ends. */
export async function meet(t, at, room, guests) {
  const members = []
  t.after(() => Promise.all(members.map(member => member.close())))
  await Promise.all(guests.map(async ([name, join, options]) => { members.push(await join(at, name, room, options)) }))
  return guests.map(([name]) => members.find(member => member.name === name))
}

/** speak has a member say n lines, each with its number. */
export async function speak(member, n) {
  const lines = Array.from({ length: n }, (_, i) => line(member, i))
  if (member.sayAll) return member.sayAll(lines)
  for (const text of lines) await member.say(text)
}

const line = (member, i) => `${member.name} ${i}`

/** heardAll resolves when each of members has heard n lines of each speaker, all of them in one order, and fails if one did not. */
export async function heardAll(members, speakers, n, patience = 120_000) {
  for (const member of members) {
    const heard = await member.said.counts(speakers.length * n, undefined, patience).catch(err => { throw new Error(`${member.name}: ${err.message}`) })
    for (const from of speakers) {
      const got = heard.filter(([name]) => name === from.name).map(([, text]) => text)
      assert.deepEqual(got, Array.from({ length: n }, (_, i) => line(from, i)), `what ${member.name} heard of ${from.name}`)
    }
    assert.equal(heard.length, speakers.length * n, `${member.name} heard more than was said`)
    assert.deepEqual(heard, members[0].said.items, `${member.name} and ${members[0].name} heard two orders`)
  }
}
