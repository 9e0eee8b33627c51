import { choose, chooseTransport, open, show } from '/web/dialects.js'

const main = document.querySelector('main')
const find = id => main.querySelector(`[data-testid=${id}]`)
const canvas = find('canvas'), color = find('color'), size = find('size')

// The canvas has 800 by 400 units, drawn with two pixels each; a screen shows it as large as it can.
const width = 800, height = 400
const brush = canvas.getContext('2d')
brush.scale(canvas.width / width, canvas.height / height)
brush.lineCap = brush.lineJoin = 'round'

const ends = new Map() // stroke id → its last point so far, while it grows

/** paint adds points to a stroke of anybody's. */
function paint({ id, type, points, color, size }) {
  let last = type === 'dragstart' ? undefined : ends.get(id)
  brush.fillStyle = brush.strokeStyle = color
  brush.lineWidth = size
  for (const point of points) { // one line at a time, so that all see the same pixels, however many came at once
    if (last) line(last, point)
    else dot(point, size / 2)
    last = point
  }
  if (type === 'dragend' || !last) ends.delete(id)
  else ends.set(id, last)
}

function line(from, to) {
  brush.beginPath()
  brush.moveTo(...from)
  brush.lineTo(...to)
  brush.stroke()
}

function dot(at, radius) {
  brush.beginPath()
  brush.arc(...at, radius, 0, 2 * Math.PI)
  brush.fill()
}

function wipe() {
  brush.clearRect(0, 0, width, height)
  ends.clear()
}

// --- Others' strokes ----------------------------------------------------------------------------------

let connection

function join(dialect, transport) {
  connection?.close()
  connection = open(dialect, { at: '/paint', transport })
  connection.on('picture', strokes => { wipe(); strokes.forEach(paint) })
  connection.on('draw', paint)
  connection.on('clear', wipe)
  show(main, connection)
}

choose(find('switch'), dialect => {
  join(dialect, chooseTransport(find('transports'), dialect, other => join(dialect, other)))
})

find('clear').onclick = () => connection.send('clear')

// --- Our strokes: what the pointer did in a frame is painted, and sent as one message -------------------

const strokes = new Map() // pointer → its stroke, with the points of this frame
let count = 0
let frame = 0

function place(event) {
  const box = canvas.getBoundingClientRect()
  const units = (at, from, length, all) => Math.max(0, Math.min(all, Math.round((at - from) / length * all * 10) / 10))
  return [units(event.clientX, box.left, box.width, width), units(event.clientY, box.top, box.height, height)]
}

function flush() {
  cancelAnimationFrame(frame)
  frame = 0
  for (const stroke of strokes.values()) send(stroke, 'drag')
}

const most = 256 // points the server takes in a message

function send(stroke, type) {
  while (stroke.points.length > most) pass(stroke, 'drag', stroke.points.splice(0, most))
  if (stroke.points.length > 0 || type === 'dragend') pass(stroke, type, stroke.points.splice(0))
}

function pass({ id, color, size }, type, points) {
  const message = { id, type, points, color, size }
  paint({ ...message, id: 'own-' + id })
  connection.send('drawClick', message)
}

canvas.onpointerdown = event => {
  if (event.button !== 0 || connection?.state !== 'connected') return
  canvas.setPointerCapture(event.pointerId)
  const stroke = { id: String(++count), color: color.value, size: Number(size.value), points: [place(event)] }
  strokes.set(event.pointerId, stroke)
  send(stroke, 'dragstart')
}

canvas.onpointermove = event => {
  const stroke = strokes.get(event.pointerId)
  if (!stroke) return
  const events = event.getCoalescedEvents?.() ?? []
  stroke.points.push(...(events.length > 0 ? events : [event]).map(place))
  frame ||= requestAnimationFrame(flush)
}

canvas.onpointerup = canvas.onpointercancel = event => {
  const stroke = strokes.get(event.pointerId)
  if (!stroke) return
  strokes.delete(event.pointerId)
  send(stroke, 'dragend')
}
