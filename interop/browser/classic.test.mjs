// The unmodified client of SignalR 2.4.3 in Chromium against hubs: every scenario over all four transports.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import { Behind } from '../classic/behind.mjs'
import { Host } from '../classic/host.mjs'
import { transports, versions } from '../classic/matrix.mjs'
import { scenarios } from '../classic/scenarios.mjs'
import { fits } from '../classic/world.mjs'
import { root, startTestserver } from '../server.mjs'
import { launch } from './chromium.mjs'

const client = versions.at(-1)
const cells = [...transports, 'foreverFrame'].map(transport => ({ ...client, transport, where: 'browser' }))

const files = ['--files', join(root, 'interop')]
let browser, server
before(async () => {
  const first = await startTestserver()
  await first.stop()
  const own = { listen: first.host, args: [...files, '--origin', first.url] } // what stands between is another origin
  ;[browser, server] = await Promise.all([launch(), startTestserver(own)])
})
after(() => Promise.all([browser?.close(), server?.stop()]))

/** Pages plays scenarios of one cell. A browser has six connections to a server for all pages of a context, which is
    enough for one scenario: each page has a context of its own and plays one at a time. */
class Pages {
  #free = []
  #all = []

  constructor(cell) {
    this.cell = cell
  }

  async #open() {
    const context = await browser.newContext()
    const page = await context.newPage()
    const host = this.cell.transport === 'foreverFrame' ? new Behind() : new Host()
    const url = await host.open?.(server) ?? server.url
    await page.exposeFunction('askHost', (what, args) => host[what](args))
    await page.goto(`${url}/files/classic/page.html`)
    await page.waitForFunction(() => window.ready)
    await page.evaluate(cell => window.ready(cell), this.cell)
    const one = { page, host }
    this.#all.push(one)
    return one
  }

  async play(name) {
    const one = this.#free.pop() ?? await this.#open()
    const wrong = await one.page.evaluate(name => window.play(name), name)
    this.#free.push(one)
    assert.equal(wrong, undefined)
  }

  close() {
    return Promise.all(this.#all.map(async ({ page, host }) => {
      await page.context().close()
      await host.close?.()
    }))
  }
}

// What waits long begins first. Of a server that was killed, a page with a forever frame learns by its keep-alive only.
const long = ({ waits, name }) => Boolean(waits) || /killed/.test(name)
const inTurn = scenarios.toSorted((a, b) => long(b) - long(a))

// Much of a scenario is waiting.
describe(`signalr ${client.version}`, { concurrency: cells.length }, () => {
  for (const cell of cells) {
    describe(cell.transport, { concurrency: 3 }, () => {
      const pages = new Pages(cell)
      after(() => pages.close())
      for (const scenario of inTurn.filter(s => fits(s, cell))) {
        test(scenario.name, { timeout: 60_000 }, () => pages.play(scenario.name))
      }
    })
  }
})
