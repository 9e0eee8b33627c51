// What Microsoft's clients say, byte by byte: a whole conversation of the real HubConnection, over a connection that
// writes down what is sent. And the other direction: what they make of the bytes of ours.
//
//   node signalr/golden.mjs                               writes <version>.<protocol>.json anew
//   go test ./signalr -run TestGoldenServer -update       writes server.json anew
//
// Both are in ../signalr/testdata/golden. Tests of either language read what the other one has written.

import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)

export const folder = new URL('../../signalr/testdata/golden/', import.meta.url)

/** The libraries, by their major version, as package.json names them. */
export const libraries = {
  10: ['@microsoft/signalr', '@microsoft/signalr-protocol-msgpack'],
  8: ['signalr-8', 'signalr-msgpack-8'],
  5: ['signalr-5', 'signalr-msgpack-5'],
}

export const protocols = ['json', 'messagepack']

export function library(version) {
  const [signalR, msgpack] = libraries[version].map(require)
  return {
    signalR,
    version: signalR.VERSION,
    protocol: name => name === 'json' ? new signalR.JsonHubProtocol() : new msgpack.MessagePackHubProtocol(),
  }
}

const silent = { log() {} }

/** Wire is a connection that writes down what is sent, step by step. */
class Wire {
  features = {}
  baseUrl = 'http://hub'
  connectionId = 'here'
  steps = []

  constructor(protocol) { this.protocol = protocol }

  async start() {}

  async stop(error) { this.onclose(error) }

  async send(data) {
    this.steps.at(-1).sent += Buffer.from(data).toString(this.protocol === 'json' ? 'utf8' : 'hex')
  }

  /** step runs fn; what is sent until all has settled belongs to it. */
  async step(name, fn) {
    this.steps.push({ name, sent: '' })
    await fn()
    for (let i = 0; i < 5; i++) await new Promise(setImmediate)
  }

  /** receive brings what the server has sent: text for json, bytes for messagepack. */
  receive(sent) {
    this.onreceive(this.protocol === 'json' ? Buffer.from(sent).toString() : Uint8Array.from(sent).buffer)
  }
}

/** record plays the conversation and returns its steps. */
export async function record(version, protocol) {
  const { signalR, protocol: make } = library(version)
  const wire = new Wire(protocol)
  const stateful = version >= 8
  wire.features.reconnect = stateful
  const hub = signalR.HubConnection.create(wire, silent, make(protocol), undefined, 1e6, 1e6, 100_000)
  const ignore = promise => { promise.catch(() => {}) }

  await wire.step('handshake', async () => {
    const started = hub.start()
    await new Promise(setImmediate)
    wire.receive(Buffer.from('{}\x1e'))
    await started
  })
  await wire.step('invoke', () => ignore(hub.invoke('add', 1, 2)))
  await wire.step('invoke without arguments', () => ignore(hub.invoke('nothing')))
  await wire.step('send', () => ignore(hub.send('say', 'lobby', 'héllo <&> "\\\u2028 😀\x1e', null, true)))
  await wire.step('numbers', () => ignore(hub.send('numbers', 0, -1, 127, 128, -33, 65536, 2 ** 31, 2 ** 32, 2 ** 53 - 1, -(2 ** 53 - 1), 1.5, 1e300, 0.1)))
  await wire.step('objects', () => ignore(hub.send('objects', { userName: 'ann', list: [1, [], {}, null], none: null }, [], 'x'.repeat(300))))
  if (protocol === 'messagepack') {
    const at = ms => new Date(ms)
    const far = version > 5 ? [at(Date.UTC(2600, 0, 1)), at(-1000)] : [] // msgpack5 spoils times after 2106, and fails on those before 1970
    await wire.step('binary', () => ignore(hub.send('binary', new Uint8Array([1, 2, 255]), at(0), at(1500), ...far)))
  }
  await wire.step('stream', () => hub.stream('count', 3).subscribe({ next() {}, complete() {}, error() {} }))
  await wire.step('cancel', () => hub.stream('endless').subscribe({ next() {}, complete() {}, error() {} }).dispose())
  await wire.step('upload', async () => {
    const one = new signalR.Subject(), two = new signalR.Subject()
    ignore(hub.send('upload', one, 'with', two)) // the client overlooks a stream that directly follows another
    one.next(1)
    one.next(null)
    two.next({ text: 'x' })
    one.complete()
    two.error(new Error('lost'))
  })
  await wire.step('upload with a result', () => {
    const one = new signalR.Subject()
    ignore(hub.invoke('sum', one))
    one.complete()
  })
  if (version >= 7) {
    hub.on('sure', question => { if (question === 'throw') throw new Error('no!'); return { yes: true, no: null }[question] })
    for (const question of ['yes', 'no', 'throw', 'nothing']) {
      await wire.step(`client result: ${question}`, () => wire.receive(ask(protocol, question)))
    }
  }
  if (stateful) {
    await wire.step('ack', () => new Promise(resolve => setTimeout(resolve, 1200)))
    await wire.step('resend', () => { wire.features.disconnected(); wire.features.resend() })
  }
  await wire.step('stop', () => hub.stop())
  return { client: `@microsoft/signalr ${signalR.VERSION}`, protocol, steps: wire.steps }
}

/** ask is the server's call of 'sure'. */
function ask(protocol, question) {
  if (protocol === 'json') return Buffer.from(`{"type":1,"invocationId":"s1","target":"sure","arguments":["${question}"]}\x1e`)
  const body = Buffer.concat([[0x96, 1, 0x80, 0xa2], 's1', [0xa4], 'sure', [0x91, 0xa0 + question.length], question, [0x90]].map(part => Buffer.from(part)))
  return [body.length, ...body]
}

/** written is the text of a golden file. */
export const written = recording => JSON.stringify(recording, null, 2) + '\n'

/** understood is what a client makes of bytes of ours: text for json, hexadecimal for messagepack. */
export function understood(version, protocol, sent) {
  const input = protocol === 'json' ? sent : Uint8Array.from(Buffer.from(sent, 'hex')).buffer
  return library(version).protocol(protocol).parseMessages(input, silent)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await mkdir(folder, { recursive: true })
  for (const version of Object.keys(libraries)) {
    for (const protocol of protocols) {
      await writeFile(new URL(`${version}.${protocol}.json`, folder), written(await record(Number(version), protocol)))
    }
  }
}
