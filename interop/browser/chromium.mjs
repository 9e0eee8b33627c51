// A real Chromium, and pages that must not complain.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { chromium } from 'playwright-core'

import { root } from '../server.mjs'

export const dialects = ['websocket', 'eventsource', 'socketio', 'signalr', 'classic']

/** transports are what the switch offers for a dialect besides the client's own choice, and what the page then names. */
export const transports = {
  socketio: { websocket: 'socket.io-client, websocket', polling: 'socket.io-client, polling', upgrade: 'socket.io-client, websocket' },
  socketio09: { websocket: 'socket.io-client 0.9, websocket', 'xhr-polling': 'socket.io-client 0.9, xhr-polling' },
  signalr: {
    WebSockets: '@microsoft/signalr, WebSockets', ServerSentEvents: '@microsoft/signalr, Server-Sent Events',
    LongPolling: '@microsoft/signalr, Long polling',
  },
  classic: Object.fromEntries(['webSockets', 'serverSentEvents', 'foreverFrame', 'longPolling'].map(t => [t, `signalr 2.4.3, ${t}`])),
}

/** panes are all of them: [[dialect, transport, what the page then names], …]. */
export const panes = Object.entries(transports).flatMap(([dialect, all]) => Object.entries(all).map(([transport, named]) => [dialect, transport, named]))

export const phone = { viewport: { width: 375, height: 667 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }
export const dark = { colorScheme: 'dark' }

/** Debian's Chromium without a window, and the whole one. */
const debian = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium']

/** patience is how long a page is given for what a test waits for, in milliseconds: the machine may have much else to do. */
export const patience = 45_000

/** launch starts the Chromium named by CHROMIUM, else Debian's; if it shall, with QUIC. */
export function launch({ quic = false } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || debian.find(existsSync),
    args: ['--no-sandbox', '--disable-gpu', ...(quic ? [] : ['--disable-quic']), '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  })
}

const opened = new WeakMap() // test → its pages

/** own is a server of a test's own, which ends after the pages of that test: they would complain that it is not there. */
export async function own(t, starting) {
  const server = await starting
  t.after(async () => {
    await Promise.all((opened.get(t) ?? []).map(page => page.end()))
    await server.stop()
  })
  return server
}

/**
 * open opens a page in a context of its own. When the test ends, the page must not have complained, unless it
 * may: no error on its console or in its scripts, no request that failed.
 */
export async function open(t, browser, url, { mayComplain = false, ...options } = {}) {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(patience)
  const page = await context.newPage()
  opened.set(t, [...opened.get(t) ?? [], page])
  const complaints = []
  const ended = new Set() // SignalR over HTTP says goodbye twice, by a POST and by a DELETE or an end; one may come too late
  let leaving = false
  page.on('console', message => {
    if (leaving || !['error', 'warning'].includes(message.type())) return
    complaints.push({ text: `console: ${message.text()}`, url: message.location().url })
  })
  page.on('pageerror', err => complaints.push({ text: `script: ${err.stack}` }))
  page.on('response', response => {
    const [status, url] = [response.status(), response.url()]
    if (status === 404 && response.request().method() !== 'GET' && /\/signalr\?.*\bid=/.test(url)) ended.add(url)
    else if (status >= 400) complaints.push({ text: `response: ${status} ${url}` })
  })
  page.on('requestfailed', request => {
    const { errorText } = request.failure()
    // What the page itself gave up has not failed: the rest of an event stream, a poll that waits.
    if (leaving || errorText === 'net::ERR_ABORTED') return
    complaints.push({ text: `request: ${request.url()} ${errorText}` })
  })
  page.end = async () => {
    leaving = true // what is still under way is cut off
    await context.close()
  }
  page.leave = async () => { // as people do: the page's scripts hear of it, as they do not where a headless shell closes it
    leaving = true
    await page.goto('about:blank')
    await page.end()
  }
  t.after(async () => {
    await page.end()
    const serious = complaints.filter(({ url }) => !ended.has(url)).map(({ text }) => text)
    if (!mayComplain) assert.deepEqual(serious, [], `what ${url} complained of`)
  })
  await page.goto(url)
  return page
}

/** picture writes a screenshot of the page to a folder that git ignores. */
export async function picture(page, name) {
  const folder = join(root, 'screenshots')
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}

/** fitsItsWidth fails when a page must be scrolled sideways. */
export async function fitsItsWidth(page) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth])
  assert.ok(content <= window, `the page is ${content} wide in a window of ${window}`)
}

/** connected resolves when what bears the test id, or the page, says that it is connected. */
export function connected(page, testid) {
  const state = '[data-state="connected"]'
  return page.locator(testid ? `[data-testid="${testid}"]${state}` : state).first().waitFor()
}

/** said resolves with the n lines that people said in a log, once there are so many. */
export async function said(pane, n) {
  const lines = pane.getByTestId('log').locator('.said')
  await lines.nth(n - 1).waitFor()
  assert.equal(await lines.count(), n)
  return lines.allInnerTexts()
}

/** say types a line into a pane and sends it with the Enter key. */
export async function say(pane, text) {
  await pane.getByTestId('input').fill(text)
  await pane.getByTestId('input').press('Enter')
}

/** here resolves when the list of who is here names exactly these. */
export async function here(page, pane, ...names) {
  const want = names.toSorted().join()
  const list = await pane.getByTestId('who').elementHandle()
  await page.waitForFunction(([list, want]) => list.innerText.split(/[\n,]+/).map(s => s.trim()).filter(Boolean).sort().join() === want,
    [list, want])
}

/** tabTo presses the tabulator key until the element has the focus. */
export async function tabTo(page, locator) {
  const focused = () => locator.evaluate(e => e === document.activeElement)
  for (let i = 0; i < 50; i++) {
    if (await focused()) return
    await page.keyboard.press('Tab')
  }
  throw new Error('the tabulator key does not reach it')
}
