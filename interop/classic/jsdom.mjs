// Scenarios in jsdom: a server, and for each cell of the matrix two pages that all of a file's scenarios share.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { startTestserver } from '../server.mjs'
import { Host } from './host.mjs'
import { cells } from './matrix.mjs'
import { openPage } from './page.mjs'
import { scenarios } from './scenarios.mjs'
import { fits, play } from './world.mjs'

const abroad = 'http://pages.example'

/** scenariosOf are those of a cell: those that wait, for longer than they have to do, or the others. */
export const scenariosOf = (cell, { waiting }) => scenarios.filter(s => Boolean(s.waits) === waiting && fits(s, { ...cell, where: 'node' }))

/** court prepares a file's tests, and returns add(scenario, cell, name), which makes one. */
export function court() {
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

  return (scenario, cell, name) => test(name, { timeout: 120_000 }, async () => {
    const [page, other] = await pagesOf(cell)
    const open = (url, options) => openPage(url, { ...cell, ...options })
    await play(scenario, { ...cell, ...page, abroad: other, where: 'node', openPage: open }, server, host)
  })
}
