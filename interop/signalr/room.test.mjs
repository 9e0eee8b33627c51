// SignalR clients of several makers in one room: what one says, all hear, once and in one order.
//
// PARTIES in the environment names those of other languages: "python java".

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'

import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr'

import { root, startTestserver } from '../server.mjs'
import { Inbox, within } from '../wait.mjs'

const each = 300
const patience = 60_000

let server
before(async () => { server = await startTestserver({ args: ['--keepalive', '500ms'] }) })
after(() => server?.stop())

const python = program => ['.tools/python/bin/python', '-B', `interop/python/member_${program}.py`]
const java = ['java', '-cp', 'interop/java/target/classes:interop/java/target/dependency/*', 'parley.Member']

// Who takes part: a program, and how it connects.
const parties = {
  npm: [
    { transport: HttpTransportType.WebSockets },
    { transport: HttpTransportType.ServerSentEvents },
    { transport: HttpTransportType.LongPolling },
  ],
  python: [
    { command: python('signalrcore'), transport: 'websocket', protocol: 'json' },
    { command: python('signalrcore'), transport: 'sse', protocol: 'json' },
    { command: python('signalrcore'), transport: 'polling', protocol: 'json', path: '/signalr/impatient' },
    { command: python('pysignalr'), transport: 'websocket', protocol: 'json' },
  ],
  java: [
    { command: java, transport: 'websocket', protocol: 'json' },
    { command: java, transport: 'polling', protocol: 'json' },
  ],
}

// Each of these joins the room and returns {go, heard, leave}; heard resolves with everyone's texts.

async function join({ transport }, name, all) {
  const connection = new HubConnectionBuilder()
    .withUrl(`${server.url}/signalr`, { transport })
    .configureLogging(LogLevel.None)
    .build()
  const inbox = new Inbox()
  connection.on('shouted', (_, text) => inbox.put(text))
  await connection.start()
  await connection.invoke('join', 'room')
  return {
    name,
    heard: () => inbox.counts(all, undefined, patience),
    go() {
      for (let i = 0; i < each; i++) connection.send('shout', 'room', `${name} ${i}`)
    },
    leave: () => connection.stop(),
  }
}

async function start({ command, transport, protocol, path = '/signalr' }, name, all, t) {
  const args = [...command.slice(1), server.url + path, transport, protocol, name, String(each), String(all)]
  const child = spawn(command[0], args, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const ended = new Promise((resolve, reject) => child.on('error', reject).on('exit', (code, signal) => resolve(code ?? signal)))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async what => {
    const { value, done } = await within(`${what} of ${name}`, lines.next(), patience)
    if (done) throw new Error(`${name} ended with ${await ended}`)
    return value
  }
  assert.equal(await line('connection'), 'ready')
  return {
    name,
    heard: async () => JSON.parse(await line('what was heard')),
    go: () => child.stdin.write('go\n'),
    async leave() {
      child.stdin.end()
      assert.equal(await within(`end of ${name}`, ended), 0, name)
    },
  }
}

test(`${each} messages of each client reach all of them, once and in one order`, { timeout: 3 * patience }, async t => {
  const present = ['npm', ...(process.env.PARTIES ?? '').split(' ').filter(Boolean)].flatMap(party => parties[party])
  const all = present.length * each
  const members = await Promise.all(present.map((one, i) => one.command ? start(one, `m${i}`, all, t) : join(one, `m${i}`, all)))
  for (const member of members) member.go()
  const heard = await Promise.all(members.map(member => member.heard()))
  heard.forEach((texts, i) => {
    assert.equal(texts.length, all)
    for (const { name } of members) {
      const got = texts.filter(text => text.startsWith(`${name} `))
      assert.deepEqual(got, Array.from({ length: each }, (_, k) => `${name} ${k}`), `what m${i} heard of ${name}`)
    }
    assert.deepEqual(texts, heard[0], `m${i} and m0 heard two orders`)
  })
  for (const member of members) await member.leave()
})
