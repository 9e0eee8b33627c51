// The matrix as docs/interop.md shows it: npm run matrix writes it there.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { page } from '../signalr/table.mjs'
import { transports, versions } from './matrix.mjs'
import { scenarios } from './scenarios.mjs'
import { fits } from './world.mjs'

const [from, to] = ['<!-- the matrix of classic SignalR -->\n', '<!-- end of the matrix of classic SignalR -->\n']

const all = [...transports, 'foreverFrame']

/** written is the page with the matrix of today. */
export function written(text) {
  const [before, after] = [text.indexOf(from), text.indexOf(to)]
  if (before < 0 || after < 0) throw new Error(`${page} has no place for the matrix of classic SignalR`)
  return text.slice(0, before + from.length) + '\n' + matrix() + '\n' + text.slice(after)
}

/** matrix tells for each scenario where it is played and, by transport, by which versions. */
function matrix() {
  const head = ['Scenario', 'Where', ...all]
  const rows = scenarios.map(scenario => [scenario.name, { node: 'jsdom', browser: 'Chromium' }[scenario.where] ?? 'both', ...all.map(transport => playing(scenario, transport))])
  return [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |\n`).join('')
}

function playing(scenario, transport) {
  const where = transport === 'foreverFrame' ? 'browser' : scenario.where ?? 'node'
  const those = versions.filter(version => fits(scenario, { ...version, transport, where })).map(({ version }) => version)
  if (those.length === 0) return ''
  if (transport === 'foreverFrame') return those.includes('2.4.3') ? '2.4.3' : ''
  if (those.length === versions.length) return '✓'
  return those[0] === versions[0].version ? `to ${those.at(-1)}` : those.length === 1 ? those[0] : `since ${those[0]}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(page, written(readFileSync(page, 'utf8')))
