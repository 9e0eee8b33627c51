// npm's ws as a peer: ws.mjs client URL..., or ws.mjs server.

import { WebSocket, WebSocketServer } from 'ws'

import { Echoer, eachInTurn } from './echoer.mjs'

const options = { perMessageDeflate: { threshold: 0 }, maxPayload: 1 << 20 }

class Peer extends Echoer {
  constructor(url, ws) {
    super(url)
    this.ws = ws
    this.ended = new Promise(resolve => ws.on('close', (code, reason) => {
      this.closed(code, reason.toString(), ws.extensions)
      resolve()
    }))
    ws.on('message', (data, isBinary) => this.message(!isBinary, data))
    ws.on('pong', () => this.report.pongs++)
    ws.on('error', err => { this.report.error = String(err) })
  }

  write(text, data, fragments) {
    if (!fragments) return this.ws.send(data, { binary: !text })
    const half = data.length >> 1 // also in the middle of a character
    this.ws.send(data.subarray(0, half), { binary: !text, fin: false })
    this.ws.send(data.subarray(half), { binary: !text })
  }

  ping() { this.ws.ping('ping') }

  close(code, reason) { this.ws.close(code, reason) }
}

function serve() {
  const server = new WebSocketServer({ ...options, host: '127.0.0.1', port: 0 })
  server.on('listening', () => console.log(JSON.stringify({ url: `ws://127.0.0.1:${server.address().port}/` })))
  server.on('connection', (ws, request) => new Peer(request.url, ws))
  process.stdin.resume().on('end', () => server.close())
}

const [role, ...urls] = process.argv.slice(2)
if (role === 'server') serve()
else await eachInTurn(urls, url => new Peer(url, new WebSocket(url, options)).ended)
