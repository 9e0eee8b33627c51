// The cells of the matrix: ten versions of the client × three ways to connect.

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** The versions, each with the name under which package.json has it. */
export const versions = [
  ['1.7.4', 'socket.io-client-1'],
  ['2.0.4', 'socket.io-client-2.0'],
  ['2.5.0', 'socket.io-client-2'],
  ['3.0.5', 'socket.io-client-3.0'],
  ['3.1.3', 'socket.io-client-3'],
  ['4.0.2', 'socket.io-client-4.0'],
  ['4.5.4', 'socket.io-client-4.5'],
  ['4.6.2', 'socket.io-client-4.6'],
  ['4.7.5', 'socket.io-client-4.7'],
  ['4.8.4', 'socket.io-client'],
].map(([version, library]) => ({ version, library, since: parseFloat(version), revision: parseFloat(version) < 3 ? 3 : 4 }))

/** The ways to connect, with the client's options for them. */
export const ways = {
  default: {},
  polling: { transports: ['polling'] },
  websocket: { transports: ['websocket'] },
}

/** cells lists versions × ways, or those that CELL names, such as 4.8.4/polling, 2 or /default. */
export function cells() {
  const [version = '', way = ''] = (process.env.CELL ?? '').split('/')
  return versions.filter(v => v.version.startsWith(version))
    .flatMap(v => Object.keys(ways).filter(w => w.startsWith(way)).map(w => ({ ...v, way: w })))
}

/** client is the library of a version: io, Manager. */
export function client({ library }) {
  const io = require(library)
  return { io: io.io ?? io, Manager: io.Manager }
}
