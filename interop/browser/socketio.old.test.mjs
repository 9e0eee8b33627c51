// The browser's builds of socket.io-client 1 and 2 in Chromium, by every transport they know: what they send is heard by
// today's client in the same room, and the other way round.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, describe, test } from 'node:test'

import { io } from 'socket.io-client'

import { startTestserver } from '../server.mjs'
import { once } from '../wait.mjs'
import { launch } from './chromium.mjs'

const path = '/judge/jsonp/'
const ways = {
  'scripts': { transports: ['polling'], forceJSONP: true },
  'polling': { transports: ['polling'] },
  'polling, in base64': { transports: ['polling'], forceBase64: true },
  'upgrade': { transports: ['polling', 'websocket'] },
  'websocket': { transports: ['websocket'] },
  'websocket, in base64': { transports: ['websocket'], forceBase64: true },
}
const words = 'Grüße, 世界 👋 \u2028 "quoted" \\n \\\\n </script> \r\n ' + 'é'.repeat(2000)

let browser, server
before(async () => { [browser, server] = await Promise.all([launch(), startTestserver()]) })
after(() => Promise.all([browser?.close(), server?.stop()]))

for (const version of ['1', '2.0', '2']) {
  describe(`socket.io-client-${version}`, { concurrency: 3 }, () => {
    for (const [way, options] of Object.entries(ways)) {
      test(`text and bytes over ${way}`, async t => {
        const today = io(server.url, { path, transports: ['websocket'], forceNew: true }) // hears this room alone
        t.after(() => today.disconnect())
        await once(today, 'connect')
        const page = await browser.newPage()
        t.after(() => page.close())
        const wrong = []
        page.on('pageerror', err => wrong.push(err.stack))
        await page.goto(`${server.url}/healthz`)
        await page.addScriptTag({ path: createRequire(import.meta.url).resolve(`socket.io-client-${version}/dist/socket.io.js`) })
        await page.evaluate(([path, options]) => new Promise((resolve, reject) => {
          window.socket = io('', { path, reconnection: false, ...options })
          window.call = (...args) => new Promise(answer => socket.emit(...args, answer))
          socket.on('connect', resolve)
          socket.on('connect_error', reject)
        }), [path, options])

        const room = `${version} ${way}`
        await today.emitWithAck('join', room)
        const heard = once(today, 'said')
        await page.evaluate(([room, words]) => call('say', room, words), [room, words]) // before anything tells how the client writes
        assert.deepEqual(await heard, [words])

        await page.evaluate(room => {
          window.told = new Promise(resolve => socket.on('said', (text, bytes) => resolve([text, [...new Uint8Array(bytes)]])))
          return call('join', room)
        }, room)
        await today.emitWithAck('say', room, words, Buffer.from([1, 2, 255, 0]))
        assert.deepEqual(await page.evaluate(() => told), [words, [1, 2, 255, 0]])

        const back = await page.evaluate(async words => {
          const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i & 255)
          const got = await call('echo', { list: [words, bytes.buffer] })
          return [got.list[0], String(new Uint8Array(got.list[1])) === String(bytes)]
        }, words)
        assert.deepEqual(back, [words, true])
        assert.equal(await page.evaluate(() => socket.io.engine.transport.name), options.transports.at(-1))
        assert.deepEqual(wrong, [])
      })
    }
  })
}
