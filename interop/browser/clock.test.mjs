// The clock: the server's time, in every page, by every client.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { startDemo } from '../server.mjs'
import { connected, dark, dialects, fitsItsWidth, launch, open, panes, phone, picture, transports } from './chromium.mjs'

let browser, demo
before(async () => { [browser, demo] = await Promise.all([launch(), startDemo()]) })
after(() => Promise.all([browser?.close(), demo?.stop()]))

/** ticks resolves with the clock's next n texts, each another than the one before. */
async function ticks(page, n) {
  const seen = [await page.getByTestId('time').innerText()]
  while (seen.length <= n) {
    const next = await page.waitForFunction(last => {
      const now = document.querySelector('[data-testid="time"]').innerText
      return now !== last && now
    }, seen.at(-1))
    seen.push(await next.jsonValue())
  }
  return seen.slice(1)
}

/** seconds reads 12:34:56. */
const seconds = text => text.match(/(\d\d):(\d\d):(\d\d)/).slice(1).reduce((sum, part) => 60 * sum + Number(part), 0)
const day = 24 * 60 * 60

for (const dialect of dialects) {
  test(`the clock ticks by ${dialect}, in UTC`, async t => {
    const page = await open(t, browser, `${demo.url}/clock/?via=${dialect}`, { timezoneId: 'Asia/Kolkata' })
    await connected(page)
    assert.ok(await page.getByTestId(`via-${dialect}`).isChecked())
    const times = (await ticks(page, 3)).map(seconds)
    const now = seconds(new Date().toISOString())
    assert.ok([0, 1, 2, day - 1].includes((now - times.at(-1) + day) % day), `the page says ${times.at(-1)}, it is ${now}`)
    for (let i = 1; i < times.length; i++) {
      // A tick that took its time may be passed over.
      assert.ok([1, 2].includes((times[i] - times[i - 1] + day) % day), `after ${times[i - 1]} comes ${times[i]}`)
    }
    if (dialect === 'websocket') await picture(page, 'clock')
  })
}

for (const [dialect, transport, named] of panes) {
  test(`the clock ticks by ${dialect} over ${transport}`, async t => {
    const page = await open(t, browser, `${demo.url}/clock/?via=${dialect}&transport=${transport}`)
    await connected(page)
    assert.ok(await page.getByTestId(`transport-${transport}`).isChecked())
    await page.getByText(named, { exact: true }).waitFor()
    await ticks(page, 2)
    if (transport === 'polling') await picture(page, 'clock-socketio-polling')
  })
}

for (const transport of Object.keys(transports.socketio09)) {
  test(`the page of 2012 with its client ticks over ${transport}`, async t => {
    const page = await open(t, browser, `${demo.url}/clock/period.html?transport=${transport}`)
    const seen = new Set()
    while (seen.size < 3) {
      const next = await page.waitForFunction(seen => {
        const now = document.querySelector('#time').innerText
        return /\d/.test(now) && !seen.includes(now) && now
      }, [...seen])
      seen.add(await next.jsonValue())
    }
    for (const text of seen) {
      assert.equal(new Date(text).toUTCString(), text)
      assert.ok(Math.abs(Date.now() - Date.parse(text)) < 30_000, `${text} is not the time`)
    }
    assert.equal(await page.evaluate(() => socket.socket.transport.name), transport)
    await fitsItsWidth(page)
    if (transport === 'websocket') await picture(page, 'clock-period')
  })
}

test('the switch offers the transports of a client that has several', async t => {
  const page = await open(t, browser, `${demo.url}/clock/?via=socketio`)
  await connected(page)
  for (const transport of [...Object.keys(transports.socketio), 'any']) {
    await page.getByTestId(`transport-${transport}`).check()
    await connected(page)
    await ticks(page, 1)
  }
  await page.getByTestId('via-websocket').check()
  await page.getByTestId('transports').waitFor({ state: 'hidden' })
})

test('the switch changes the client and the clock goes on', async t => {
  const page = await open(t, browser, `${demo.url}/clock/`)
  for (const dialect of dialects.toReversed()) {
    await page.getByTestId(`via-${dialect}`).check()
    await connected(page)
    await ticks(page, 1)
    assert.equal(new URL(page.url()).searchParams.get('via'), dialect)
  }
})

test('several pages show one time', async t => {
  const pages = await Promise.all(dialects.map(d => open(t, browser, `${demo.url}/clock/?via=${d}`)))
  for (const page of pages) await connected(page)
  const times = await Promise.all(pages.map(async page => seconds((await ticks(page, 1))[0])))
  assert.ok(Math.max(...times) - Math.min(...times) <= 1 || Math.max(...times) === day - 1, `they show ${times}`)
})

test('the clock fits a phone and a dark room', async t => {
  const small = await open(t, browser, `${demo.url}/clock/`, phone)
  await connected(small)
  await ticks(small, 1)
  await fitsItsWidth(small)
  await picture(small, 'clock-phone')

  const night = await open(t, browser, `${demo.url}/clock/`, dark)
  await connected(night)
  await ticks(night, 1)
  await picture(night, 'clock-dark')
})
