// The unmodified socket.io-client in Chromium, over WebTransport.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { root, startWebtransport } from '../server.mjs'
import { launch, patience } from './chromium.mjs'

let browser, server
before(async () => {
  server = await startWebtransport({ args: ['--files', join(root, 'interop/node_modules/socket.io-client/dist')] })
  browser = await launch({ quic: true })
})
after(() => Promise.all([browser?.close(), server?.stop()]))

/**
 * connect opens a page with one socket, window.socket, that is connected. The transport trusts the server by the
 * hash of its certificate, as browsers have it for certificates of at most two weeks.
 */
async function connect(t, transports, at = server) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true }) // for the page and its polls
  context.setDefaultTimeout(patience)
  t.after(() => context.close())
  const page = await context.newPage()
  const errors = []
  page.on('pageerror', err => {
    // The client leaves the end of its stream to nobody: an error of the browser's, mostly without a stack.
    if (err.stack && !/WebTransport/.test(`${err.name} ${err.stack}`)) errors.push(`${err.name} ${err.message} ${err.stack}`)
  })
  t.after(() => assert.deepEqual(errors, []))
  await page.goto(`${at.url}/`)
  await page.addScriptTag({ url: '/files/socket.io.js' })
  await page.evaluate(([transports, url, hash]) => {
    const value = Uint8Array.from(atob(hash), c => c.charCodeAt(0))
    window.socket = io(url, {
      transports, reconnectionDelay: 50, reconnectionDelayMax: 200,
      transportOptions: { webtransport: { serverCertificateHashes: [{ algorithm: 'sha-256', value }] } },
    })
    window.ask = (...args) => socket.timeout(45_000).emitWithAck(...args)
    window.told = name => new Promise(resolve => socket.once(name, (...args) => resolve(args)))
    return new Promise((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('connect_error', reject)
    })
  }, [transports, at.url, at.certificate])
  return page
}

const ways = { 'from the start': ['webtransport'], 'after polls': ['polling', 'webtransport'], 'before a WebSocket': ['polling', 'websocket', 'webtransport'] }

for (const [how, transports] of Object.entries(ways)) {
  test(`events, acknowledgements and bytes over WebTransport ${how}`, async t => {
    const page = await connect(t, transports)
    await page.waitForFunction(() => socket.io.engine.transport.name === 'webtransport')
    assert.equal(await page.evaluate(() => ask('echo', 'x').then(() => ask('transport'))), 'webtransport')
    const values = [null, true, -1.5, '', 'Grüße, 世界 👋', '\u2028\u001e<&>"\\', [], { a: { b: [1, null] } }]
    for (const value of values) assert.deepEqual(await page.evaluate(v => ask('echo', v), value), value)
    for (const n of [10, 125, 126, 127, 65_535, 65_536, 900_000]) {
      assert.equal(await page.evaluate(n => ask('echo', 'x'.repeat(n)).then(s => s.length), n), n)
    }
    const bytes = await page.evaluate(async () => {
      const sent = { small: new Uint8Array([0, 1, 254, 255]), big: new Uint8Array(300_000).map((_, i) => i % 251) }
      const back = told('again')
      socket.emit('again', sent, 'text')
      const got = [await ask('echo', sent), (await back)[0]]
      return got.map(o => Object.fromEntries(Object.entries(o).map(([k, v]) =>
        [k, v instanceof ArrayBuffer && new Uint8Array(v).every((b, i) => b === sent[k][i]) && v.byteLength])))
    })
    assert.deepEqual(bytes, [{ small: 4, big: 300_000 }, { small: 4, big: 300_000 }])
    const order = await page.evaluate(async () => {
      const got = []
      socket.on('again', i => got.push(i))
      for (let i = 0; i < 500; i++) socket.emit('again', i)
      await ask('echo')
      return got
    })
    assert.deepEqual(order, Array.from({ length: 500 }, (_, i) => i))
  })
}

test('pings keep it alive', async t => {
  const page = await connect(t, ['webtransport'])
  const pings = await page.evaluate(() => new Promise(resolve => {
    let n = 0
    socket.io.on('ping', () => { if (++n === 4) resolve(n) })
  }))
  assert.equal(pings, 4)
  assert.equal(await page.evaluate(() => socket.connected), true)
})

test('each side can say goodbye', async t => {
  const page = await connect(t, ['webtransport'])
  const reason = await page.evaluate(async () => {
    const gone = told('disconnect')
    socket.emit('leave')
    return (await gone)[0]
  })
  assert.equal(reason, 'io server disconnect')

  const witness = await connect(t, ['webtransport'])
  const other = await connect(t, ['webtransport'])
  // Of a page that has gone, Chromium does not always tell; then it is the heartbeat that notices.
  await witness.waitForFunction(() => ask('count').then(n => n === 2))
  await other.evaluate(() => socket.close())
  await witness.waitForFunction(() => ask('count').then(n => n === 1))
  const closed = await connect(t, ['webtransport'])
  await closed.close() // the page, without a word
  await witness.waitForFunction(() => ask('count').then(n => n === 1))
})

test('it comes back when the server has been killed', async t => {
  const args = ['--files', join(root, 'interop/node_modules/socket.io-client/dist')]
  let mortal = await startWebtransport({ args })
  t.after(() => mortal.stop())
  const page = await connect(t, ['webtransport'], mortal)
  await page.evaluate(() => { window.gone = told('disconnect') })
  await mortal.kill()
  assert.match((await page.evaluate(() => gone))[0], /^(transport (close|error)|ping timeout)$/)

  mortal = await startWebtransport({ args, listen: mortal.host }) // with another certificate
  await page.evaluate(hash => {
    const value = Uint8Array.from(atob(hash), c => c.charCodeAt(0))
    socket.io.opts.transportOptions.webtransport.serverCertificateHashes = [{ algorithm: 'sha-256', value }]
    return socket.connected || new Promise(resolve => socket.once('connect', resolve))
  }, mortal.certificate)
  assert.equal(await page.evaluate(() => ask('transport')), 'webtransport')
})
