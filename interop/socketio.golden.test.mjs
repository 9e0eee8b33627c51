// The bytes of npm's parsers and ours: the golden files are what the parsers still write, and what our server writes they
// understand.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'

import { fileOf, folder, isPacked, parsers, record, understood } from './socketio/golden.mjs'

const read = name => readFile(new URL(name, folder), 'utf8')

describe('golden packets', { concurrency: true }, () => {
  for (const parser of Object.keys(parsers)) {
    test(`${parser} writes what was recorded`, async () => {
      assert.equal(record(parser), await read(fileOf(parser)))
    })

    test(`${parser} understands what our server writes`, async () => {
      const packets = JSON.parse(await read('server.json'))
      assert.ok(packets.length > 10)
      for (const { name, want, text, packed } of packets) {
        assert.deepEqual(understood(parser, isPacked(parser) ? packed : text), want[isPacked(parser) ? 'packed' : 'text'] ?? want, name)
      }
    })
  }
})
