// What classic SignalR's client does in pages of Chromium beyond the scenarios: which transport it takes by itself, pages of
// other origins, pages that are left.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { transports, versions } from '../classic/matrix.mjs'
import { root, startTestserver } from '../server.mjs'
import { launch, open, own } from './chromium.mjs'

const client = versions.at(-1)
const files = ['--files', join(root, 'interop')]
let browser, server
before(async () => { [browser, server] = await Promise.all([launch(), startTestserver({ args: files })]) })
after(() => Promise.all([browser?.close(), server?.stop()]))

/** visit opens a page that has the client, and functions connect(url, transport), call(name, ...args) and heard(event),
    in a browser without some of what browsers have. */
async function visit(t, { at = server, without = [], ...options } = {}) {
  const page = await open(t, browser, `${at.url}/files/classic/blank.html`, options)
  await page.evaluate(without => { for (const name of without) window[name] = undefined }, without)
  for (const path of [`${client.jquery}/dist/jquery.js`, `${client.library}/jquery.signalR.js`]) {
    await page.addScriptTag({ url: `/files/node_modules/${path}` })
  }
  await page.evaluate(() => {
    window.connect = (url, transport = 'auto') => {
      const c = window.connection = $.hubConnection(url, { useDefaultPath: false })
      window.hub = c.createHubProxy('judgeHub')
      const events = window.events = []
      for (const name of ['welcome', 'gone']) hub.on(name, (...args) => events.push([name, ...args]))
      return new Promise((resolve, reject) => c.start({ transport }).done(() => resolve([c.transport.name, c.id])).fail(err => reject(new Error(err.message))))
    }
    window.call = (name, ...args) => new Promise((resolve, reject) => hub.invoke(name, ...args).done(resolve).fail(reject))
  })
  return page
}

const connect = (page, at, transport) => page.evaluate(([url, transport]) => connect(url, transport), [`${at.url}/classic`, transport])
const call = (page, ...args) => page.evaluate(args => call(...args), args)

for (const [without, want] of [[[], 'webSockets'], [['WebSocket'], 'serverSentEvents'], [['WebSocket', 'EventSource'], 'foreverFrame']]) {
  test(`a browser ${without.length ? `without ${without.join(' and ')}` : 'of today'} takes ${want} by itself`, async t => {
    const page = await visit(t, { without })
    assert.equal((await connect(page, server))[0], want)
    assert.equal(await call(page, 'echo', '</script> \u2028 <!--'), '</script> \u2028 <!--')
    await page.evaluate(() => connection.stop())
    assert.equal((await connect(page, server))[0], want)
  })
}

test('where EventSource is, a forever frame is not taken', async t => {
  const page = await visit(t)
  await assert.rejects(connect(page, server, 'foreverFrame'), /No transport could be initialized successfully/)
})

test('a page of another origin connects where it may, by what crosses origins', async t => {
  const home = await own(t, startTestserver({ args: files }))
  const abroad = await own(t, startTestserver({ args: ['--origin', home.url] }))
  for (const transport of transports) {
    const page = await visit(t, { at: home })
    assert.equal((await connect(page, abroad, transport))[0], transport)
    assert.equal(await call(page, 'echo', 'from afar'), 'from afar')
    await page.evaluate(() => connection.stop())
  }
  const old = await visit(t, { at: home, without: ['WebSocket', 'EventSource'] })
  assert.equal((await connect(old, abroad))[0], 'longPolling', 'frames do not cross origins')
  await old.evaluate(() => connection.stop())
})

test('a page of another origin that may not is refused, whatever it tries', async t => {
  const home = await own(t, startTestserver({ args: files }))
  const page = await visit(t, { at: home, mayComplain: true })
  await assert.rejects(connect(page, server), /Error during negotiation request/)
  const token = (await (await fetch(`${server.url}/classic/negotiate?clientProtocol=2.1`)).json()).ConnectionToken
  const ends = await page.evaluate(async ([url, token]) => {
    const query = transport => `?clientProtocol=2.1&transport=${transport}&connectionToken=${encodeURIComponent(token)}`
    const socket = new WebSocket(url.replace('http', 'ws') + '/connect' + query('webSockets'))
    const source = new EventSource(url + '/connect' + query('serverSentEvents'))
    return Promise.all([
      new Promise(resolve => { socket.onopen = () => resolve('open'); socket.onclose = () => resolve('refused') }),
      new Promise(resolve => { source.onopen = () => resolve('open'); source.onerror = () => { source.close(); resolve('refused') } }),
      fetch(url + '/connect' + query('longPolling'), { method: 'POST' }).then(() => 'open', () => 'refused'),
    ])
  }, [`${server.url}/classic`, token])
  assert.deepEqual(ends, ['refused', 'refused', 'refused'])
})

for (const transport of [...transports, 'foreverFrame']) {
  test(`the hub hears at once of a page over ${transport} that goes elsewhere`, async t => {
    const without = transport === 'foreverFrame' ? ['EventSource'] : []
    const stays = await visit(t), goes = await visit(t, { without })
    await connect(stays, server, 'webSockets')
    await call(stays, 'watch')
    const [, id] = await connect(goes, server, transport)
    await goes.goto('about:blank')
    await stays.waitForFunction(id => events.some(([name, who]) => name === 'gone' && who === id), id, { timeout: 10_000 })
  })
}
