// The bytes of Microsoft's clients and ours: the golden files are what the clients still say, and what our server
// writes they understand.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'

import { folder, libraries, protocols, record, understood, written } from './signalr/golden.mjs'

const read = name => readFile(new URL(name, folder), 'utf8')

describe('golden traffic', { concurrency: true }, () => {
  for (const version of Object.keys(libraries).map(Number)) {
    for (const protocol of protocols) {
      test(`version ${version} says in ${protocol} what was recorded`, async () => {
        assert.equal(written(await record(version, protocol)), await read(`${version}.${protocol}.json`))
      })

      test(`version ${version} understands what our server writes in ${protocol}`, async () => {
        const messages = JSON.parse(await read('server.json'))
        assert.ok(messages.length > 10)
        for (const { name, want, since = 0, ...sent } of messages) {
          if (version < since) continue
          const got = understood(version, protocol, sent[protocol])
          assert.equal(got.length, want.length, name)
          for (const [i, message] of want.entries()) {
            const known = Object.fromEntries(Object.keys(message).map(key => [key, got[i][key] ?? null]))
            assert.deepEqual(known, message, name)
            for (const absent of ['result', 'error', 'invocationId', 'allowReconnect']) {
              if (!(absent in message)) assert.ok(!got[i][absent], `${name}: ${absent} is ${got[i][absent]}`)
            }
          }
        }
      })
    }
  }
})
