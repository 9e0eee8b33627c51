// The unmodified client of classic SignalR, in four versions, in jsdom against a hub: every scenario in every cell.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { Host } from './classic/host.mjs'
import { cells } from './classic/matrix.mjs'
import { openPage } from './classic/page.mjs'
import { scenarios } from './classic/scenarios.mjs'
import { fits, play } from './classic/world.mjs'
import { startTestserver } from './server.mjs'

const abroad = 'http://pages.example'

const host = new Host()
let server
before(async () => {
  server = await startTestserver({ args: ['--origin', abroad] })
  for (const cell of cells()) await pagesOf(cell) // now: while jsdom opens a page, which takes long, no client hears or says anything
})

const pages = new Map() // cell → the promise of its two pages

/** pagesOf are a page of the server's and one of another origin, for all that a version of the client does. */
function pagesOf(cell) {
  const key = cell.version + cell.transport
  if (!pages.has(key)) pages.set(key, Promise.all([server.url, abroad].map(url => openPage(url + '/', cell))))
  return pages.get(key)
}

after(async () => {
  const pairs = await Promise.all(pages.values())
  for (const page of pairs.flat()) page.close()
  await server?.stop()
  assert.deepEqual(pairs.flatMap(([page]) => page.complaints), [])
})

function add(scenario, cell, name) {
  test(name, { timeout: 120_000 }, async () => {
    const [page, other] = await pagesOf(cell)
    const open = (url, options) => openPage(url, { ...cell, ...options })
    await play(scenario, { ...cell, ...page, abroad: other, where: 'node', openPage: open }, server, host)
  })
}

const scenariosOf = (cell, waits) => scenarios.filter(s => !s.waits === !waits && fits(s, { ...cell, where: 'node' }))

describe('signalr', { concurrency: 2 }, () => {
  describe('busy', { concurrency: 2 }, () => {
    for (const cell of cells()) {
      describe(`${cell.version}, ${cell.transport}`, { concurrency: 4 }, () => {
        for (const scenario of scenariosOf(cell, false)) add(scenario, cell, scenario.name)
      })
    }
  })
  describe('waiting', { concurrency: 24 }, () => {
    for (const cell of cells()) {
      for (const scenario of scenariosOf(cell, true)) add(scenario, cell, `${scenario.name}: ${cell.version}, ${cell.transport}`)
    }
  })
})
