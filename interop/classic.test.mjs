// The unmodified client of classic SignalR, in four versions, in jsdom against a hub: every scenario in every cell.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { Host } from './classic/host.mjs'
import { cells } from './classic/matrix.mjs'
import { openPage } from './classic/page.mjs'
import { scenarios } from './classic/scenarios.mjs'
import { fits, play } from './classic/world.mjs'
import { startTestserver } from './server.mjs'

const host = new Host()
let server
before(async () => { server = await startTestserver({ args: ['--origin', 'http://pages.example'] }) })
after(() => server?.stop())

describe('signalr', { concurrency: 4 }, () => {
  for (const cell of cells()) {
    describe(`${cell.version}, ${cell.transport}`, { concurrency: 12 }, () => {
      let page, abroad
      before(async () => { [page, abroad] = await Promise.all([server.url, 'http://pages.example'].map(url => openPage(url + '/', cell))) })
      after(() => {
        for (const each of [page, abroad]) each?.close()
        assert.deepEqual(page?.complaints, [])
      })
      const open = (url, options) => openPage(url, { ...cell, ...options })
      for (const scenario of scenarios.filter(s => fits(s, { ...cell, where: 'node' }))) {
        test(scenario.name, { timeout: 90_000 }, () => play(scenario, { ...cell, ...page, abroad, where: 'node', openPage: open }, server, host))
      }
    })
  }
})
