// The unmodified client of classic SignalR, in four versions, in jsdom against a hub: every scenario in every cell but those
// of classic.waits.test.mjs.

import { describe } from 'node:test'

import { court, scenariosOf } from './classic/jsdom.mjs'
import { cells } from './classic/matrix.mjs'

const add = court()

describe('signalr', { concurrency: 2 }, () => {
  for (const cell of cells()) {
    describe(`${cell.version}, ${cell.transport}`, { concurrency: 4 }, () => {
      for (const scenario of scenariosOf(cell, { waiting: false })) add(scenario, cell, scenario.name)
    })
  }
})
