// The unmodified socket.io-client, in ten versions, against a hub: every scenario in every cell.
// With REFERENCE=1, against npm's own server.

import { after, before, describe, test } from 'node:test'

import { startReference, startTestserver } from './server.mjs'
import { cells } from './socketio/matrix.mjs'
import { scenarios } from './socketio/scenarios.mjs'
import { fits, play } from './socketio/world.mjs'

const start = process.env.REFERENCE === '1' ? startReference : startTestserver

let server
before(async () => { server = await start() })
after(() => server?.stop())

describe('socket.io-client', { concurrency: 3 }, () => {
  for (const cell of cells()) {
    describe(`${cell.version}, ${cell.way}`, { concurrency: 8 }, () => {
      for (const scenario of scenarios.filter(s => fits(s, cell))) {
        test(scenario.name, { timeout: 180_000 }, () => play(scenario, cell, server, start))
      }
    })
  }
})
