// What a page may do with the contract of package everything, and gets from it.

import { HubConnectionBuilder, Subject, type IStreamResult } from '@microsoft/signalr'
import { io, type Socket } from 'socket.io-client'

import { Color, State, failed, type Forest, type ID, type Level, type SignalR, type SocketIO } from './everything.js'

/** same compiles when the value has exactly the type. */
function same<Want>(): <Got>(got: Got, proof: (<T>() => T extends Got ? 1 : 2) extends (<T>() => T extends Want ? 1 : 2) ? true : never) => void {
  return () => {}
}

export async function overSignalR() {
  const hub: SignalR.Connection = new HubConnectionBuilder().withUrl('/hub').withAutomaticReconnect().build()
  hub.onclose(err => console.log(err?.message))
  hub.on('saved', item => { same<SignalR.Item>()(item, true) })
  hub.on('cleared', () => {})
  hub.on('moved', (default_, ack) => { same<number>()(default_, true); same<number>()(ack, true) })
  hub.on('nested', forest => { same<Forest>()(forest, true) })
  hub.on('sure', (text, wait) => text.length > wait)
  hub.on('pick', async choice => choice.state === State.Open ? Color.Red : 'blue')
  hub.off('pick')
  await hub.start()

  same<void>()(await hub.invoke('ping'), true)
  same<string>()(await hub.invoke('plain', 7), true)
  same<{ [key: string]: SignalR.Item } | null>()(await hub.invoke('many', ['a']), true)
  same<SignalR.PagedOfItem>()(await hub.invoke('page'), true)
  same<SignalR.Blob>()(await hub.invoke('store', btoa('bytes')), true)
  same<unknown>()(await hub.invoke('pair', { a: 1, b: null }), true)
  await hub.invoke('move', 1, 2)
  await hub.send('save', { name: 'n', urlValue: 1, id: 'x', 'with-dash': '', '-': '' })
  same<IStreamResult<SignalR.Item>>()(hub.stream('tail', 'log'), true)
  hub.stream('tail', 'log').subscribe({ next: item => item.name, error: () => {}, complete: () => {} })
  const upload = new Subject<SignalR.Blob>()
  same<number>()(await hub.invoke('import', 'name', upload), true)
}

export async function overSocketIO() {
  const socket: SocketIO.Socket = io('/chat', { forceNew: true })
  const bare: Socket<SocketIO.ListenEvents, SocketIO.EmitEvents> = io()
  for (const one of [socket, bare]) {
    one.on('connect', () => {})
    one.on('disconnect', reason => reason.length)
    one.on('saved', item => { same<SocketIO.Item>()(item, true) })
    one.on('sure', (text, wait, ack) => ack(text.length > wait))
    one.on('pick', (choice, ack) => ack(choice.State === 'open' ? Color.Red : { error: { code: 'no', message: 'not now' } }))
    one.on('given', ack => ack([{ name: 'n', When: new Date().toJSON() }]))
    one.on('error', failure => { same<string>()(failure.code, true) })
    one.emit('plain', 7, answer => { if (!failed(answer)) same<string>()(answer, true) })
    one.emit('ping', failure => console.log(failure?.error.message))
    one.emit('move', 1, 2, failure => console.log(failure?.error.data))
    same<SocketIO.PagedOfItem | import('./everything.js').Failure>()(await one.emitWithAck('page'), true)
  }
  socket.emit('ping')
  socket.emit('move', 1, 2).emit('ping')
  socket.emit('save', { Name: 'n', URLValue: 1, id: 'x', 'with-dash': '', '-': '' })
  const blob = await socket.timeout(1000).emitWithAck('store', new Uint8Array(3))
  if (failed(blob)) throw new Error(blob.error.message)
  same<SocketIO.Blob>()(blob, true)
  if (blob.Data) new Uint8Array(blob.Data)
  const done = await socket.timeout(1000).emitWithAck('ping')
  if (done) console.log(done.error.code)
  socket.timeout(1000).emit('page', (err, answer) => console.log(err, failed(answer)))
}

export const numbers: Level[] = [1, 2, 3]
export const id: ID = 'any string'
