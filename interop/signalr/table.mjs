// The matrix as docs/interop.md shows it: npm run matrix writes it there.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { cells } from './matrix.mjs'
import { scenarios } from './scenarios.mjs'
import { fits } from './world.mjs'

export const page = fileURLToPath(new URL('../../docs/interop.md', import.meta.url))
const [from, to] = ['<!-- the matrix -->\n', '<!-- end of the matrix -->\n']

const all = cells()
const short = { WebSockets: 'WS', ServerSentEvents: 'SSE', LongPolling: 'LP', json: 'json', messagepack: 'msgpack' }

/** written is the page with the matrix of today. */
export function written(text) {
  const [before, after] = [text.indexOf(from), text.indexOf(to)]
  if (before < 0 || after < 0) throw new Error(`${page} has no place for the matrix`)
  return text.slice(0, before + from.length) + '\n' + matrix() + '\n' + text.slice(after)
}

function matrix() {
  const head = ['Scenario', 'Where', ...all.map(cell => `${short[cell.transport]} ${short[cell.protocol]}`), 'Older clients']
  const rows = scenarios.map(scenario => [scenario.name, scenario.where === 'node' ? 'Node' : scenario.where === 'browser' ? 'Chromium' : 'both',
    ...all.map(cell => playedIn(scenario, cell) ? '✓' : ''), older(scenario)])
  return [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |\n`).join('')
}

function playedIn(scenario, cell) {
  return ['node', 'browser'].some(where => fits(scenario, { ...cell, major: 10, where }))
}

/** older says which of the versions before 10 play a scenario. */
function older(scenario) {
  if (!scenario.core) return ''
  const majors = [8, 7, 6, 5, 3, 1].filter(major => all.some(cell => fits(scenario, { ...cell, major, where: 'node' })))
  return majors.length === 1 ? String(majors[0]) : `${majors.at(-1)} to ${majors[0]}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(page, written(readFileSync(page, 'utf8')))
