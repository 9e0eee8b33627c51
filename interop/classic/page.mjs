// A page of those days in jsdom: jQuery and the client as npm has them, and what a browser has and jsdom has not.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { EventSource } from 'eventsource'
import { CookieJar, JSDOM, VirtualConsole } from 'jsdom'

import { within } from '../wait.mjs'

const require = createRequire(import.meta.url)

const scripts = new Map() // path → text

function script(path) {
  if (!scripts.has(path)) scripts.set(path, readFileSync(require.resolve(path), 'utf8'))
  return scripts.get(path)
}

/**
 * openPage opens a page at a url, from where nothing is loaded.
 *
 *   library   the client's name in package.json
 *   jquery    jQuery's
 *   without   what this browser has not: WebSocket, EventSource, fetch
 *
 * What the page complains of, other than by a connection's own error event, is in complaints.
 */
export async function openPage(url, { library, jquery, without = [], cookies = new CookieJar() }) {
  const complaints = []
  const virtualConsole = new VirtualConsole()
  for (const kind of ['error', 'warn', 'jsdomError']) virtualConsole.on(kind, (...said) => complaints.push(said.map(words).join(' ')))
  const dom = new JSDOM('<!doctype html><title>Page</title>', {
    url, virtualConsole, cookieJar: cookies, runScripts: 'dangerously', resources: 'usable',
  })
  const { window } = dom
  if (window.document.readyState !== 'complete') await within('load', new Promise(resolve => { window.onload = resolve }))
  const fetch = fetching(window, cookies)
  window.fetch = fetch
  neverHolds(window.XMLHttpRequest)
  window.EventSource = class extends EventSource {
    constructor(url, init) {
      super(new URL(url, window.location.href), { ...init, fetch: (url, options) => fetch(url, { ...options, ...credentials(init) }) })
    }
  }
  for (const name of without) delete window[name]
  window.eval(script(`${jquery}/dist/jquery.js`))
  window.eval(script(`${library}/jquery.signalR.js`))
  // The client takes its last words back after a second, in which a slow machine may not have come to sending them.
  window.jQuery.ajaxPrefilter(request => { if (request.timeout === 1000) delete request.timeout })
  return { window, $: window.jQuery, complaints, cookies, close: () => window.close() }
}

/** neverHolds has requests that hold a page up until their answer, its last words, go like all others: for such a one jsdom loads
    itself into another thread, and nothing at all runs in this one until that has its answer, which takes many seconds on a slow machine. */
function neverHolds({ prototype }) {
  const { open } = prototype
  prototype.open = function (method, url, _async, ...user) { return open.call(this, method, url, true, ...user) }
}

function credentials(init) {
  return { credentials: init?.withCredentials ? 'include' : 'same-origin' }
}

/** fetching is fetch as a browser does it for a window: with its cookies, and within the rules for other origins as far as
    requests go that need no preflight (Fetch §4.10, CORS check). */
function fetching(window, cookies) {
  const fetched = async (resource, { credentials = 'same-origin', headers, ...options } = {}) => {
    const url = new URL(resource, window.location.href)
    const foreign = url.origin !== window.location.origin
    const known = credentials === 'include' || !foreign
    const sent = { ...headers }
    if (known) sent.Cookie = await cookies.getCookieString(url.href)
    if (foreign || options.method === 'POST') sent.Origin = window.location.origin
    const { keepalive, mode, ...rest } = options
    const response = await fetch(url, { ...rest, headers: sent })
    if (known) for (const cookie of response.headers.getSetCookie()) await cookies.setCookie(cookie, url.href)
    if (foreign) {
      const allowed = response.headers.get('access-control-allow-origin')
      const fine = allowed === window.location.origin || (allowed === '*' && !known)
      if (!fine || (known && response.headers.get('access-control-allow-credentials') !== 'true')) {
        await response.body?.cancel()
        throw new TypeError(`${url.origin} does not allow ${window.location.origin}`)
      }
    }
    return response
  }
  return (...args) => {
    const response = fetched(...args)
    response.catch(() => {}) // the client lets its last words go, and a browser does not mind
    return response
  }
}

function words(said) {
  return said?.cause?.stack ?? said?.stack ?? String(said)
}
