// What a peer does, whatever its implementation: see ../doc.go.

import { createHash } from 'node:crypto'

/** Echoer has one conversation. Its subclass knows how to write, ping and close. */
export class Echoer {
  constructor(url) {
    const q = new URL(url, 'ws://here').searchParams
    this.after = Number(q.get('after'))
    this.code = Number(q.get('code'))
    this.reason = q.get('reason')
    this.digest = Buffer.alloc(32)
    this.report = { id: q.get('id'), messages: 0, pings: 0, pongs: 0 }
  }

  /** message echoes one, pings with every twentieth, and closes if it was the last. */
  message(text, data) {
    this.report.messages++
    this.digest = createHash('sha256').update(this.digest).update(text ? 't' : 'b').update(data).digest()
    this.write(text, data, this.report.messages % 3 === 0)
    if (this.report.messages % 20 === 1 && this.ping) {
      this.report.pings++
      this.ping()
    }
    if (this.report.messages === this.after) this.close(this.code, this.reason)
  }

  /** closed prints the report. */
  closed(code, reason, extensions) {
    this.print({ digest: this.digest.toString('hex'), code, reason, extensions })
  }

  print(rest) {
    console.log(JSON.stringify({ ...this.report, ...rest }))
  }
}

/** eachInTurn calls talk, which returns a promise, with one URL of the command line after the other. */
export async function eachInTurn(urls, talk) {
  for (const url of urls) await talk(url)
}
