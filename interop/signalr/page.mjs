// The page of a browser that plays scenarios, one after the other: its test calls play(name).

import { scenarios } from './scenarios.mjs'
import { play } from './world.mjs'

/** load runs a bundle of npm as it is. */
function load(file) {
  return new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement('script'), { src: `../node_modules/${file}`, onload: resolve })
    script.onerror = () => reject(new Error(`there is no ${file}`))
    document.head.append(script)
  })
}

// What the Host in Node does, a binding of the test's asks it to do.
const host = Object.fromEntries(['start', 'stop', 'proxy'].map(what => [what, args => window.askHost(what, args)]))

/** ready loads a client and says for which cell. */
window.ready = async ({ bundles, ...cell }) => {
  for (const bundle of bundles) await load(bundle)
  window.cell = { signalR: window.signalR, msgpack: window.signalR.protocols?.msgpack, WebSocket, where: 'browser', ...cell }
}

/** play resolves with nothing, or with what went wrong. */
window.play = async name => {
  try {
    await play(scenarios.find(s => s.name === name), window.cell, { url: location.origin }, host)
  } catch (err) {
    return err.stack ?? String(err)
  }
}
