// What the parsers of Socket.IO write, byte by byte, and what they make of the packets of ours.
//
//   node socketio/golden.mjs                                 writes <parser>.json anew
//   go test ./socketio -run TestGoldenServer -update         writes server.json anew
//
// Both are in ../socketio/testdata/golden. Tests of either language read what the other one has written.

import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
const inside = name => createRequire(require.resolve(`${name}/package.json`))('socket.io-parser')

export const folder = new URL('../../socketio/testdata/golden/', import.meta.url)

/** The parsers by name. That of clients before 3 takes a callback, and has to be told that a packet is binary. */
export const parsers = {
  'socket.io-parser 4.2': modern(require('socket.io-parser')),
  'socket.io-parser 4.0': modern(inside('socket.io-client-3')),
  'socket.io-parser 3.3': old(inside('socket.io-client-2')),
  'socket.io-parser 2.3': old(inside('socket.io-client-1')),
  'socket.io-msgpack-parser 3.0': modern(require('socket.io-msgpack-parser')),
}

export const isPacked = parser => parser.includes('msgpack')

function modern({ Encoder, Decoder }) {
  return { encode: packet => new Encoder().encode(packet), Decoder }
}

function old({ Encoder, Decoder }) {
  const encode = packet => {
    let messages
    const binary = packet.type >= 2 && packet.type <= 3 && holdsBytes(packet.data)
    new Encoder().encode({ ...packet, type: packet.type + (binary ? 3 : 0) }, list => { messages = list })
    return messages
  }
  return { encode, Decoder }
}

const holdsBytes = value => ArrayBuffer.isView(value) || value instanceof ArrayBuffer ||
  !!value && typeof value === 'object' && Object.values(value).some(holdsBytes)

const bytes = (...list) => Buffer.from(list)

/** The packets, with the names of objects in order, as Go writes them. */
export const packets = {
  connect: { type: 0, nsp: '/' },
  'connect with auth': { type: 0, nsp: '/admin', data: { token: 'tök"en' } },
  'event as the client has it': { type: 2, data: ['said'], options: { compress: true }, id: 3, nsp: '/' },
  disconnect: { type: 1, nsp: '/admin' },
  event: { type: 2, nsp: '/', data: ['said', 'ann', 1] },
  'event without arguments': { type: 2, nsp: '/admin', data: ['nothing'] },
  'event named by a number': { type: 2, nsp: '/', data: [7, 'x'] },
  'event with an ack': { type: 2, nsp: '/', id: 0, data: ['ask', null, true, false] },
  'event with an ack in a namespace': { type: 2, nsp: '/a/b', id: 456, data: ['ask'] },
  numbers: { type: 2, nsp: '/', data: ['numbers', 0, -1, 31, 127, 128, 255, 256, 65535, 65536, -32, -33, -128, -129, -32768, -32769, 2 ** 31, -(2 ** 31) - 1, 2 ** 32, 2 ** 53 - 1, -(2 ** 53 - 1), 1.5, -0.1, 1e-7] },
  strings: { type: 2, nsp: '/', data: ['strings', '', 'héllo <&> "\\ 😀', 'x'.repeat(31), 'x'.repeat(32), 'x'.repeat(300), '\u0000\u001e\n'] },
  objects: { type: 2, nsp: '/', data: ['objects', { list: [1, [], {}, null], none: null, userName: 'ann' }, [], Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i + 10}`, i]))] },
  bytes: { type: 2, nsp: '/', data: ['bytes', bytes(1, 2, 255)] },
  'no bytes': { type: 2, nsp: '/', data: ['bytes', bytes()] },
  'bytes deep inside': { type: 2, nsp: '/admin', id: 12, data: ['bytes', [{ a: [bytes(1)], b: { c: bytes(2), d: 'x' } }], bytes(3)] },
  'ten times bytes': { type: 2, nsp: '/', data: ['bytes', Array.from({ length: 10 }, (_, i) => bytes(i))] },
  'many bytes': { type: 2, nsp: '/', data: ['bytes', Buffer.alloc(300, 'x')] },
  'an ArrayBuffer': { type: 2, nsp: '/', data: ['bytes', Uint8Array.of(1, 2, 3).buffer] },
  ack: { type: 3, nsp: '/', id: 7, data: [1, 'b', { c: null }] },
  'ack without values': { type: 3, nsp: '/admin', id: 2 ** 53 - 1, data: [] },
  'ack with bytes': { type: 3, nsp: '/', id: 789, data: [bytes(1), { b: bytes(2) }] },
  'user data that looks like a placeholder': { type: 2, nsp: '/', data: ['odd', { _placeholder: true, num: 0 }] },
  dates: { type: 2, nsp: '/', data: ['dates', new Date(0), new Date(1500), { at: new Date(-1) }] },
  undefined: { type: 2, nsp: '/', data: ['undefined', undefined, [undefined], { a: undefined, b: 1 }] },
}

/** described is a value as JSON can hold it: what it cannot becomes an object with one name that begins with $. */
export function described(value) {
  if (value === undefined) return { $undefined: true }
  if (value instanceof Date) return { $date: value.getTime() }
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return { $bytes: Buffer.from(value).toString('hex') }
  if (Array.isArray(value)) return value.map(described)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, described(v)]))
}

const shown = message => typeof message === 'string' ? { text: message } : { hex: Buffer.from(message).toString('hex') }

/** record is what a parser writes for all packets. */
export function record(parser) {
  const written = Object.entries(packets).map(([name, packet]) => {
    const { type, nsp, id, data } = packet
    const messages = parsers[parser].encode({ ...packet }).map(shown)
    return { name, type, nsp, ...(id === undefined ? {} : { id }), ...(data === undefined ? {} : { data: described(data) }), messages }
  })
  return JSON.stringify({ parser, packets: written }, null, 1) + '\n'
}

/** understood is the packet that a parser reads from messages. */
export function understood(parser, messages) {
  const decoder = new parsers[parser].Decoder()
  const all = []
  decoder.on('decoded', packet => { all.push(packet) })
  for (const { text, hex } of messages) decoder.add(text ?? Buffer.from(hex, 'hex'))
  if (all.length !== 1) throw new Error(`${all.length} packets of ${JSON.stringify(messages)}`)
  const [{ type, nsp, id, data }] = all
  return { type: type >= 5 ? type - 3 : type, nsp, ...(id === undefined ? {} : { id }), ...(data === undefined ? {} : { data: described(data) }) }
}

export const fileOf = parser => `${parser.replaceAll(' ', '-')}.json`

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await mkdir(folder, { recursive: true })
  for (const parser of Object.keys(parsers)) await writeFile(new URL(fileOf(parser), folder), record(parser))
}
