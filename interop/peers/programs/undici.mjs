// undici's WebSocket as a peer: undici.mjs client URL... It always offers compression, and cannot make fragments.

import { channel } from 'node:diagnostics_channel'

import { WebSocket, ping } from 'undici'

import { Echoer, eachInTurn } from './echoer.mjs'

class Peer extends Echoer {
  constructor(url) {
    super(url)
    this.ws = new WebSocket(url)
    this.ws.binaryType = 'arraybuffer'
    this.ws.onmessage = ({ data }) => this.message(typeof data === 'string', Buffer.from(data))
    this.ws.onerror = event => { this.report.error = String(event.error ?? event.message) }
    const pong = () => this.report.pongs++
    channel('undici:websocket:pong').subscribe(pong)
    this.ended = new Promise(resolve => {
      this.ws.onclose = ({ code, reason }) => {
        channel('undici:websocket:pong').unsubscribe(pong)
        this.closed(code, reason, this.ws.extensions)
        resolve()
      }
    })
  }

  write(text, data) { this.ws.send(text ? data.toString() : data) }

  ping() { ping(this.ws, Buffer.from('ping')) }

  close(code, reason) { this.ws.close(code, reason) }
}

await eachInTurn(process.argv.slice(3), url => new Peer(url).ended)
