// One face for the clients a browser may use against a Parley hub:
//
//   const c = open('signalr', { at: '/clock', name: 'Ann', room: 'lobby' })
//   c.on('said', (from, text) => …)      an event of the hub
//   await c.call('who', 'lobby')         a call; fails with the hub's words
//   c.send('say', 'lobby', 'hi')         a call without an answer
//   c.onstate = (state, detail) => …     connecting, connected, reconnecting, closed
//   c.close()
//
// WebSocket and EventSource are the browser's own; Socket.IO, that of 2012 too, and SignalR, of both generations, are the
// unmodified npm clients.

export const dialects = {
  websocket: 'WebSocket', eventsource: 'EventSource', socketio: 'Socket.IO', socketio09: 'Socket.IO 0.9', signalr: 'SignalR', classic: 'SignalR 2',
}

/** What may carry a dialect that has several transports; without a choice its client takes the first that works. */
export const transports = {
  socketio: { websocket: 'WebSocket', polling: 'Polling', upgrade: 'Polling, then WebSocket' },
  socketio09: { websocket: 'WebSocket', 'xhr-polling': 'XHR polling' },
  signalr: { WebSockets: 'WebSockets', ServerSentEvents: 'Server-Sent Events', LongPolling: 'Long polling' },
  classic: { webSockets: 'WebSockets', serverSentEvents: 'Server-Sent Events', foreverFrame: 'Forever frame', longPolling: 'Long polling' },
}

const { EventSource } = window // which classic SignalR may not see when it is to take a forever frame

/** available tells which dialects this server can serve: {websocket: true, …}. */
export async function available() {
  const npm = await fetch('/npm/status').then(r => r.json()).catch(() => ({}))
  return { websocket: true, eventsource: true, ...npm }
}

/** open connects, and goes on trying until it is closed. at is where the app's hub is mounted; transport is a key of
    transports[dialect], or empty. */
export function open(dialect, { at = '', name = '', room = '', transport = '' } = {}) {
  const query = new URLSearchParams(Object.entries({ name, room }).filter(([, value]) => value))
  const connection = {
    websocket: OverWebSocket, eventsource: OverEventSource, socketio: OverSocketIO, socketio09: OverSocketIO09, signalr: OverSignalR,
    classic: OverClassic,
  }[dialect]
  return new connection(at, query, transport)
}

class Connection {
  state = 'connecting'
  detail = ''
  onstate = () => {}
  #handlers = new Map()

  on(event, fn) {
    this.#handlers.set(event, fn)
    this.listen?.(event)
  }

  heard(event, args) {
    this.#handlers.get(event)?.(...args)
  }

  turn(state, detail = '') {
    if (this.state === 'closed') return
    this.state = state
    this.detail = detail
    this.onstate(state, detail)
  }

  /** call resolves with the hub's answer. */
  async call(name, ...args) {
    if (this.state !== 'connected') throw new Error('not connected')
    return this.ask(name, args)
  }

  /** send calls without wanting an answer; what cannot be sent now is lost. */
  send(name, ...args) {
    if (this.state === 'connected') this.tell(name, args)
  }

  close() {
    this.turn('closed')
    this.hangUp()
  }
}

/** pause is exponential backoff with full jitter, in milliseconds. */
const pause = attempt => Math.random() * Math.min(10_000, 500 * 2 ** attempt)

// --- Parley's plain protocol: one JSON object a message -----------------------------------------------

class Plain extends Connection {
  #calls = new Map()
  #last = 0
  #attempt = 0
  #timer

  constructor(at, query) {
    super()
    this.url = new URL(at + '/hub/plain?' + query, location)
    this.connect()
  }

  take(data) {
    const m = JSON.parse(data)
    switch (m.type) {
      case 'open':
        this.#attempt = 0
        return this.opened(m)
      case 'event':
        return this.heard(m.name, m.args)
      case 'result':
        return this.#settle(m.id, call => call.resolve('values' in m ? m.values : m.value))
      case 'error':
        return this.#settle(m.id, call => call.reject(new Error(m.message)))
      case 'close':
        return m.reconnect ? this.lost() : this.ended(m.reason)
    }
  }

