import { choose, chooseTransport } from '/web/dialects.js'
import { pane } from './pane.js'

const form = document.querySelector('#where')
const { name, room } = form.elements
const address = new URL(location)
name.value = address.searchParams.get('name') ?? sessionStorage.getItem('name') ?? `guest-${Math.random().toString(16).slice(2, 6)}`
room.value = address.searchParams.get('room') ?? 'lobby'

let end = () => {}
let dialect, transport

function enter() {
  end()
  sessionStorage.setItem('name', name.value)
  end = pane(document.querySelector('#pane'), { dialect, transport, name: name.value, room: room.value, large: true })
}

form.onsubmit = event => {
  event.preventDefault()
  enter()
}

choose(document.querySelector('#via'), chosen => {
  dialect = chosen
  transport = chooseTransport(document.querySelector('#transport'), dialect, other => {
    transport = other
    enter()
  })
  enter()
})
