// The client that a moved hub had: examples/migration, driven by the unmodified @microsoft/signalr in Node.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import * as signalR from '@microsoft/signalr'
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack'

import { startMigration } from './server.mjs'
import { cells } from './signalr/matrix.mjs'
import { Inbox, within } from './wait.mjs'

let server
before(async () => { server = await startMigration() })
after(() => server?.stop())

/** enter comes to a room of the chat, as the client of a hub in C# would. */
async function enter(t, { transport, protocol }, room, token) {
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(`${server.url}?room=${room}`, { transport: signalR.HttpTransportType[transport], accessTokenFactory: () => token })
    .withStatefulReconnect()
    .configureLogging(signalR.LogLevel.None)
  if (protocol === 'messagepack') builder.withHubProtocol(new MessagePackHubProtocol())
  const connection = builder.build()
  const heard = new Inbox()
  for (const name of ['Said', 'Came', 'Went', 'Announced']) connection.on(name, what => heard.put([name, what]))
  connection.on('Confirm', question => { heard.put(['Confirm', question]); return true })
  t.after(() => connection.stop())
  await connection.start()
  return { connection, invoke: (...call) => within(call[0], connection.invoke(...call)), hears: (name, what) =>
    heard.has(`${name} ${what}`, ([n, w]) => n === name && (what === undefined || w === what)) }
}

/** all collects a stream. */
const all = stream => within('end of the stream', new Promise((complete, error) => {
  const items = []
  stream.subscribe({ next: item => items.push(item), complete: () => complete(items), error })
}))

for (const cell of cells()) {
  describe(`${cell.transport}, ${cell.protocol}`, () => {
    // Names are in camel case in JSON, and as declared in MessagePack, as they were in C#.
    const [user, text, sentAt] = cell.protocol === 'json' ? ['user', 'text', 'sentAt'] : ['User', 'Text', 'SentAt']
    const room = `${cell.transport}-${cell.protocol}`

    test('two in a room', async t => {
      const ann = await enter(t, cell, room, "ann's token")
      const ben = await enter(t, cell, room, "ben's token")
      await ann.hears('Came', 'Ben')

      assert.equal(await ben.invoke('say', room, 'hi'), null)
      for (const one of [ann, ben]) {
        const [, line] = await one.hears('Said')
        assert.deepEqual([line[user], line[text]], ['Ben', 'hi'])
        assert.ok(Math.abs(Date.now() - new Date(line[sentAt])) < 60_000, String(line[sentAt]))
      }
      await assert.rejects(ben.invoke('say', room, 'x'.repeat(501)),
        { message: "An unexpected error occurred invoking 'Say' on the server. HubException: That is too long." })

      await ben.connection.stop()
      await ann.hears('Went', 'Ben')
    })

    test('its history', async t => {
      const ann = await enter(t, cell, `${room}-history`, "ann's token")
      const texts = new signalR.Subject()
      const count = ann.invoke('Import', `${room}-history`, texts)
      for (const text of ['once', 'upon', 'a time']) texts.next(text)
      texts.complete()
      assert.equal(await count, 3)
      assert.deepEqual((await all(ann.connection.stream('Replay', `${room}-history`))).map(line => line[text]), ['once', 'upon', 'a time'])

      assert.equal(await ann.invoke('Clear', `${room}-history`), true)
      await ann.hears('Confirm', `Forget all of ${room}-history?`)
      assert.deepEqual(await all(ann.connection.stream('Replay', `${room}-history`)), [])
    })

    test('what is for admins', async t => {
      const ann = await enter(t, cell, room, "ann's token")
      const ben = await enter(t, cell, room, "ben's token")
      await assert.rejects(ben.invoke('announce', 'free tea'), { message: "Failed to invoke 'Announce' because user is unauthorized" })
      await ann.invoke('announce', 'tea at five')
      await ben.hears('Announced', 'tea at five')
    })

    test('who may enter', async t => {
      await assert.rejects(enter(t, cell, room, 'no token'), { message: /Unauthorized: Status code '401'/ })
      await assert.rejects(enter(t, cell, '', "ann's token"), { message: /HubException: Which room\?/ })
    })
  })
}
