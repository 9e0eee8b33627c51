// The unmodified @microsoft/signalr client in Chromium against a hub: every scenario in every cell.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import { root, startTestserver } from '../server.mjs'
import { Host } from '../signalr/host.mjs'
import { cells } from '../signalr/matrix.mjs'
import { scenarios } from '../signalr/scenarios.mjs'
import { fits } from '../signalr/world.mjs'
import { launch } from './chromium.mjs'

const clients = [
  { name: '@microsoft/signalr 10', major: 10, bundles: ['@microsoft/signalr/dist/browser/signalr.min.js', '@microsoft/signalr-protocol-msgpack/dist/browser/signalr-protocol-msgpack.min.js'] },
  { name: '@aspnet/signalr 1.0, which knows browsers only', major: 1, core: true, protocols: ['json'], bundles: ['signalr-1.0/dist/browser/signalr.min.js'] },
]

const host = new Host()
let browser, server
before(async () => { [browser, server] = await Promise.all([launch(), startTestserver({ args: ['--files', join(root, 'interop')] })]) })
after(() => Promise.all([browser?.close(), server?.stop()]))

/** Pages plays scenarios of one cell. A browser has six connections to a server for all pages of a context, which is
    enough for one scenario: each page has a context of its own and plays one at a time. */
class Pages {
  #free = []

  constructor(client, cell) {
    this.how = { bundles: client.bundles, major: client.major, ...cell }
  }

  async #open() {
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.exposeFunction('askHost', (what, args) => host[what](args))
    await page.goto(`${server.url}/files/signalr/page.html`)
    await page.waitForFunction(() => window.ready)
    await page.evaluate(how => window.ready(how), this.how)
    return page
  }

  async play(name) {
    const page = this.#free.pop() ?? await this.#open()
    const wrong = await page.evaluate(name => window.play(name), name)
    this.#free.push(page)
    assert.equal(wrong, undefined)
  }

  close() {
    return Promise.all(this.#free.map(page => page.context().close()))
  }
}

for (const client of clients) {
  for (const each of cells().filter(({ protocol }) => !client.protocols || client.protocols.includes(protocol))) {
    describe(`${client.name}: ${each.transport}, ${each.protocol}`, { concurrency: 4 }, () => {
      const pages = new Pages(client, each)
      after(() => pages.close())
      const cell = { major: client.major, where: 'browser', ...each }
      for (const scenario of scenarios.filter(s => (s.core || !client.core) && fits(s, cell))) {
        test(scenario.name, { timeout: 60_000 }, () => pages.play(scenario.name))
      }
    })
  }
}
