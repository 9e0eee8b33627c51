// What `parley contract` prints, judged by the TypeScript compiler with the types of the real clients: pages that keep to
// the contract compile, pages that do not, do not.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

import ts from 'typescript'

import { root } from './server.mjs'

const golden = join(root, 'cmd/parley/internal/typescript/testdata/golden')
const here = join(root, 'interop/contract')
const duplex = join(root, 'examples/duplex')

const options = {
  noEmit: true, strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, noUnusedLocals: false, allowJs: true, skipDefaultLibCheck: true,
  isolatedModules: true, verbatimModuleSyntax: true, erasableSyntaxOnly: true, skipLibCheck: false,
  target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, types: [],
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
}

const parsed = new Map() // the files that all programs share

/** compile resolves with what the compiler says: files are names on the disk, or name → text of what is not there. Modules are looked for
    beside them, and in the folder of this test. */
function compile(files, more = {}) {
  const own = new Map(Object.entries(files).map(([name, text]) => [join(here, name), text ?? '']))
  const host = ts.createCompilerHost(options)
  const { readFile, fileExists, getSourceFile } = host
  host.readFile = name => own.get(name) ?? readFile(name)
  host.fileExists = name => own.has(name) || fileExists(name)
  host.getSourceFile = (name, ...rest) => {
    if (own.has(name)) return ts.createSourceFile(name, own.get(name), rest[0], true)
    if (!parsed.has(name)) parsed.set(name, getSourceFile(name, ...rest))
    return parsed.get(name)
  }
  return complaints(ts.createProgram([...own.keys()], { ...options, ...more }, host))
}

function complaints(program) {
  return ts.getPreEmitDiagnostics(program).map(d => {
    const at = d.file ? `${d.file.fileName.replace(here + '/', '')}:${d.file.getLineAndCharacterOfPosition(d.start).line + 1}: ` : ''
    return at + ts.flattenDiagnosticMessageText(d.messageText, ' ')
  })
}

const run = (...args) => promisify(execFile)('go', ['run', '-buildvcs=false', './cmd/parley', 'contract', ...args], { cwd: root })
const read = (folder, name) => readFileSync(join(folder, name), 'utf8')
const everything = read(golden, 'everything.ts')

test('a page that keeps to the contract compiles', () => {
  assert.deepEqual(compile({ 'everything.ts': everything, 'use.ts': read(here, 'use.ts') }), [])
})

test('what the hub writes is what was declared', () => {
  assert.deepEqual(compile({ 'everything.ts': everything, 'samples.ts': read(golden, 'samples.ts') }), [])
})

test('a contract of one question has all the tables that pages name', () => {
  const page = `
    import { HubConnectionBuilder } from '@microsoft/signalr'
    import { io, type Socket } from 'socket.io-client'
    import type { SignalR, SocketIO } from './lone.js'
    const hub: SignalR.Connection = new HubConnectionBuilder().withUrl('/').build()
    hub.on('sure', () => true)
    // @ts-expect-error
    hub.invoke('sure')
    const socket: SocketIO.Socket = io()
    const bare: Socket<SocketIO.ListenEvents, SocketIO.EmitEvents> = socket
    bare.on('sure', ack => ack(true))
    // @ts-expect-error
    socket.emit('sure')
  `
  assert.deepEqual(compile({ 'lone.ts': read(golden, 'lone.ts'), 'page.ts': page }), [])
})

test('the declarations for one family need the client of that family alone', () => {
  for (const [name, not] of [['signalr.ts', 'socket.io'], ['declared.ts', 'socket.io'], ['socketio.ts', 'signalr']]) {
    const text = read(golden, name)
    assert.ok(!text.includes(`"${not}`) && !text.includes(`/${not}"`), `${name} imports ${not}`)
    assert.deepEqual(compile({ [name]: text }), [])
  }
})

/** The versions of the clients that are installed beside those of today, by the name of the npm package. */
const versions = {
  '@microsoft/signalr': ['signalr-3', 'signalr-5', 'signalr-6', 'signalr-7', 'signalr-8'],
  'socket.io-client': ['socket.io-client-4.0', 'socket.io-client-4.5', 'socket.io-client-4.6', 'socket.io-client-4.7'],
}
for (const [name, all] of Object.entries(versions)) {
  for (const version of all) {
    test(`the declarations are good for ${version}`, () => {
      const paths = { [name]: [join(root, 'interop/node_modules', version)] }
      const [file, page] = name === 'socket.io-client'
        ? ['socketio.ts', `
          import { io } from 'socket.io-client'
          import type { SocketIO } from './socketio.js'
          const socket: SocketIO.Socket = io()
          socket.on('saved', item => item.Name.length)
          socket.emit('ping')
          socket.emit('plain', 7, answer => answer)
          // @ts-expect-error
          socket.emit('plain', '7', () => {})
        `]
        : ['signalr.ts', `
          import { HubConnectionBuilder } from '@microsoft/signalr'
          import type { SignalR } from './signalr.js'
          const hub: SignalR.Connection = new HubConnectionBuilder().withUrl('/').build()
          hub.on('saved', item => item.name.length)
          hub.invoke('plain', 7).then(answer => answer.length)
          // @ts-expect-error
          hub.invoke('plain', '7')
        `]
      assert.deepEqual(compile({ [file]: read(golden, file), 'page.ts': page }, { paths, skipLibCheck: true }), [])
    })
  }
}

