// The clock: the server's time, in every page, by every client.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { startDemo } from '../server.mjs'
import { connected, dark, dialects, fitsItsWidth, launch, open, panes, phone, picture, transports } from './chromium.mjs'

let browser, demo
before(async () => { [browser, demo] = await Promise.all([launch(), startDemo()]) })
after(() => Promise.all([browser?.close(), demo?.stop()]))

/** ticks resolves with the clock's next n times, each another than the one before, as seconds of the day; beside each, when
    it showed it. Nothing is missed, however busy the machine is: the page itself takes notes. */
function ticks(page, n) {
  return page.getByTestId('time').evaluate((clock, n) => new Promise(resolve => {
    const seen = []
    let last = clock.textContent
    const watch = new MutationObserver(() => {
      if (clock.textContent === last) return
      last = clock.textContent
      const [h, m, s] = last.split(':').map(Number)
      seen.push([3600 * h + 60 * m + s, Math.floor(Date.now() / 1000) % 86400])
      if (seen.length < n) return
      watch.disconnect()
      resolve(seen)
    })
    watch.observe(clock, { childList: true, characterData: true, subtree: true })
  }), n)
}

const day = 24 * 60 * 60

// A clock is waited for most of the time.
describe('the clock ticks', { concurrency: 6 }, () => {
  for (const dialect of dialects) {
    test(`by ${dialect}, in UTC`, async t => {
      const page = await open(t, browser, `${demo.url}/clock/?via=${dialect}`, { timezoneId: 'Asia/Kolkata' })
      await connected(page)
      assert.ok(await page.getByTestId(`via-${dialect}`).isChecked())
      const times = await ticks(page, 3)
      const [said, now] = times.at(-1)
      assert.ok([0, 1, 2].includes((now - said + day) % day), `the page says ${said}, it is ${now}`)
      for (let i = 1; i < times.length; i++) {
        // A tick that took its time may be passed over.
        assert.ok([1, 2].includes((times[i][0] - times[i - 1][0] + day) % day), `the times and when they came: ${times.join(' ')}`)
      }
      if (dialect === 'websocket') await picture(page, 'clock')
    })
  }

  for (const [dialect, transport, named] of panes) {
    test(`by ${dialect} over ${transport}`, async t => {
      const page = await open(t, browser, `${demo.url}/clock/?via=${dialect}&transport=${transport}`)
      await connected(page)
      assert.ok(await page.getByTestId(`transport-${transport}`).isChecked())
      await page.getByText(named, { exact: true }).waitFor()
      await ticks(page, 2)
      if (transport === 'polling') await picture(page, 'clock-socketio-polling')
    })
  }

  for (const transport of Object.keys(transports.socketio09)) {
    test(`on the page of 2012 with its client over ${transport}`, async t => {
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
})

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
  const late = await Promise.all(pages.map(async page => {
    const [[said, now]] = await ticks(page, 1)
    return (now - said + day) % day
  }))
  assert.ok(Math.max(...late) - Math.min(...late) <= 1, `they are late by ${late}`)
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
