import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { page, written } from './signalr/table.mjs'

test('docs/interop.md shows the matrix of today; npm run matrix writes it', { skip: process.env.CELL && 'one cell only' }, () => {
  const text = readFileSync(page, 'utf8')
  assert.equal(text, written(text))
})