test('ambient declarations serve scripts without modules', () => {
  const files = {
    'everything.d.ts': read(golden, 'everything.d.ts'),
    'globals.d.ts': read(duplex, 'globals.d.ts'),
  }
  assert.deepEqual(compile({
    ...files,
    'page.js': `// @ts-check
      /** @type {Everything.SignalR.Connection} */
      const hub = new signalR.HubConnectionBuilder().withUrl('/hub').build()
      hub.on('saved', item => item.urlValue.toFixed())
      hub.on('pick', choice => choice.color ?? 'red')
      hub.stream('tail', 'log').subscribe({ next: item => item.id, error() {}, complete() {} })
      /** @type {Everything.SocketIO.Socket} */
      const socket = io()
      socket.on('saved', item => item.URLValue.toFixed())
      socket.emit('ping')
      socket.emit('page', answer => 'error' in answer ? answer.error.code : answer.more)
    `,
  }, { isolatedModules: false, verbatimModuleSyntax: false }), [])
  const said = compile({ ...files, 'page.js': '// @ts-check\n/** @type {Everything.SocketIO.Socket} */\nconst socket = io()\nsocket.on("saved", item => item.urlValue)\n' },
    { isolatedModules: false, verbatimModuleSyntax: false })
  assert.equal(said.length, 1, said.join('\n'))
  assert.match(said[0], /page\.js:4: Property 'urlValue' does not exist on type 'Item'/)
})

const head = `
import type { SignalR, SocketIO, Failure } from './everything.js'
import { State } from './everything.js'
declare const hub: SignalR.Connection
declare const socket: SocketIO.Socket
export {}
`

/** What must not compile, by what is wrong with it. */
const wrong = {
  'SignalR: a method that is not there': `hub.invoke('nothing')`,
  'SignalR: an event called as a method': `hub.invoke('saved')`,
  'SignalR: too few arguments': `hub.invoke('move', 1)`,
  'SignalR: too many arguments': `hub.invoke('ping', 1)`,
  'SignalR: an argument of another type': `hub.invoke('plain', '7')`,
  'SignalR: a property too few': `hub.invoke('save', { name: 'n', urlValue: 1, id: 'x', '-': '' })`,
  "SignalR: Socket.IO's names": `hub.invoke('save', { Name: 'n', URLValue: 1, id: 'x', 'with-dash': '', '-': '' })`,
  'SignalR: an answer read as another type': `const n: number = await hub.invoke('plain', 7)`,
  'SignalR: an answer that may be null': `(await hub.invoke('many', null)).x`,
  'SignalR: the answer of a command': `(await hub.invoke('ping')).x`,
  'SignalR: a one-way call with other arguments': `hub.send('move', 'a', 'b')`,
  'SignalR: a stream that is invoked': `hub.invoke('tail', 'x')`,
  'SignalR: a method that is streamed': `hub.stream('plain', 7)`,
  'SignalR: values of a stream': `hub.stream('tail', 'x').subscribe({ next: (n: number) => {}, error() {}, complete() {} })`,
  'SignalR: an upload without its stream': `hub.invoke('import', 'name')`,
  'SignalR: an event that is not there': `hub.on('Saved', () => {})`,
  'SignalR: a listener of another type': `hub.on('saved', (item: string) => {})`,
  'SignalR: a question without an answer': `hub.on('sure', () => {})`,
  'SignalR: a question with another answer': `hub.on('sure', text => text)`,
  'SignalR: a value that no constant has': `hub.on('pick', () => 'green')`,
  'SignalR: bytes that are not in base64': `hub.invoke('store', new Uint8Array(1))`,
  'Socket.IO: an event that is not there': `socket.emit('nothing')`,
  'Socket.IO: an argument of another type': `socket.emit('move', '1', 2)`,
  'Socket.IO: a method without an ack': `socket.emit('plain', 7)`,
  'Socket.IO: an ack of another type': `socket.emit('plain', 7, (answer: number) => {})`,
  "Socket.IO: SignalR's names": `socket.emit('save', { name: 'n', urlValue: 1, id: 'x', 'with-dash': '', '-': '' })`,
  'Socket.IO: an answer that may be a failure': `(await socket.emitWithAck('page')).items`,
  'Socket.IO: the same within a time': `(await socket.timeout(1).emitWithAck('page')).items`,
  'Socket.IO: arguments of emitWithAck': `socket.emitWithAck('move', 1)`,
  'Socket.IO: an argument too many': `socket.emitWithAck('ping', 1)`,
  'Socket.IO: a stream': `socket.emit('tail', 'x', () => {})`,
  'Socket.IO: a listener of another type': `socket.on('saved', (item: string) => {})`,
  'Socket.IO: a question with another answer': `socket.on('sure', (text, wait, ack) => ack(text))`,
  'Socket.IO: bytes in base64': `socket.emitWithAck('store', 'aGk=')`,
  'a union that is compared with something else': `hub.on('pick', c => { if (c.state === 'ajar') throw 1; return 'red' })`,
  'a property that may be missing': `hub.on('tree', n => n.kids.length)`,
  'a pointer that may be nil': `hub.on('tree', n => n.left.value)`,
  'a value that writes itself': `hub.on('all', e => e.own.own)`,
  'a constant that is not there': `State.Ajar`,
}