  #settle(id, how) {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    if (call) how(call)
  }

  ask(name, args) {
    const id = String(++this.#last)
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject })
      this.post({ id, name, args })
    })
  }

  tell(name, args) {
    this.post({ name, args })
  }

  #forget() {
    this.hangUpNow()
    for (const call of this.#calls.values()) call.reject(new Error('connection lost'))
    this.#calls.clear()
  }

  lost() {
    if (this.state === 'closed') return
    this.#forget()
    this.turn('reconnecting')
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.connect(), pause(this.#attempt++))
  }

  ended(reason) {
    this.turn('closed', reason)
    this.hangUp()
  }

  hangUp() {
    clearTimeout(this.#timer)
    this.#forget()
  }
}

class OverWebSocket extends Plain {
  connect() {
    const url = new URL(this.url)
    url.protocol = url.protocol.replace('http', 'ws')
    const socket = this.socket = new WebSocket(url)
    socket.onmessage = e => this.take(e.data)
    socket.onclose = () => { if (socket === this.socket) this.lost() }
  }

  opened() {
    this.turn('connected', 'new WebSocket')
  }

  post(message) {
    this.socket.send(JSON.stringify(message))
  }

  hangUpNow() {
    const socket = this.socket
    this.socket = null
    socket?.close()
  }
}

/** OverEventSource listens by EventSource and speaks by POST. */
class OverEventSource extends Plain {
  #waiting = []
  #posting = false

  connect() {
    const source = this.source = new EventSource(this.url)
    source.onmessage = e => this.take(e.data)
    source.onerror = () => { if (source === this.source) this.lost() }
  }

  opened(m) {
    const session = this.session = new URL(this.url)
    session.search = '?session=' + encodeURIComponent(m.session)
    this.turn('connected', 'EventSource + fetch')
  }

  // One POST at a time keeps messages in order; what comes meanwhile goes together in the next.
  async post(message) {
    this.#waiting.push(JSON.stringify(message))
    if (this.#posting) return
    this.#posting = true
    while (this.#waiting.length > 0) {
      const session = this.session
      const answer = await fetch(session, { method: 'POST', body: this.#body() }).catch(() => null)
      await answer?.text().catch(() => {}) // an answer that nobody reads counts as aborted
      if (!answer?.ok && session === this.session) this.lost()
    }
    this.#posting = false
  }

  // The server takes 64 KiB in a POST; a character may have three bytes.
  #body() {
    let body = this.#waiting.shift()
    while (this.#waiting.length > 0 && body.length + this.#waiting[0].length < 20_000) body += '\n' + this.#waiting.shift()
    return body
  }

  hangUpNow() {
    this.source?.close()
    this.source = this.session = null
    this.#waiting = []
  }
}

// --- The unmodified npm clients -----------------------------------------------------------------------

const scripts = new Map()

/** load runs a bundle, once, and resolves with the io it has made, if it has: two versions have the same name for it. */
export function load(src) {
  if (!scripts.has(src)) {
    scripts.set(src, new Promise((resolve, reject) => {
      const script = Object.assign(document.createElement('script'), { src, onload: () => resolve(window.io) })
      script.onerror = () => reject(new Error('needs npm: run make demo'))
      document.head.append(script)
    }))
  }
  return scripts.get(src)
}

class OverSocketIO extends Connection {
  #events = []

  constructor(at, query, transport) {
    super()
    load(at + '/socket.io/socket.io.min.js').then(io => this.#start(io, at, query, transport), err => this.turn('closed', err.message))
  }

  #start(io, at, query, transport) {
    if (this.state === 'closed') return
    const socket = this.socket = io({
      path: at + '/socket.io/', query: Object.fromEntries(query), forceNew: true,
      ...(transport && { transports: transport === 'upgrade' ? ['polling', 'websocket'] : [transport] }),
    })
    const carried = () => this.turn('connected', 'socket.io-client, ' + socket.io.engine.transport.name)
    socket.on('connect', () => {
      carried()
      socket.io.engine.on('upgrade', carried)
    })
    socket.on('disconnect', reason => (socket.active ? this.turn('reconnecting') : this.turn('closed', reason)))
    socket.on('connect_error', err => (socket.active ? this.turn('reconnecting') : this.turn('closed', err.message)))
    for (const event of this.#events) this.listen(event)
  }

  listen(event) {
    if (!this.socket) return this.#events.push(event)
    this.socket.on(event, (...args) => this.heard(event, args))
  }

  async ask(name, args) {
    const answer = await this.socket.timeout(30_000).emitWithAck(name, ...args)
    if (answer?.error?.code) throw new Error(answer.error.message)
    return answer
  }

  tell(name, args) {
    this.socket.emit(name, ...args)
  }

  hangUp() {
    this.socket?.disconnect()
  }
}

/** OverSocketIO09 is the client of 2012, which gives up after some attempts to come back. */
class OverSocketIO09 extends Connection {
  #events = []

  constructor(at, query, transport) {
    super()
    load('/npm/socket.io-0.9.js').then(io => this.#start(io, at, query, transport), err => this.turn('closed', err.message))
  }

  #start(io, at, query, transport) {
    if (this.state === 'closed') return
    io.transports = transport ? [transport] : ['websocket', 'xhr-polling'] // its option of that name is no more than a wish
    const socket = this.socket = io.connect('', {
      resource: (at + '/socket.io').slice(1), query: String(query), 'force new connection': true,
    })
    socket.on('connect', () => this.turn('connected', 'socket.io-client 0.9, ' + socket.socket.transport.name))
    // Whoever is thrown out does not come back; the client says so only after this event.
    socket.on('disconnect', reason => queueMicrotask(() => (socket.socket.reconnecting ? this.turn('reconnecting') : this.turn('closed', reason))))
    for (const end of ['connect_failed', 'reconnect_failed']) socket.on(end, reason => this.turn('closed', reason))
    for (const event of this.#events) this.listen(event)
  }

  listen(event) {
    if (!this.socket) return this.#events.push(event)
    this.socket.on(event, (...args) => this.heard(event, args))
  }

  async ask(name, args) {
    const answer = await new Promise((resolve, reject) => {
      setTimeout(reject, 30_000, new Error('no answer'))
      this.socket.emit(name, ...args, resolve)
    })
    if (answer?.error?.code) throw new Error(answer.error.message)
    return answer
  }

  tell(name, args) {
    this.socket.emit(name, ...args)
  }

  hangUp() {
    this.socket?.disconnect()
  }
}

class OverSignalR extends Connection {
  #events = []
  #timer

  constructor(at, query, transport) {
    super()
    this.carrier = ['@microsoft/signalr', transports.signalr[transport]].filter(Boolean).join(', ')
    load('/npm/signalr.min.js').then(() => this.#start(at, query, transport), err => this.turn('closed', err.message))
  }

  #start(at, query, transport) {
    if (this.state === 'closed') return
    const hub = this.hub = new window.signalR.HubConnectionBuilder()
      .withUrl(at + '/hub/signalr?' + query, { transport: window.signalR.HttpTransportType[transport] })
      .withAutomaticReconnect({ nextRetryDelayInMilliseconds: retry => pause(retry.previousRetryCount) })
      .configureLogging(window.signalR.LogLevel.None)
      .build()
    hub.onreconnecting(() => this.turn('reconnecting'))
    hub.onreconnected(() => this.turn('connected', this.carrier))
    hub.onclose(err => this.turn('closed', err?.message))
    for (const event of this.#events) this.listen(event)
    this.#connect(0)
  }

  // The client comes back by itself after a loss, but tries its first connect only once.
  async #connect(attempt) {
    if (this.state === 'closed') return
    try {
      await this.hub.start()
      this.turn('connected', this.carrier)
    } catch {
      this.turn('reconnecting')
      this.#timer = setTimeout(() => this.#connect(attempt + 1), pause(attempt))
    }
  }

  listen(event) {
    if (!this.hub) return this.#events.push(event)
    this.hub.on(event, (...args) => this.heard(event, args))
  }

  async ask(name, args) {
    try {
      return await this.hub.invoke(name, ...args)
    } catch (err) {
      throw new Error(err.message.replace(/^.*HubException: /s, ''))
    }
  }

  tell(name, args) {
    this.hub.send(name, ...args).catch(() => {}) // lost with the connection, whose state tells
  }

  hangUp() {
    clearTimeout(this.#timer)
    this.hub?.stop()
  }
}

/** OverClassic is the client of SignalR 2, on jQuery. It asks for a hub by its name. */
class OverClassic extends Connection {
  #events = []
  #attempt = 0
  #timer

  constructor(at, query, transport) {
    super()
    load('/npm/jquery.min.js').then(() => load('/npm/jquery.signalR.min.js'))
      .then(() => this.#start(at, query, transport), err => this.turn('closed', err.message))
  }

  #start(at, query, transport) {
    if (this.state === 'closed') return
    if (transport === 'foreverFrame') window.EventSource = undefined // a client of a browser that has it takes no other
    const connection = this.connection = window.jQuery.hubConnection(at + '/signalr', { qs: String(query), useDefaultPath: false })
    this.hub = connection.createHubProxy(at.slice(1) || 'chat')
    for (const event of this.#events) this.listen(event)
    const connect = () => connection.start({ transport: transport || 'auto' }).fail(() => {}) // its state tells
    const turns = {
      connected: () => {
        this.#attempt = 0
        this.turn('connected', 'signalr 2.4.3, ' + connection.transport.name)
      },
      reconnecting: () => {
        this.turn('reconnecting')
        this.#timer = setTimeout(() => connection.stop(false, false), 5_000) // a server that has been away knows it no more
      },
      disconnected: () => {
        if (this.state === 'closed') return
        this.turn('reconnecting')
        this.#timer = setTimeout(connect, pause(this.#attempt++))
      },
    }
    const { connectionState } = window.jQuery.signalR
    connection.stateChanged(({ newState }) => {
      clearTimeout(this.#timer)
      for (const [name, turn] of Object.entries(turns)) if (newState === connectionState[name]) turn()
    })
    connect()
  }

  listen(event) {
    if (!this.hub) return this.#events.push(event)
    this.hub.on(event, (...args) => this.heard(event, args))
  }

  ask(name, args) {
    return new Promise((resolve, reject) => this.hub.invoke(name, ...args).then(resolve, reject))
  }

  tell(name, args) {
    this.hub.invoke(name, ...args).fail(() => {}) // lost with the connection, whose state tells
  }

  hangUp() {
    clearTimeout(this.#timer)
    window.EventSource = EventSource
    this.connection?.stop()
  }
}

// --- The switch ---------------------------------------------------------------------------------------

/** choose fills a fieldset with a radio button for each dialect and calls use(dialect) now and at each change. The
    choice is kept in the page's address, ?via=signalr. */
export async function choose(fieldset, use) {
  const there = await available()
  const wanted = new URL(location).searchParams.get('via')
  const chosen = there[wanted] ? wanted : 'websocket'
  for (const [dialect, label] of Object.entries(dialects)) {
    const line = radio('via', dialect, label, dialect === chosen, () => use(dialect))
    if (!there[dialect]) {
      line.querySelector('input').disabled = true
      line.append(Object.assign(document.createElement('small'), { textContent: 'needs npm: run make demo' }))
    }
    fieldset.append(line)
  }
  use(chosen)
}

/** chooseTransport fills a fieldset with the transports of a dialect, and hides it where there is no choice. It returns
    the one chosen, ?transport=LongPolling, and calls use when there is another. */
export function chooseTransport(fieldset, dialect, use) {
  const all = { '': 'Automatic', ...transports[dialect] }
  const wanted = new URL(location).searchParams.get('transport') ?? ''
  const chosen = wanted in all ? wanted : ''
  fieldset.hidden = !transports[dialect]
  fieldset.replaceChildren(fieldset.querySelector('legend'),
    ...Object.entries(all).map(([transport, label]) => radio('transport', transport, label, transport === chosen, () => use(transport))))
  return chosen
}

/** radio is a button that keeps what it stands for in the page's address. */
function radio(name, value, label, checked, use) {
  const input = Object.assign(document.createElement('input'), { type: 'radio', name, value, checked })
  input.dataset.testid = `${name}-${value || 'any'}`
  input.onchange = () => {
    const address = new URL(location)
    if (value) address.searchParams.set(name, value)
    else address.searchParams.delete(name)
    history.replaceState(null, '', address)
    use()
  }
  const line = document.createElement('label')
  line.append(input, label)
  return line
}

/** show writes a connection's state into an element's data-state, and the .state and .detail inside it, and then tells
    it to use. */
export function show(element, connection, use = () => {}) {
  const write = (state, detail) => {
    element.dataset.state = state
    element.querySelector('.state').textContent = state
    if (detail) element.querySelector('.detail').textContent = detail
    use(state)
  }
  write(connection.state, connection.detail)
  connection.onstate = write
}
