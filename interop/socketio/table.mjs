// The matrix as docs/interop.md shows it: npm run matrix writes it there.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { page } from '../signalr/table.mjs'
import { versions, ways } from './matrix.mjs'
import { scenarios } from './scenarios.mjs'
import { fits } from './world.mjs'

const [from, to] = ['<!-- the matrix of Socket.IO -->\n', '<!-- end of the matrix of Socket.IO -->\n']

/** written is the page with the matrix of today. */
export function written(text) {
  const [before, after] = [text.indexOf(from), text.indexOf(to)]
  if (before < 0 || after < 0) throw new Error(`${page} has no place for the matrix of Socket.IO`)
  return text.slice(0, before + from.length) + '\n' + matrix() + '\n' + text.slice(after)
}

/** matrix tells for each scenario and way which versions play it, and in the last row how many each plays. */
function matrix() {
  const all = Object.keys(ways)
  const head = ['Scenario', ...all.map(way => way === 'default' ? 'polls, then WebSocket' : way === 'polling' ? 'polls' : 'WebSocket')]
  const rows = scenarios.map(scenario => [scenario.name, ...all.map(way => playing(scenario, way))])
  const sum = ['scenarios, of the first and the last version', ...all.map(way => [versions[0], versions.at(-1)]
    .map(version => scenarios.filter(scenario => fits(scenario, { ...version, way })).length).join(' and '))]
  return [head, head.map(() => '---'), ...rows, sum].map(row => `| ${row.join(' | ')} |\n`).join('')
}

function playing(scenario, way) {
  const those = versions.filter(version => fits(scenario, { ...version, way })).map(({ version }) => version)
  if (those.length === 0) return ''
  if (those.length === versions.length) return '✓'
  return those[0] === versions[0].version ? `to ${those.at(-1)}` : those.length === 1 ? those[0] : `since ${those[0]}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(page, written(readFileSync(page, 'utf8')))
