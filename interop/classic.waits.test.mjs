// The scenarios of classic SignalR whose clients wait for their timers, all at once. They have a process of their own: beside those
// of classic.test.mjs, which have much to do, their timers would go off too late.

import { describe } from 'node:test'

import { court, scenariosOf } from './classic/jsdom.mjs'
import { cells } from './classic/matrix.mjs'

const add = court()

// jsdom opens a page at one go, and no timer goes off meanwhile: that comes first.
for (const [what, own] of [['opening pages', true], ['waiting', false]]) {
  describe(what, { concurrency: 24 }, () => {
    for (const cell of cells()) {
      for (const scenario of scenariosOf(cell, { waiting: true }).filter(({ pages = false }) => pages === own)) {
        add(scenario, cell, `${scenario.name}: ${cell.version}, ${cell.transport}`)
      }
    }
  })
}
