// Chromium's WebSocket as a peer: chromium.mjs client URL... It always offers compression; a page cannot ping.

import { launch } from '../../browser/chromium.mjs'
import { Echoer, eachInTurn } from './echoer.mjs'

/** talk runs in the page. It has no Buffer and no running hash, and hashes behind the echoes. */
function talk({ url, after, code, reason }) {
  const ws = new WebSocket(url)
  ws.binaryType = 'arraybuffer'
  let messages = 0
  let digest = Promise.resolve(new ArrayBuffer(32))
  const hash = async (before, text, data) =>
    crypto.subtle.digest('SHA-256', await new Blob([await before, text ? 't' : 'b', data]).arrayBuffer())
  ws.onmessage = ({ data }) => {
    messages++
    digest = hash(digest, typeof data === 'string', data)
    ws.send(data)
    if (messages === after) ws.close(code, reason)
  }
  return new Promise(resolve => {
    ws.onclose = async event => {
      const hex = Array.from(new Uint8Array(await digest), byte => byte.toString(16).padStart(2, '0')).join('')
      resolve({ messages, digest: hex, code: event.code, reason: event.reason, extensions: ws.extensions })
    }
  })
}

const urls = process.argv.slice(3)
const browser = await launch()
try {
  const page = await browser.newPage({ ignoreHTTPSErrors: true })
  // The hash needs a page of a server, and HTTP/2 a connection that is there already.
  await page.goto(new URL('/', urls[0].replace(/^ws/, 'http')).href)
  await eachInTurn(urls, async url => {
    const peer = new Echoer(url)
    peer.print(await page.evaluate(talk, { url, after: peer.after, code: peer.code, reason: peer.reason }))
  })
} finally {
  await browser.close()
}
