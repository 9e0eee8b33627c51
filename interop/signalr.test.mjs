// The unmodified @microsoft/signalr client in Node against a hub: every scenario in every cell.

import { after, before, describe, test } from 'node:test'

import * as signalR from '@microsoft/signalr'
import * as msgpack from '@microsoft/signalr-protocol-msgpack'
import WebSocket from 'ws'

import { startTestserver } from './server.mjs'
import { Host } from './signalr/host.mjs'
import { cells } from './signalr/matrix.mjs'
import { scenarios } from './signalr/scenarios.mjs'
import { fits, play } from './signalr/world.mjs'

const host = new Host()
let server
before(async () => { server = await startTestserver() })
after(() => server?.stop())

for (const each of cells()) {
  const cell = { signalR, msgpack, WebSocket, major: 10, where: 'node', ...each }
  describe(`${cell.transport}, ${cell.protocol}`, { concurrency: 8 }, () => {
    for (const scenario of scenarios.filter(s => fits(s, cell))) {
      test(scenario.name, { timeout: 60_000 }, () => play(scenario, cell, server, host))
    }
  })
}
