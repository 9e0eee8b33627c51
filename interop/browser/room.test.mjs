// A page with a forever frame, which only a browser has, in one room with a client of every protocol.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { everyKind, heardAll, meet, speak } from '../party.mjs'
import { startDemo } from '../server.mjs'
import { Inbox } from '../wait.mjs'
import { launch, open } from './chromium.mjs'

let demo, browser
before(async () => { [demo, browser] = await Promise.all([startDemo(), launch()]) })
after(() => Promise.all([demo?.stop(), browser?.close()]))

async function joinByForeverFrame(t, name, room) {
  const page = await open(t, browser, demo.url + '/')
  const said = new Inbox()
  await page.exposeFunction('heard', (from, text) => said.put([from, text]))
  await page.evaluate(() => { window.EventSource = undefined }) // for which the client would refuse
  for (const script of ['jquery', 'jquery.signalR']) await page.addScriptTag({ url: `/npm/${script}.min.js` })
  const used = await page.evaluate(async qs => {
    const connection = $.hubConnection('/signalr', { useDefaultPath: false, qs })
    window.hub = connection.createHubProxy('chat')
    window.hub.on('said', window.heard)
    await connection.start({ transport: 'foreverFrame' })
    await window.hub.invoke('who', qs.room)
    return connection.transport.name
  }, { name, room })
  if (used !== 'foreverFrame') throw new Error(`the page has connected by ${used}`)
  const sayAll = texts => page.evaluate(async ({ room, texts }) => {
    for (const text of texts) await window.hub.invoke('say', room, text)
  }, { room, texts })
  return { name, said, sayAll }
}

// In ../room.test.mjs those of a protocol meet each other, too, over each of their transports.
const protocols = ['WebSocket', 'EventSource', 'Socket.IO 4.8', 'Socket.IO 2.5', 'Socket.IO 0.9', 'Core WebSockets', 'classic webSockets']
const guests = everyKind.filter(([name]) => protocols.includes(name))

test('500 messages from a forever frame and a client of every protocol, all at once, reach each of them', { timeout: 300_000 }, async t => {
  const each = 500
  assert.equal(guests.length, protocols.length)
  const members = [await joinByForeverFrame(t, 'forever frame', 'party'), ...await meet(t, demo, 'party', guests)]
  await Promise.all(members.map(member => speak(member, each)))
  await heardAll(members, members, each)
})
