// @ts-check
// An operator's end of the contract, by either client. Each client has its own types, made of the Go package jobs:
// what is called by a wrong name, or with what does not fit, does not pass the compiler.

import { load } from '/web/dialects.js'

/**
 * What an operator can do.
 * @typedef {object} Operator
 * @property {(order: Jobs.Order) => Promise<Jobs.Report>} run waits for the end of the job
 * @property {() => Promise<Jobs.Job[] | null>} running
 * @property {(id: string) => Promise<void>} cancel
 * @property {(text: string) => void} note waits for nothing
 * @property {() => void} close
 */

/**
 * What an operator hears and is asked.
 * @typedef {object} Ears
 * @property {(carrier: string) => void} opened
 * @property {(why: string, again: boolean) => void} faulted again: the client tries to come back
 * @property {(why: string) => void} closed
 * @property {(job: Jobs.Job) => void} changed
 * @property {(from: string, text: string) => void} noted
 * @property {(session: Jobs.Session) => void} present
 * @property {(why: string) => void} refused a remark, which nobody waited for
 * @property {(request: Jobs.Request) => Promise<Jobs.Verdict>} approve
 */

/** How long an answer may take, in milliseconds: a job lasts as long as its operator thinks. */
const patience = 120_000

/**
 * overSignalR begins a session by @microsoft/signalr.
 * @param {string} name
 * @param {Ears} ears
 * @returns {Promise<Operator>}
 */
export async function overSignalR(name, ears) {
  await load('/npm/signalr.min.js')
  /** @type {Jobs.SignalR.Connection} */
  const hub = new signalR.HubConnectionBuilder()
    .withUrl('/duplex/hub/signalr?' + new URLSearchParams({ name }))
    .withAutomaticReconnect()
    .configureLogging(signalR.LogLevel.None)
    .build()
  hub.onreconnecting(err => ears.faulted(err?.message ?? '', true))
  hub.onreconnected(() => ears.opened('@microsoft/signalr'))
  hub.onclose(err => err ? ears.faulted(err.message, false) : ears.closed(''))
  hub.on('changed', ears.changed)
  hub.on('noted', ears.noted)
  hub.on('present', ears.present)
  hub.on('approve', ears.approve) // what it resolves with is the answer
  const words = (/** @type {Error} */ err) => { throw new Error(err.message.replace(/^.*HubException: /s, '')) }
  await hub.start().then(() => ears.opened('@microsoft/signalr'), err => ears.faulted(err.message, false))
  return {
    run: order => hub.invoke('run', order).catch(words),
    running: () => hub.invoke('running').catch(words),
    cancel: id => hub.invoke('cancel', id).catch(words),
    note: text => { hub.send('note', name, text).catch(() => {}) }, // lost with the session, whose end tells
    close: () => { hub.stop() },
  }
}

/**
 * overSocketIO begins a session by socket.io-client.
 * @param {string} name
 * @param {Ears} ears
 * @returns {Promise<Operator>}
 */
export async function overSocketIO(name, ears) {
  await load('/duplex/socket.io/socket.io.min.js')
  /** @type {Jobs.SocketIO.Socket} */
  const socket = io({ path: '/duplex/socket.io/', query: { name }, forceNew: true })
  socket.on('connect', () => ears.opened('socket.io-client'))
  socket.on('connect_error', err => ears.faulted(err.message, socket.active))
  socket.on('disconnect', reason => reason.startsWith('io ') ? ears.closed(reason) : ears.faulted(reason, socket.active))
  socket.on('changed', ears.changed)
  socket.on('noted', ears.noted)
  socket.on('present', ears.present)
  socket.on('error', failure => ears.refused(failure.message)) // over SignalR, what nobody waits for fails silently
  socket.on('approve', (request, ack) => { ears.approve(request).then(ack) }) // the ack is the answer
  const patient = socket.timeout(patience)
  return {
    run: async order => expect(await patient.emitWithAck('run', order)),
    running: async () => expect(await patient.emitWithAck('running')),
    cancel: async id => expect(await patient.emitWithAck('cancel', id)),
    note: text => { socket.emit('note', name, text) },
    close: () => { socket.disconnect() },
  }
}

/**
 * expect fails when an ack has brought a failure.
 * @template T
 * @param {T | Jobs.Failure} answer
 * @returns {T}
 */
function expect(answer) {
  if (isFailure(answer)) throw new Error(answer.error.message)
  return answer
}

/** @type {(answer: unknown) => answer is Jobs.Failure} */
function isFailure(answer) {
  return typeof answer === 'object' && answer !== null && 'error' in answer
}
