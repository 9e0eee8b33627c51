// Older clients, as npm still has them, against a hub: what they have always been able to do.

import { createRequire } from 'node:module'
import { after, before, describe, test } from 'node:test'

import WebSocket from 'ws'

import { startTestserver } from './server.mjs'
import { Host } from './signalr/host.mjs'
import { cells } from './signalr/matrix.mjs'
import { scenarios } from './signalr/scenarios.mjs'
import { fits, play } from './signalr/world.mjs'

const require = createRequire(import.meta.url)

// In their days Node had no fetch; version 5 takes it for a sign of a browser.
delete globalThis.fetch

/** The names under which package.json has them. Version 1 is @aspnet/signalr; 1.0 runs in browsers only. */
const versions = ['8', '7', '6', '5', '3', '1']

const host = new Host()
let server
before(async () => { server = await startTestserver() })
after(() => server?.stop())

for (const version of versions) {
  const signalR = require(`signalr-${version}`)
  const msgpack = require(`signalr-msgpack-${version}`)
  describe(`version ${signalR.VERSION ?? version}`, { concurrency: 8 }, () => {
    for (const each of cells()) {
      const cell = { signalR, msgpack, WebSocket, major: Number(version), where: 'node', ...each }
      for (const scenario of scenarios.filter(s => s.core && fits(s, cell))) {
        test(`${scenario.name}: ${cell.transport}, ${cell.protocol}`, { timeout: 60_000 }, () => play(scenario, cell, server, host))
      }
    }
  })
}
