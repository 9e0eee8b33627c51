// The start page: the chat in five panes side by side, each carried by another client.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { startDemo } from '../server.mjs'
import { connected, dark, dialects, fitsItsWidth, launch, open, own, phone, picture, said, say } from './chromium.mjs'

let browser, demo
before(async () => { [browser, demo] = await Promise.all([launch(), startDemo()]) })
after(() => Promise.all([browser?.close(), demo?.stop()]))

const panesOf = page => Object.fromEntries(dialects.map(d => [d, page.getByTestId(`pane-${d}`)]))

test('what one client says, all five see, in one order', async t => {
  const page = await open(t, browser, demo.url)
  const panes = panesOf(page)
  for (const d of dialects) await connected(page, `pane-${d}`)
  for (const d of dialects) await say(panes[d], `Hi by ${d}`)

  const heard = {}
  for (const d of dialects) heard[d] = await said(panes[d], dialects.length)
  for (const d of dialects) {
    assert.deepEqual(heard[d], heard.websocket, `${d} heard another order`)
    assert.ok(heard.websocket.some(line => line.includes(`Hi by ${d}`)), `nobody heard ${d}`)
  }
  await picture(page, 'start')
})

test('many lines at once keep one order in all five', async t => {
  const page = await open(t, browser, demo.url)
  const panes = panesOf(page)
  for (const d of dialects) await connected(page, `pane-${d}`)
  const each = 25
  await page.evaluate(([dialects, each]) => {
    for (let i = 0; i < each; i++) {
      for (const d of dialects) {
        const pane = document.querySelector(`[data-testid="pane-${d}"]`)
        pane.querySelector('[data-testid="input"]').value = `${d} ${i}`
        pane.querySelector('form').requestSubmit()
      }
    }
  }, [dialects, each])
  const first = await said(panes.websocket, dialects.length * each)
  for (const d of dialects) {
    assert.deepEqual(await said(panes[d], dialects.length * each), first, d)
    assert.deepEqual(first.filter(line => line.includes(`${d} `)).map(line => Number(line.match(/ (\d+)$/)[1])),
      Array.from({ length: each }, (_, i) => i), `the lines of ${d}`)
  }
})

test('markup is text', async t => {
  const page = await open(t, browser, demo.url)
  const panes = panesOf(page)
  for (const d of dialects) await connected(page, `pane-${d}`)
  const nasty = '<img src=x onerror=alert(1)><b>&amp;</b>'
  await say(panes.signalr, nasty)
  for (const d of dialects) assert.ok((await said(panes[d], 1))[0].includes(nasty), d)
  assert.equal(await page.locator('[data-testid="log"] img').count(), 0)
})

test('the start page fits a phone and a dark room', async t => {
  const small = await open(t, browser, demo.url, phone)
  for (const d of dialects) await connected(small, `pane-${d}`)
  await say(small.getByTestId('pane-websocket'), 'Hi from a phone')
  for (const d of dialects) await said(small.getByTestId(`pane-${d}`), 1)
  await fitsItsWidth(small)
  await picture(small, 'start-phone')

  const night = await open(t, browser, demo.url, dark)
  for (const d of dialects) await connected(night, `pane-${d}`)
  await picture(night, 'start-dark')
})

test('the start page leads to the samples', async t => {
  for (const [path, id] of [['/chat/', 'input'], ['/paint/', 'canvas'], ['/clock/', 'time'], ['/duplex/', 'order']]) {
    const page = await open(t, browser, demo.url)
    for (const d of dialects) await connected(page, `pane-${d}`)
    await page.locator(`a[href="${path}"]`).first().click()
    await page.getByTestId(id).waitFor()
  }
  const page = await open(t, browser, demo.url)
  const samples = await page.locator('a[href^="/period/"]').evaluateAll(links => links.map(link => [link.href, link.innerText]))
  assert.deepEqual(samples.map(([href]) => new URL(href).pathname), ['/period/chat/', '/period/webapi/', '/period/greeter/', '/period/log/'])
  for (const [, text] of samples) assert.match(text, /^\S.+\n.+\.$/s, 'a name and a sentence')
})

test('all five come back when the server has been away', async t => {
  let other = await startDemo()
  t.after(() => other.stop())
  const page = await open(t, browser, other.url, { mayComplain: true })
  for (const d of dialects) await connected(page, `pane-${d}`)
  await other.stop()
  for (const d of dialects) await page.locator(`[data-testid="pane-${d}"]:not([data-state="connected"])`).waitFor()
  other = await startDemo({ listen: other.host })
  for (const d of dialects) await page.locator(`[data-testid="pane-${d}"][data-state="connected"]`).waitFor({ timeout: 40_000 })
  await say(page.getByTestId('pane-socketio'), 'back again')
  for (const d of dialects) await said(page.getByTestId(`pane-${d}`), 1)
})

test('without npm two panes work and three say what is missing', async t => {
  const bare = await own(t, startDemo({ args: ['--npm', '/nonexistent'] }))
  const page = await open(t, browser, bare.url)
  const panes = panesOf(page)
  for (const d of ['websocket', 'eventsource']) await connected(page, `pane-${d}`)
  await say(panes.websocket, 'Hi')
  await said(panes.eventsource, 1)
  await say(panes.eventsource, "I'm here, too")
  assert.deepEqual(await said(panes.websocket, 2), await said(panes.eventsource, 2))
  for (const d of ['socketio', 'signalr', 'classic']) {
    await page.locator(`[data-testid="pane-${d}"][data-state="missing"]`).waitFor()
    assert.match(await panes[d].innerText(), /npm/)
    assert.ok(await panes[d].getByTestId('input').isDisabled())
  }
  await picture(page, 'start-without-npm')
})
