// The chat page: two people, in two browsers, by every pair of clients.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { startDemo } from '../server.mjs'
import { connected, dark, dialects, fitsItsWidth, here, launch, open, phone, picture, said, say, tabTo, transports } from './chromium.mjs'

let browser, demo
before(async () => { [browser, demo] = await Promise.all([launch(), startDemo()]) })
after(() => Promise.all([browser?.close(), demo?.stop()]))

/** enter opens the page, chooses a dialect, a name and a room, and joins. */
async function enter(t, dialect, name, room, { transport, ...options } = {}) {
  const page = await open(t, browser, `${demo.url}/chat/`, options)
  await connected(page)
  await page.getByTestId('name').fill(name)
  await page.getByTestId('room').fill(room)
  await page.getByTestId('join').click()
  await connected(page) // a WebSocket that is given up before it is open complains
  await page.getByTestId(`via-${dialect}`).check()
  if (transport) {
    await connected(page)
    await page.getByTestId(`transport-${transport}`).check()
  }
  await connected(page, `pane-${dialect}`)
  const pane = page.getByTestId(`pane-${dialect}`)
  await page.waitForFunction(([pane, name]) => pane.querySelector('[data-testid="who"]').innerText.includes(name),
    [await pane.elementHandle(), name])
  return { page, pane }
}

/** noticed resolves when a log has a notice with these words. */
const noticed = (pane, ...words) => pane.getByTestId('log').locator('.notice')
  .filter({ hasText: new RegExp(words.join('.*')) }).first().waitFor()

dialects.forEach((dialect, i) => {
  const other = dialects[(i + 1) % dialects.length]

  test(`"Hi" by ${dialect}, "I'm here, too" by ${other}: both see both`, async t => {
    const room = `room-${dialect}`
    const ann = await enter(t, dialect, 'Ann', room)
    const ben = await enter(t, other, 'Ben', room)
    await noticed(ann.pane, 'Ben', 'joined')
    await here(ann.page, ann.pane, 'Ann', 'Ben')
    await here(ben.page, ben.pane, 'Ann', 'Ben')

    await say(ann.pane, 'Hi')
    await said(ben.pane, 1)
    await say(ben.pane, "I'm here, too")
    const heard = await said(ann.pane, 2)
    assert.deepEqual(heard.map(line => line.replace(/\s+/g, ' ').trim()), ['Ann: Hi', "Ben: I'm here, too"])
    assert.deepEqual(await said(ben.pane, 2), heard)
    if (i === 0) await picture(ann.page, 'chat')

    await ben.page.leave()
    await noticed(ann.pane, 'Ben', 'left')
    await here(ann.page, ann.pane, 'Ann')
  })
})

for (const [transport, named] of Object.entries(transports.signalr)) {
  test(`a conversation by SignalR over ${transport}`, async t => {
    const room = `room-${transport}`
    const ann = await enter(t, 'signalr', 'Ann', room, { transport })
    const ben = await enter(t, 'websocket', 'Ben', room)
    await ann.pane.getByText(named, { exact: true }).waitFor()
    await here(ann.page, ann.pane, 'Ann', 'Ben')
    await say(ann.pane, 'Hi')
    await say(ben.pane, 'Hi, Ann')
    assert.equal((await said(ann.pane, 2)).length, 2)
    assert.deepEqual(await said(ann.pane, 2), await said(ben.pane, 2))
    await picture(ann.page, `chat-signalr-${transport}`)

    await ann.page.getByTestId('via-eventsource').check()
    await noticed(ben.pane, 'Ann', 'left')
    await ann.page.getByTestId('via-signalr').check()
    await connected(ann.page, 'pane-signalr')
    await ann.page.reload() // the address keeps the choice
    await ann.page.getByTestId(`transport-${transport}`).and(ann.page.locator(':checked')).waitFor()
    await connected(ann.page, 'pane-signalr')
  })
}

