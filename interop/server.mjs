// Starts the programs under test: the demo, the small server in testserver, the examples of what was moved here.

import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { resolvers, within } from './wait.mjs'

export const root = fileURLToPath(new URL('..', import.meta.url))

const shared = process.env.PROGRAMS // a folder of binaries that all test files of a run have
const folder = shared ?? mkdtempSync(join(tmpdir(), 'parley-interop-'))
const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  if (!shared) rmSync(folder, { recursive: true, force: true })
})

const built = new Map() // name → promise of the binary's path

/** build compiles a program once per run, or per test file where the run has no folder for it; with RACE=1 under the race
    detector. */
function build(name, dir) {
  if (!built.has(name)) built.set(name, binaryOf(name, dir))
  return built.get(name)
}

async function binaryOf(name, dir) {
  const race = process.env.RACE === '1'
  const binary = join(folder, race ? `${name}-race` : name)
  if (existsSync(binary)) return binary
  const own = `${binary}-${process.pid}` // another file may be building it, too
  await promisify(execFile)('go', ['build', '-buildvcs=false', ...(race ? ['-race'] : []), '-o', own, '.'], { cwd: join(root, dir) })
  renameSync(own, binary)
  return binary
}

/** startDemo starts `parley demo` on a free port of 127.0.0.1. */
export async function startDemo({ listen, args = [] } = {}) {
  // The npm folder is found from the repository's root.
  return start(await build('parley', 'cmd/parley'), ['demo', '--listen', listen ?? await lasting(), ...args], /^parley demo: (http:\/\/\S+)$/)
}

/** startTestserver starts interop/testserver on a free port of 127.0.0.1; with REFERENCE=1 its twin on npm's socket.io. */
export async function startTestserver({ listen, args = [] } = {}) {
  const says = /^testserver: (http:\/\/\S+)$/
  if (process.env.REFERENCE === '1') {
    return start(process.execPath, [join(root, 'interop/socketio/reference.mjs'), '--listen', listen ?? await lasting(), ...args], says)
  }
  return start(await build('testserver', 'interop/testserver'), ['--listen', listen ?? await lasting(), ...args], says)
}

/** startMigration starts examples/migration on a free port of 127.0.0.1. Its url is that of the hub. */
export async function startMigration() {
  return start(await build('migration', 'examples/migration'), ['-listen', '127.0.0.1:0'], /^chat: (http:\/\/\S+)$/)
}

/** startChat starts a chat that was moved to Go, examples/migration-socketio, or with original the one that was, socketio/chat.mjs. */
export async function startChat({ original = false } = {}) {
  const says = /^chat: (http:\/\/\S+)$/
  if (original) return start(process.execPath, [join(root, 'interop/socketio/chat.mjs'), '--listen', '127.0.0.1:0'], says)
  const client = join(root, 'interop/node_modules/socket.io-client/dist')
  return start(await build('migration-socketio', 'examples/migration-socketio'), ['-listen', '127.0.0.1:0', '-client', client], says)
}

/** startWebtransport starts socketio/webtransport's own server, by TCP and QUIC. It tells the hash of its certificate. */
export async function startWebtransport({ listen, args = [] } = {}) {
  const binary = await build('webtransport', 'socketio/webtransport/internal/testserver')
  return start(binary, ['--listen', listen ?? await lasting(), ...args], /^testserver: (https:\/\/\S+) (?<certificate>\S+)$/)
}

/** startReference starts the twin of testserver on npm's socket.io. */
export async function startReference({ listen, args = [] } = {}) {
  const twin = fileURLToPath(new URL('socketio/twin.mjs', import.meta.url))
  return start(process.execPath, [twin, '--listen', listen ?? await lasting(), ...args], /^testserver: (http:\/\/\S+)$/)
}

const [lowest, highest] = [10_100, 32_000] // below the ports that systems give out, above the last that is bad for fetch
let last = lowest + Math.floor(Math.random() * (highest - lowest))

/** lasting is a free address at which a server can be started again: the system gives its port to nobody else meanwhile. */
async function lasting() {
  for (;;) {
    const port = last = last < highest ? last + 1 : lowest
    const probe = createServer()
    const free = await new Promise(resolve => probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)))
    if (!free) continue
    await new Promise(resolve => probe.close(resolve))
    return `127.0.0.1:${port}`
  }
}

async function start(binary, args, announcement) {
  const child = spawn(binary, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const server = new Server(child)
  const lines = createInterface({ input: child.stdout })
  const announced = await within(`address of ${binary}`, Promise.race([
    new Promise(resolve => lines.on('line', line => {
      const found = announcement.exec(line)
      if (found) resolve(found)
    })),
    server.exited.then(code => { throw new Error(`${binary} ended with ${code}:\n${server.log}`) }),
  ]), 30_000)
  const url = announced[1]
  Object.assign(server, announced.groups)
  server.url = url.replace(/\/$/, '')
  server.host = new URL(url).host
  server.port = Number(new URL(url).port)
  return server
}

class Server {
  log = ''
  #child
  #exit = resolvers()

  constructor(child) {
    this.#child = child
    this.exited = this.#exit.promise
    child.stderr.setEncoding('utf8').on('data', text => { this.log += text })
    child.on('error', this.#exit.reject)
    child.on('exit', (code, signal) => {
      running.delete(child)
      this.#exit.resolve(code ?? signal)
    })
  }

  /** stop asks the server to say goodbye to everyone; resolves with its exit code. */
  async stop() {
    this.#child.kill('SIGTERM')
    const code = await within('end of the server', this.exited, 60_000).catch(err => { // a testserver gives itself 45 s
      this.#child.kill('SIGKILL')
      throw new Error(`${err.message}\n${this.log}`)
    })
    if (/DATA RACE|^panic:|^fatal error:/m.test(this.log)) throw new Error(this.log)
    return code
  }

  /** kill ends the server, without a word to anyone. */
  async kill() {
    this.#child.kill('SIGKILL')
    await this.exited
  }

  /** healthy tells whether the server still answers. */
  async healthy() {
    const answer = await fetch(this.url + '/healthz', { signal: AbortSignal.timeout(10_000) })
    await answer.text()
    return answer.status === 200
  }
}
