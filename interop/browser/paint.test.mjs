// The canvas: what one paints, all see, those who come late too.

import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'

import { startDemo } from '../server.mjs'
import { connected, dark, dialects, fitsItsWidth, launch, open, panes, phone, picture, transports } from './chromium.mjs'

let browser, demo
before(async () => { [browser, demo] = await Promise.all([launch(), startDemo()]) })
after(() => Promise.all([browser?.close(), demo?.stop()]))

// Each test begins with an empty canvas.
beforeEach(async () => {
  const answer = await fetch(`${demo.url}/paint/hub/plain`, { method: 'POST', body: '{"name":"clear"}' })
  assert.equal(answer.status, 200, await answer.text())
})

/** painter opens the page by a dialect, or by one over a transport: 'socketio&transport=polling'. */
async function painter(t, dialect, options = { viewport: { width: 1000, height: 900 } }) {
  const url = `${demo.url}/paint/?via=${dialect}`
  const page = await open(t, browser, url, options)
  await connected(page)
  return page
}

// Places on the canvas are fractions of its width and height.

async function at(page, [x, y]) {
  const box = await page.getByTestId('canvas').boundingBox()
  return [box.x + x * box.width, box.y + y * box.height]
}

async function down(page, place) {
  await page.mouse.move(...await at(page, place))
  await page.mouse.down()
}

const move = async (page, place) => page.mouse.move(...await at(page, place), { steps: 8 })
const up = page => page.mouse.up()

async function stroke(page, from, to) {
  await down(page, from)
  await move(page, to)
  await up(page)
}

async function brush(page, color, size) {
  await page.getByTestId('color').fill(color)
  await page.getByTestId('size').fill(String(size))
}

// The page is asked for its pixels through a copy of the canvas, which leaves the page's own as it is.

/** painted tells the colour at a place as #rrggbb, or '' where nobody has painted. */
const painted = (page, place) => page.evaluate(pixel, [place])

/** shows resolves when the place has the colour. */
async function shows(page, place, color) {
  await page.waitForFunction(pixel, [place, color])
    .catch(async err => { throw new Error(`${place} is '${await painted(page, place)}', not '${color}': ${err.message}`) })
}

/** pixel runs in the page: the colour at a place, or, given one, whether it is that. */
function pixel([[x, y], want]) {
  const canvas = document.querySelector('[data-testid="canvas"]')
  const copy = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
  copy.drawImage(canvas, -Math.round(x * canvas.width), -Math.round(y * canvas.height))
  const [r, g, b, a] = copy.getImageData(0, 0, 1, 1).data
  const blank = a < 128 || (r > 250 && g > 250 && b > 250)
  const color = blank ? '' : '#' + [r, g, b].map(v => v.toString(16).padStart(2, '0')).join('')
  return want === undefined ? color : color === want
}

/** strangers counts the painted pixels outside the given boxes of fractions [left, top, right, bottom]. */
const strangers = (page, ...boxes) => page.getByTestId('canvas').evaluate((canvas, boxes) => {
  const { width, height } = canvas
  const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
  copy.drawImage(canvas, 0, 0)
  const { data } = copy.getImageData(0, 0, width, height)
  let count = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x)
      if (data[at + 3] < 128 || (data[at] > 250 && data[at + 1] > 250 && data[at + 2] > 250)) continue
      const [fx, fy] = [x / width, y / height]
      if (!boxes.some(([l, t, r, b]) => fx >= l && fx <= r && fy >= t && fy <= b)) count++
    }
  }
  return count
}, boxes)

/**
 * alike fails when pages show different pictures. Where a stroke was drawn in other pieces its edge may be a
 * shade lighter or darker.
 */
async function alike(...pages) {
  const [first, ...others] = await Promise.all(pages.map(sketch))
  for (const other of others) {
    const different = first.filter((value, i) => Math.abs(value - other[i]) > 64).length
    assert.ok(different < 50, `the two pictures differ in ${different} of ${first.length} places`)
  }
}

/** sketch is the page's picture, made smaller, as red, green, blue and alpha of each pixel. It comes as text, for an array of so
    many numbers takes the driver seconds. */
async function sketch(page) {
  const text = await page.getByTestId('canvas').evaluate(canvas => {
    const [width, height] = [canvas.width / 8, canvas.height / 8]
    const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
    copy.drawImage(canvas, 0, 0, width, height)
    return btoa(Array.from(copy.getImageData(0, 0, width, height).data, byte => String.fromCharCode(byte)).join(''))
  })
  return Buffer.from(text, 'base64')
}

const red = '#cc0000', blue = '#0000cc'

