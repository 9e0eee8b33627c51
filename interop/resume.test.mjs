// Stateful reconnect: the unmodified @microsoft/signalr client behind a proxy that cuts its connections.
//
// SEED=2 MESSAGES=1000 node --test resume.test.mjs

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import * as signalR from '@microsoft/signalr'
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack'

import { Cutter } from './cut.mjs'
import { startTestserver } from './server.mjs'
import { Inbox, within } from './wait.mjs'

const messages = Number(process.env.MESSAGES ?? 10_000)
const seed = Number(process.env.SEED ?? 1)

let server
before(async () => { server = await startTestserver() })
after(() => server?.stop())

/** Line is a client that came through a proxy of its own. */
class Line {
  closed = new Inbox() // why it was lost, as far as the client has noticed
  drops = []
  dropped = new Inbox()

  constructor(options) {
    this.cutter = new Cutter(options)
  }

  async open(path = '/signalr/stateful', { protocol, bufferSize, reconnect = true } = {}) {
    await this.cutter.start(server.port)
    const builder = new signalR.HubConnectionBuilder()
      .withUrl(this.cutter.url + path, { transport: signalR.HttpTransportType.WebSockets }) // the client takes others for stateful, too, and falls silent
      .withStatefulReconnect({ bufferSize: bufferSize ?? 100_000 })
      .configureLogging(signalR.LogLevel.None)
    if (reconnect) builder.withAutomaticReconnect([0, 0, 0])
    if (protocol) builder.withHubProtocol(protocol)
    const c = this.connection = builder.build()
    c.onreconnecting(err => this.closed.put(err))
    c.onclose(err => this.closed.put(err))
    this.again = new Promise(resolve => c.onreconnected(resolve))
    c.on('welcome', () => {})
    c.on('drop', n => {
      this.drops.push(n)
      this.dropped.put(n)
    })
    await within('start', c.start())
    this.id = c.connectionId
    return c
  }

  /** wantUnnoticed wants the client to be the same as ever after some cuts. */
  wantUnnoticed(cuts) {
    assert.deepEqual(this.closed.items, [], 'the client has noticed')
    assert.equal(this.connection.connectionId, this.id)
    assert.ok(this.cutter.cuts >= cuts, `${this.cutter.cuts} cuts prove nothing`)
  }

  async close() {
    this.cutter.cutting = false
    await this.connection?.stop()
    await this.cutter.stop()
  }
}

async function withLine(options, body) {
  const line = new Line(options)
  try {
    await body(line)
  } finally {
    await line.close()
  }
}

/** direct is a client without a proxy. */
async function direct() {
  const c = new signalR.HubConnectionBuilder().withUrl(server.url + '/signalr').configureLogging(signalR.LogLevel.None).build()
  c.on('welcome', () => {})
  await within('start', c.start())
  return c
}

/** rain lets such a client send n numbers to a group. */
async function rain(group, n, padding = '') {
  const c = await direct()
  await within('end of the rain', c.invoke('rain', group, n, padding), 120_000)
  await c.stop()
}

/** forgotten resolves when the hub has given up a client. */
async function forgotten(id) {
  const c = await direct()
  const gone = async () => { while (await c.invoke('there', id)) await new Promise(resolve => setTimeout(resolve, 50)) }
  await within('end of the session', gone())
  await c.stop()
}

/** wantInOrder wants the numbers from 1 to n, each once. */
function wantInOrder(got, n) {
  const i = got.findIndex((number, i) => number !== i + 1)
  assert.equal(i, -1, `${got[i]} came after ${got[i - 1]}`)
  assert.equal(got.length, n)
}

describe('stateful reconnect', { concurrency: 2 }, () => {
  for (const [name, protocol] of [['json', undefined], ['messagepack', new MessagePackHubProtocol()]]) {
    test(`${messages} numbers each way, cut at random, ${name}`, { timeout: 180_000 }, () => withLine({ seed }, async line => {
      const c = await line.open('/signalr/stateful', { protocol })
      const group = `rain ${name}`
      await c.invoke('join', group)
      line.cutter.cutting = true
      const raining = rain(group, messages)
      let n = 0
      while (n < messages || line.cutter.cuts < messages / 1000) { // a fast machine has sent them all before many cuts
        await c.send('number', ++n)
        if (n % 200 === 0) assert.equal(await within(`answer ${n}`, c.invoke('add', n, 1), 30_000), n + 1)
      }
      await raining
      await line.dropped.counts(messages, () => true, 60_000)
      line.cutter.cutting = false
      assert.deepEqual(await c.invoke('numbers'), { last: n, wrong: '' })
      wantInOrder(line.drops, messages)
      line.wantUnnoticed(messages / 1000)
    }))
  }

  test('streams go on', { timeout: 60_000 }, () => withLine({ seed }, async line => {
    const c = await line.open()
    line.cutter.cutting = true
    for (let round = 0; round < 10 || line.cutter.cuts < 3; round++) {
      const items = []
      await within(`end of stream ${round}`, new Promise((complete, error) => {
        c.stream('count', 500).subscribe({ next: n => items.push(n), complete, error })
      }), 30_000)
      wantInOrder(items, 500)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    line.wantUnnoticed(3)
  }))

  test('what is sent to a client that is away waits for it', { timeout: 60_000 }, () => withLine({ seed }, async line => {
    const c = await line.open()
    await c.invoke('join', 'away')
    line.cutter.hold()
    line.cutter.cutAll()
    await rain('away', 100)
    line.cutter.release()
    await line.dropped.counts(100)
    wantInOrder(line.drops, 100)
    line.wantUnnoticed(1)
  }))

  test('a client that is away for too long comes back as another one', { timeout: 120_000 }, () => withLine({ seed }, async line => {
    await line.open('/signalr/stateful/brief')
    line.cutter.hold()
    line.cutter.cutAll()
    await forgotten(line.id)
    line.cutter.release()
    await line.closed.counts(1)
    await within('another connection', line.again)
    assert.notEqual(line.connection.connectionId, line.id)
    assert.equal(await line.connection.invoke('add', 1, 2), 3)
  }))

  test('a client whose messages pass all limits is told', { timeout: 120_000 }, () => withLine({ seed }, async line => {
    const c = await line.open('/signalr/stateful/brief', { reconnect: false })
    await c.invoke('join', 'flood')
    line.cutter.deaf = true // its Acks come to nothing
    await rain('flood', 400, 'x'.repeat(10_000))
    const [err] = await line.closed.counts(1)
    assert.match(String(err), /Server returned an error on close: Connection closed with an error/)
    wantInOrder(line.drops, line.drops.length)
    assert.ok(line.drops.length < 400)
  }))
})