for (const dialect of ['signalr', 'classic']) {
  test(`${dialect} changes its transport in the middle of a conversation`, async t => {
    const { page, pane } = await enter(t, dialect, 'Ann', `changing-${dialect}`)
    const ben = await enter(t, 'socketio', 'Ben', `changing-${dialect}`)
    const ways = Object.keys(transports[dialect])
    for (const way of [...ways, 'any']) {
      await page.getByTestId(`transport-${way}`).check()
      await connected(page, `pane-${dialect}`)
      if (way !== 'any') await pane.getByText(transports[dialect][way], { exact: true }).waitFor()
      await say(pane, `now by ${way}`)
    }
    assert.deepEqual((await said(ben.pane, ways.length + 1)).map(line => line.split(' ').at(-1)), [...ways, 'any'])
    await page.getByTestId('via-websocket').check()
    await page.getByTestId('transports').waitFor({ state: 'hidden' })
  })
}

test('the switch carries a conversation from client to client', async t => {
  const { page, pane } = await enter(t, 'websocket', 'Ann', 'switching')
  await say(pane, 'by websocket')
  await said(pane, 1)
  const other = await enter(t, 'websocket', 'Ben', 'switching')
  for (const dialect of ['eventsource', 'socketio', 'signalr', 'classic', 'websocket']) {
    await page.getByTestId(`via-${dialect}`).check()
    await connected(page, `pane-${dialect}`)
    await say(page.getByTestId(`pane-${dialect}`), `now by ${dialect}`)
  }
  assert.deepEqual((await said(other.pane, 5)).map(line => line.split(' ').at(-1)), ['eventsource', 'socketio', 'signalr', 'classic', 'websocket'])
  await here(other.page, other.pane, 'Ann', 'Ben')
})

test('other rooms hear nothing', async t => {
  const ann = await enter(t, 'websocket', 'Ann', 'here')
  const ben = await enter(t, 'signalr', 'Ben', 'there')
  await say(ann.pane, 'for here')
  await said(ann.pane, 1)
  await say(ben.pane, 'for there')
  const heard = await said(ben.pane, 1)
  assert.match(heard[0], /for there/)
  await here(ann.page, ann.pane, 'Ann')
})

test('a name that is markup is shown as text', async t => {
  const nasty = '<img src=x onerror=alert(1)>'
  const mallory = await enter(t, 'websocket', nasty, 'markup')
  const ann = await enter(t, 'socketio', 'Ann', 'markup')
  await say(mallory.pane, '<script>alert(2)</script>')
  assert.match((await said(ann.pane, 1))[0], /^<img src=x onerror=alert\(1\)>:? <script>alert\(2\)<\/script>$/)
  await here(ann.page, ann.pane, 'Ann', nasty)
  for (const { page } of [ann, mallory]) assert.equal(await page.locator('img').count(), 0)
})

test('by keyboard alone', async t => {
  const { page, pane } = await enter(t, 'websocket', 'Ann', 'keys')
  await page.reload()
  await page.locator('[data-state="connected"]').first().waitFor()
  await tabTo(page, pane.getByTestId('name').or(page.getByTestId('name')))
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.type('Anna')
  await page.keyboard.press('Enter')
  await here(page, pane, 'Anna')
  await tabTo(page, pane.getByTestId('input'))
  await page.keyboard.type('No mouse here')
  await page.keyboard.press('Enter')
  await page.keyboard.type('and again')
  await page.keyboard.press('Enter')
  assert.deepEqual((await said(pane, 2)).map(line => line.replace(/\s+/g, ' ').trim()), ['Anna: No mouse here', 'Anna: and again'])
})

test('an empty line is not sent, a long one is', async t => {
  const { pane } = await enter(t, 'signalr', 'Ann', 'lines')
  await say(pane, '   ')
  await say(pane, 'x'.repeat(2000))
  assert.equal((await said(pane, 1))[0].match(/x/g).length, 2000)
})

test('the chat fits a phone and a dark room', async t => {
  const small = await enter(t, 'signalr', 'Ann', 'phone', { ...phone, transport: 'ServerSentEvents' })
  await say(small.pane, 'Hi from a phone, with a word that is long: ' + 'a'.repeat(120))
  await said(small.pane, 1)
  await fitsItsWidth(small.page)
  await picture(small.page, 'chat-phone')

  const night = await enter(t, 'signalr', 'Ben', 'phone', dark)
  await say(night.pane, 'Hi from the dark')
  await said(night.pane, 1)
  await picture(night.page, 'chat-dark')
})