dialects.forEach((dialect, i) => {
  const other = dialects[(i + 1) % dialects.length]

  test(`painted by ${dialect}, seen by ${other} and by one who comes late`, async t => {
    const ann = await painter(t, dialect), ben = await painter(t, other)
    await brush(ann, red, 10)
    await down(ann, [0.2, 0.3])
    await move(ann, [0.5, 0.3])
    await shows(ben, [0.3, 0.3], red) // while the pointer is still down
    await move(ann, [0.8, 0.3])
    await up(ann)
    await shows(ben, [0.7, 0.3], red)
    assert.equal(await painted(ben, [0.5, 0.7]), '')

    const late = await painter(t, dialect)
    await shows(late, [0.3, 0.3], red)
    await shows(late, [0.7, 0.3], red)
    assert.equal(await strangers(late, [0.15, 0.2, 0.85, 0.4]), 0)
    if (i === 0) {
      await stroke(ben, [0.3, 0.8], [0.7, 0.5])
      await shows(ann, [0.5, 0.65], await painted(ben, [0.5, 0.65]))
      await picture(ann, 'paint')
    }

    await ben.getByTestId('clear').click()
    for (const page of [ann, ben, late]) await shows(page, [0.3, 0.3], '')
    assert.equal(await strangers(ann), 0)
    const empty = await painter(t, other)
    assert.equal(await strangers(empty), 0)
  })
})

test('two who paint at once do not mix', async t => {
  await atOnce(t, await painter(t, 'socketio'), await painter(t, 'signalr'), await painter(t, 'websocket'))
})

const byTransport = panes.filter(([dialect]) => dialect.startsWith('socketio'))
byTransport.forEach(([dialect, transport, named], i) => {
  const [other, otherTransport] = byTransport[(i + 1) % byTransport.length]

  test(`two paint at once, by ${dialect} over ${transport} and by ${other} over ${otherTransport}`, async t => {
    const ann = await painter(t, `${dialect}&transport=${transport}`), ben = await painter(t, `${other}&transport=${otherTransport}`)
    await ann.getByText(named, { exact: true }).waitFor()
    await atOnce(t, ann, ben, await painter(t, 'websocket'))
    if (transport === 'polling') await picture(ann, 'paint-socketio-polling')
  })
})

/** atOnce has ann and ben paint at the same time, each in a corner; all who look, and who comes late, see two strokes. */
async function atOnce(t, ann, ben, viewer) {
  await brush(ann, red, 8)
  await brush(ben, blue, 8)
  await down(ann, [0.1, 0.2])
  await down(ben, [0.6, 0.8])
  for (let i = 1; i <= 6; i++) {
    await move(ann, [0.1 + i * 0.05, 0.2])
    await move(ben, [0.6 + i * 0.05, 0.8])
  }
  await up(ann)
  await up(ben)
  const own = [[0.07, 0.15, 0.43, 0.25], [0.57, 0.75, 0.93, 0.85]]
  const late = await painter(t, 'eventsource')
  for (const page of [ann, ben, viewer, late]) {
    await shows(page, [0.39, 0.2], red)
    await shows(page, [0.89, 0.8], blue)
    assert.equal(await painted(page, [0.25, 0.2]), red)
    assert.equal(await painted(page, [0.75, 0.8]), blue)
    assert.equal(await strangers(page, ...own), 0, 'a line joins the two strokes')
  }
}

/** periodPainter opens the page of 2012. */
async function periodPainter(t, transport) {
  const page = await open(t, browser, `${demo.url}/paint/period.html?transport=${transport}`, { viewport: { width: 1000, height: 900 } })
  await page.getByText(`connected by ${transport}`).waitFor()
  return page
}

const gold = '#ecd018'

for (const transport of Object.keys(transports.socketio09)) {
  test(`the page of 2012 with its client paints over ${transport}, with pages of both times`, async t => {
    const old = await periodPainter(t, transport), other = await periodPainter(t, 'websocket'), today = await painter(t, 'socketio')
    await stroke(old, [0.2, 0.3], [0.8, 0.3])
    for (const page of [old, other, today]) {
      await shows(page, [0.3, 0.3], gold)
      await shows(page, [0.7, 0.3], gold)
    }
    await brush(today, red, 10)
    await stroke(today, [0.2, 0.7], [0.8, 0.7])
    for (const page of [old, other, today]) await shows(page, [0.7, 0.7], red)
    const late = await periodPainter(t, transport)
    for (const page of [old, other, today, late]) {
      await shows(page, [0.5, 0.3], gold)
      await shows(page, [0.5, 0.7], red)
      assert.equal(await strangers(page, [0.15, 0.2, 0.85, 0.4], [0.15, 0.6, 0.85, 0.8]), 0, 'a line joins the two strokes')
    }
    await picture(old, `paint-period-${transport}`)
    await today.getByTestId('clear').click()
    for (const page of [old, other, late]) await shows(page, [0.5, 0.3], '')
  })
}

