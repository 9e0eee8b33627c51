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
const host = Object.fromEntries(['start', 'stop', 'kill', 'wire', 'turn', 'blocks'].map(what => [what, args => window.askHost(what, args)]))

/** ready loads a client and says for which cell. A browser that has EventSource takes no forever frame. */
window.ready = async cell => {
  if (cell.transport === 'foreverFrame') window.EventSource = undefined
  await load(`${cell.jquery}/dist/jquery.js`)
  await load(`${cell.library}/jquery.signalR.js`)
  const page = { $: window.jQuery, window }
  window.cell = { ...page, abroad: page, where: 'browser', ...cell }
}

/** play resolves with nothing, or with what went wrong. */
window.play = async name => {
  try {
    await play(scenarios.find(s => s.name === name), window.cell, { url: location.origin }, host)
  } catch (err) {
    return err.stack?.includes(err.message) ? err.stack : `${err.message}\n${err.stack}`
  }
}
