// The browser's build of socket.io-client 0.9.17, over all three transports that a browser of today still has.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { root, startTestserver } from '../server.mjs'
import { launch, open } from './chromium.mjs'

const bundle = createRequire(import.meta.url).resolve('socket.io-client-0.9/dist/socket.io.js')

let browser, server
before(async () => {
  [browser, server] = await Promise.all([launch(), startTestserver({ args: ['--files', join(root, 'interop', 'socketio')] })])
})
after(() => Promise.all([browser?.close(), server?.stop()]))

/** visit opens a page of the server's that has the client, and connects. */
async function visit(t, transport) {
  const page = await open(t, browser, `${server.url}/files/page09.html`)
  await page.addScriptTag({ path: bundle })
  await page.evaluate(transport => new Promise((resolve, reject) => {
    io.transports = [transport]
    window.socket = io.connect('', { resource: 'old/socket.io' })
    socket.on('connect', resolve)
    socket.on('error', reject)
    socket.on('connect_failed', reject)
    window.call = (name, ...args) => new Promise(answer => socket.emit(name, ...args, answer))
  }), transport)
  assert.equal(await page.evaluate(() => socket.socket.transport.name), transport)
  return page
}

const words = 'Grüße, 世界 👋 \u2028 "quoted" </script> a:b \r\n \ufffd9\ufffd'

for (const transport of ['websocket', 'xhr-polling', 'jsonp-polling']) {
  test(`send, emit, acks and namespaces in a browser over ${transport}`, async t => {
    const page = await visit(t, transport)
    const back = await page.evaluate(words => new Promise(resolve => {
      socket.on('message', resolve)
      socket.send(words)
    }), words)
    assert.equal(back, words)
    assert.deepEqual(await page.evaluate(words => call('echo', { a: [words, null, 1] }), words), { a: [words, null, 1] })
    assert.equal(await page.evaluate(() => {
      socket.on('confirm', (question, answer) => answer(question === 'Sure?'))
      return call('ask', 'Sure?')
    }), true)
    const sum = await page.evaluate(() => new Promise(resolve => socket.of('/chat').emit('add', 20, 22, resolve)))
    assert.equal(sum, 42)
    const ticks = await page.evaluate(() => new Promise(resolve => {
      const all = []
      socket.on('tick', i => { if (all.push(i) === 200) resolve(all) })
      socket.emit('burst', 200)
    }))
    assert.deepEqual(ticks, Array.from({ length: 200 }, (_, i) => i))
    assert.equal(await page.evaluate(() => new Promise(resolve => {
      socket.on('disconnect', resolve)
      socket.emit('kick', true)
    })), 'booted')
  })
}

test('pages over different transports meet', async t => {
  const pages = []
  for (const transport of ['websocket', 'xhr-polling', 'jsonp-polling']) pages.push(await visit(t, transport))
  const heard = pages.map(page => page.evaluate(() => new Promise(resolve => socket.on('told', (_, text) => resolve(text)))))
  await Promise.all(pages.map(page => page.evaluate(() => call('echo', 1)))) // all are listening by now
  await pages[2].evaluate(() => socket.emit('tell', 'hello'))
  assert.deepEqual(await Promise.all(heard), ['hello', 'hello', 'hello'])
})