test('a page that breaks the contract does not compile', () => {
  const files = Object.fromEntries(Object.values(wrong).map((line, i) => [`wrong${i}.ts`, `${head}${line}\n`]))
  const said = compile({ 'everything.ts': everything, ...files })
  Object.entries(wrong).forEach(([what, line], i) => {
    const own = said.filter(text => text.startsWith(`wrong${i}.ts:`))
    assert.ok(own.length > 0, `${what} compiles: ${line}`)
    assert.ok(own.every(text => text.startsWith(`wrong${i}.ts:7: `)), `${what}: ${own}`)
  })
  assert.ok(said.every(text => text.startsWith('wrong')), said.join('\n'))
})

test("the duplex page keeps to its contract", () => {
  const page = Object.fromEntries(['app.js', 'operators.js', 'jobs.d.ts'].map(name => [name, read(duplex, name)]))
  const all = { ...page, 'globals.d.ts': read(duplex, 'globals.d.ts') }
  const more = { isolatedModules: false, verbatimModuleSyntax: false, paths: { '/web/*': [join(root, 'examples/web/*')] } }
  const unreadable = d => { throw new Error(ts.flattenDiagnosticMessageText(d.messageText, ' ')) }
  const project = ts.getParsedCommandLineOfConfigFile(join(duplex, 'tsconfig.json'), {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: unreadable })
  assert.deepEqual(complaints(ts.createProgram(project.fileNames, project.options)), [])
  assert.deepEqual(project.fileNames.map(name => name.replace(/.*\//, '')).sort(), Object.keys(all).sort())
  for (const [from, to, message] of [
    ["'changed'", "'chnaged'", /chnaged/],
    ['job.phase', 'job.phrase', /phrase/],
    ['approved:', 'aproved:', /aproved/],
  ]) {
    const broken = Object.fromEntries(Object.entries(all).map(([name, text]) => [name, name.endsWith('.js') ? text.replaceAll(from, to) : text]))
    assert.notDeepEqual(broken, all, `${from} is not in the page`)
    assert.match(compile(broken, more).join('\n'), message, `${to} for ${from} goes unnoticed`)
  }
})

test("the guide's page compiles, and its module loads", async () => {
  const [, page] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, 'docs/contracts.md'), 'utf8'))
  const { stdout: jobs } = await run('ts', './examples/duplex/jobs')
  assert.deepEqual(compile({ 'jobs.ts': jobs, 'page.ts': page }), [])
  const { outputText } = ts.transpileModule(jobs, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true } })
  const { Phase, failed } = await import('data:text/javascript,' + encodeURIComponent(outputText))
  assert.equal(Phase.Waiting, 'waiting')
  assert.ok(failed({ error: { code: 'busy', message: 'later' } }))
  for (const answer of [undefined, null, 'error', 7, {}, { error: null }, { error: {} }, { error: { code: 1, message: '' } }, ['error']]) {
    assert.ok(!failed(answer), JSON.stringify(answer))
  }
})

test('the command prints, and says where a package is wrong', async () => {
  const { stdout } = await run('ts', './cmd/parley/internal/typescript/testdata/everything')
  assert.equal(stdout.replace(/^.*\n/, ''), everything.replace(/^.*\n/, ''))
  await assert.rejects(run('ts', './cmd/parley/internal/typescript/testdata/broken'), err => /broken\.go:5:26: undefined: Draft/.test(err.stderr))
})