test('two who paint at once on pages of 2012 do not mix', async t => {
  const ann = await periodPainter(t, 'websocket'), ben = await periodPainter(t, 'xhr-polling')
  const viewers = [await periodPainter(t, 'websocket'), await painter(t, 'signalr')]
  await down(ann, [0.1, 0.2])
  await down(ben, [0.6, 0.8])
  for (let i = 1; i <= 6; i++) {
    await move(ann, [0.1 + i * 0.05, 0.2])
    await move(ben, [0.6 + i * 0.05, 0.8])
  }
  await up(ann)
  await up(ben)
  for (const page of [ann, ben, ...viewers, await periodPainter(t, 'xhr-polling')]) {
    await shows(page, [0.35, 0.2], gold)
    await shows(page, [0.85, 0.8], gold)
    assert.equal(await strangers(page, [0.07, 0.15, 0.43, 0.25], [0.57, 0.75, 0.93, 0.85]), 0, 'a line joins the two strokes')
  }
})

test('everyone sees the same picture', async t => {
  const pages = []
  for (const dialect of dialects) pages.push(await painter(t, dialect))
  const colours = ['#cc0000', '#00aa00', '#0000cc', '#aa00aa', '#008888']
  for (const [i, page] of pages.entries()) {
    await brush(page, colours[i], 6)
    await stroke(page, [0.1 + i * 0.15, 0.1], [0.2 + i * 0.15, 0.9])
  }
  pages.push(await painter(t, 'websocket')) // late
  for (const page of pages) {
    for (const [i, colour] of colours.entries()) await shows(page, [0.1975 + i * 0.15, 0.8775], colour)
  }
  await alike(...pages)
})

test('colour and size are the painter\'s own', async t => {
  const ann = await painter(t, 'websocket'), ben = await painter(t, 'signalr')
  await brush(ann, red, 30)
  await stroke(ann, [0.2, 0.5], [0.8, 0.5])
  await shows(ben, [0.79, 0.5], red)
  const thick = await strangers(ben)
  await ben.getByTestId('clear').click()
  await shows(ann, [0.5, 0.5], '')
  await brush(ann, blue, 3)
  await stroke(ann, [0.2, 0.5], [0.8, 0.5])
  await shows(ben, [0.79, 0.5], blue)
  const thin = await strangers(ben)
  assert.ok(thick > 5 * thin, `thirty units paint ${thick} pixels, three paint ${thin}`)
})

test('a finger paints and does not scroll', async t => {
  const ann = await painter(t, 'websocket', phone), ben = await painter(t, 'socketio')
  await brush(ann, red, 12)
  const touch = await ann.context().newCDPSession(ann)
  const send = async (type, ...places) => touch.send('Input.dispatchTouchEvent', {
    type, touchPoints: await Promise.all(places.map(async (place, id) => {
      const [x, y] = await at(ann, place)
      return { x, y, id }
    })),
  })
  const scrolled = await ann.evaluate(() => scrollY)
  await send('touchStart', [0.2, 0.2])
  for (let i = 1; i <= 10; i++) await send('touchMove', [0.2 + i * 0.05, 0.2 + i * 0.05])
  await send('touchEnd')
  await shows(ben, [0.45, 0.45], red)
  assert.equal(await ann.evaluate(() => scrollY), scrolled)

  // Two fingers are two strokes.
  await send('touchStart', [0.1, 0.9], [0.9, 0.1])
  for (let i = 1; i <= 6; i++) await send('touchMove', [0.1 + i * 0.04, 0.9], [0.9 - i * 0.04, 0.1])
  await send('touchEnd')
  await shows(ben, [0.3, 0.9], red)
  await shows(ben, [0.7, 0.1], red)
  assert.equal(await strangers(ben, [0.15, 0.15, 0.75, 0.75], [0.05, 0.82, 0.4, 1], [0.6, 0, 0.95, 0.18]), 0)
  await fitsItsWidth(ann)
  await picture(ann, 'paint-phone')
})

test('a dot is a stroke', async t => {
  const ann = await painter(t, 'eventsource'), ben = await painter(t, 'websocket')
  await brush(ann, red, 20)
  await down(ann, [0.5, 0.5])
  await up(ann)
  await shows(ben, [0.5, 0.5], red)
})

test('a long scribble arrives whole', async t => {
  const ann = await painter(t, 'signalr'), ben = await painter(t, 'socketio')
  await brush(ann, red, 4)
  await down(ann, [0.05, 0.1])
  for (let row = 0; row < 8; row++) {
    await move(ann, [row % 2 ? 0.05 : 0.95, 0.1 + row * 0.1])
    await move(ann, [row % 2 ? 0.05 : 0.95, 0.2 + row * 0.1])
  }
  await up(ann)
  await shows(ben, [0.05, 0.89], red)
  const late = await painter(t, 'websocket')
  await shows(late, [0.05, 0.89], red)
  await alike(ann, ben, late)
})

test('the canvas fits a dark room', async t => {
  const night = await painter(t, 'websocket', dark)
  await stroke(night, [0.1, 0.2], [0.9, 0.8])
  await picture(night, 'paint-dark')
})
