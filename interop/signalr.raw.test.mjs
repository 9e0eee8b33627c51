// Connections without a hub, by the part of @microsoft/signalr that lies below it.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, describe, test } from 'node:test'

import { HttpTransportType, TransferFormat } from '@microsoft/signalr'

import { startTestserver } from './server.mjs'
import { Inbox, resolvers, within } from './wait.mjs'

const { HttpConnection } = createRequire(import.meta.url)('@microsoft/signalr/dist/cjs/HttpConnection.js')

let server
before(async () => { server = await startTestserver() })
after(() => server?.stop())

/** connect opens a raw connection: what it hears is in .heard, its end in .ended. */
async function connect(t, format, transport) {
  const connection = new HttpConnection(`${server.url}/raw/${format.toLowerCase()}`, { transport: HttpTransportType[transport], logger: { log() {} } })
  const ended = resolvers()
  connection.heard = new Inbox()
  connection.ended = ended.promise
  connection.onreceive = data => connection.heard.put(data)
  connection.onclose = err => ended.resolve(err ?? null)
  t.after(() => connection.stop())
  await within('start', connection.start(TransferFormat[format]))
  return connection
}

/** all joins what has been heard, once it is n long. */
async function all({ heard }, n) {
  const joined = () => heard.items.every(item => typeof item === 'string')
    ? heard.items.join('')
    : Buffer.concat(heard.items.map(item => Buffer.from(item)))
  for (let i = 1; joined().length < n; i++) await heard.counts(i)
  return joined()
}

for (const transport of ['WebSockets', 'ServerSentEvents', 'LongPolling']) {
  describe(`${transport}, text`, () => {
    test('bytes come back, whichever way they are cut', async t => {
      const connection = await connect(t, 'Text', transport)
      const said = ['hi', 'Grüße, 世界 👋', 'two\nlines\n', 'x'.repeat(100_000)]
      for (const text of said) await connection.send(text)
      assert.equal(await all(connection, said.join('').length), said.join(''))
    })

    test('the server ends it', async t => {
      const connection = await connect(t, 'Text', transport)
      await connection.send('end')
      assert.equal(await within('end', connection.ended), null)
    })

    test('the server fails', async t => {
      const connection = await connect(t, 'Text', transport)
      await connection.send('fail')
      const err = await within('end', connection.ended)
      if (transport === 'WebSockets') assert.match(err.message, /WebSocket closed with status code: 1011/)
    })
  })
}

for (const transport of ['WebSockets', 'LongPolling']) {
  test(`${transport}, binary: bytes come back as they went`, async t => {
    const connection = await connect(t, 'Binary', transport)
    const said = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7)
    await connection.send(said.buffer)
    assert.deepEqual(await all(connection, said.length), Buffer.from(said))
  })
}

test('server-sent events carry no bytes', async t => {
  await assert.rejects(connect(t, 'Binary', 'ServerSentEvents'), /does not support Binary|Unable to connect/)
})
