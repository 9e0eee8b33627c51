// The unmodified socket.io-client in Chromium, from the bundles that the hub's own endpoint serves.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'

import { io } from 'socket.io-client'

import { startTestserver } from '../server.mjs'
import { Inbox, once } from '../wait.mjs'
import { launch, patience } from './chromium.mjs'

// A page of another origin, which may connect, and one that may not.
const elsewhere = ['friend', 'stranger'].map(() => createServer((_, res) => res.setHeader('Content-Type', 'text/html').end('<!doctype html><title>elsewhere</title>')))
let browser, server, friend, stranger
before(async () => {
  [friend, stranger] = await Promise.all(elsewhere.map(s => new Promise(resolve => s.listen(0, '127.0.0.1', () => resolve(`http://localhost:${s.address().port}`)))))
  ;[browser, server] = await Promise.all([launch(), startTestserver({ args: ['--origin', friend] })])
})
after(() => Promise.all([browser?.close(), server?.stop(), ...elsewhere.map(s => new Promise(resolve => s.close(resolve)))]))

const base = '/judge/socket.io/'

/** page opens a page with a bundle of the server's, as a script that makes io global. */
async function page(t, { bundle = 'socket.io.min.js', at = server.url, blank = `${server.url}/healthz` } = {}) {
  const context = await browser.newContext()
  context.setDefaultTimeout(patience)
  t.after(() => context.close())
  const page = await context.newPage()
  page.wrong = []
  page.on('pageerror', err => page.wrong.push(err.stack))
  await page.goto(blank)
  const url = `${at}${base}${bundle}`
  if (bundle.includes('esm')) await page.addScriptTag({ type: 'module', content: `import { io } from '${url}'; window.io = io` })
  else await page.addScriptTag({ url })
  await page.waitForFunction(() => window.io)
  await page.evaluate(() => {
    window.connect = (url, options) => new Promise((resolve, reject) => {
      window.socket = io(url, { path: '/judge/socket.io/', forceNew: true, reconnection: false, ...options })
      socket.once('connect', () => resolve(socket.id))
      socket.once('connect_error', reject)
    })
    window.ask = (...args) => socket.timeout(45_000).emitWithAck(...args)
    window.told = name => new Promise(resolve => socket.once(name, (...args) => resolve(args)))
  })
  return page
}

const ways = { polling: ['polling'], websocket: ['websocket'], upgrade: ['polling', 'websocket'] }

for (const bundle of ['socket.io.js', 'socket.io.min.js', 'socket.io.esm.min.js', 'socket.io.msgpack.min.js']) {
  describe(bundle, { concurrency: 3 }, () => {
    for (const [way, transports] of Object.entries(ways)) {
      test(`events, acknowledgements, bytes, rooms and refusals over ${way}`, async t => {
        const p = await page(t, { bundle })
        await p.evaluate(transports => connect('', { transports }), transports)
        assert.equal(await p.evaluate(() => ask('add', 20, 22)), 42)
        assert.deepEqual(await p.evaluate(() => ask('echo', { text: 'Grüße, 世界 👋', list: [1, null] })), { text: 'Grüße, 世界 👋', list: [1, null] })
        const packed = bundle.includes('msgpack') // whose parser has words for an ArrayBuffer only
        const back = await p.evaluate(async packed => {
          const buffer = Uint8Array.from({ length: 50_000 }, (_, i) => i & 255).buffer
          const [view, blob] = [new Uint8Array([1, 2, 3]), new Blob(['blob'])]
          const got = await ask('echo', packed ? { buffer, view: view.buffer, blob: await blob.arrayBuffer() } : { buffer, view, blob })
          const same = JSON.stringify([...new Uint8Array(got.buffer)]) === JSON.stringify([...new Uint8Array(buffer)])
          return { buffer: same, view: [...new Uint8Array(got.view)], blob: new TextDecoder().decode(got.blob) }
        }, packed)
        assert.deepEqual(back, { buffer: true, view: [1, 2, 3], blob: 'blob' })
        await p.evaluate(() => ask('join', `room ${socket.id}`))
        const said = p.evaluate(() => told('said'))
        await p.evaluate(() => ask('say', `room ${socket.id}`, 'hello', [true]))
        assert.deepEqual(await said, ['hello', [true]])
        assert.equal(await p.evaluate(() => { socket.on('confirm', (_, answer) => answer(true)); return ask('ask', 'Really?') }), true)
        const last = transports.at(-1)
        await p.waitForFunction(last => socket.io.engine.transport.name === last, last)
        assert.equal(await p.evaluate(() => ask('transport')), last)
        const refusal = await p.evaluate(() => connect('/', { auth: { refuse: 'not today' } }).catch(err => [err.message, err.data.code]))
        assert.deepEqual(refusal, ['not today', 'refused'])
        const side = await p.evaluate(transports => connect('/side', { transports, auth: { n: 7 } }).then(() => ask('auth')), transports)
        assert.deepEqual(side, { n: 7 })
        assert.deepEqual(p.wrong, [])
      })
    }
  })
}

describe('other origins', () => {
  for (const [way, transports] of Object.entries(ways)) {
    test(`one that may connect does, with credentials, over ${way}`, async t => {
      const p = await page(t, { blank: friend })
      await p.evaluate(([url, transports]) => connect(url, { transports, withCredentials: true, path: '/judge/cookie/' }), [server.url, transports])
      const came = await p.evaluate(() => ask('came'))
      assert.equal(came.xdomain, true)
      assert.equal(came.headers.origin, friend)
      assert.deepEqual(await p.evaluate(() => ask('echo', [new Uint8Array([9])]).then(([b]) => [...new Uint8Array(b)])), [9])
      assert.deepEqual(p.wrong, [])
    })

    test(`another is refused over ${way}`, async t => {
      const p = await page(t, { blank: stranger })
      const why = await p.evaluate(([url, transports]) => connect(url, { transports }).catch(err => err.message), [server.url, transports])
      assert.match(why, /xhr poll error|websocket error/)
    })
  }
})

describe('pages that go', () => {
  for (const [way, transports] of Object.entries(ways)) {
    test(`are gone for the hub at once: ${way}`, async t => {
      const watcher = io(server.url, { path: base, transports: ['websocket'], forceNew: true })
      t.after(() => watcher.close())
      const gone = new Inbox()
      watcher.on('gone', (id, why) => gone.put({ id, why }))
      await once(watcher, 'connect')
      await watcher.emitWithAck('join', 'watchers')
      const p = await page(t)
      const id = await p.evaluate(transports => connect('', { transports }), transports)
      await p.waitForFunction(last => socket.io.engine.transport.name === last, transports.at(-1))
      await p.goto(`${server.url}/healthz?left`)
      const { why } = await gone.has('farewell', g => g.id === id, 10_000) // heartbeats would take 20 s
      assert.match(why, /transport close|transport error|client namespace disconnect/)
    })
  }
})
