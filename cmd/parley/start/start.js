import { pane } from '/chat/pane.js'
import { available } from '/web/dialects.js'

const people = { websocket: 'Wanda', eventsource: 'Eve', socketio: 'Sia', signalr: 'Rita', classic: 'Clara' }

for (const host of document.querySelectorAll('.host')) host.textContent = location.origin

const there = await available()
for (const [dialect, name] of Object.entries(people)) {
  const host = document.createElement('div')
  document.querySelector('#curl').before(host)
  pane(host, { dialect, name, room: 'lobby', missing: there[dialect] ? '' : 'needs npm: run make demo' })
}
