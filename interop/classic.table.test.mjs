import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { written } from './classic/table.mjs'
import { page } from './signalr/table.mjs'

test('docs/interop.md shows the matrix of classic SignalR of today; npm run matrix writes it', () => {
  const text = readFileSync(page, 'utf8')
  assert.equal(text, written(text))
})
