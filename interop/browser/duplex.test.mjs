// The duplex page: the server calls its operator back, over both clients.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { startDemo } from '../server.mjs'
import { within } from '../wait.mjs'
import { connected, dark, fitsItsWidth, launch, open, own, phone, picture, tabTo } from './chromium.mjs'

let browser, demo
before(async () => { [browser, demo] = await Promise.all([launch(), startDemo()]) })
after(() => Promise.all([browser?.close(), demo?.stop()]))

const families = { signalr: '@microsoft/signalr', socketio: 'socket.io-client' }
const protocols = { signalr: 'json', socketio: 'socketio' }

let operators = 0

/** enter opens the page as an operator whose name is nobody else's. */
async function enter(t, via, { server = demo, ...options } = {}) {
  const name = `op-${via}-${++operators}`
  const page = await open(t, browser, `${server.url}/duplex/?via=${via}&name=${name}`, options)
  await connected(page)
  assert.equal(await page.getByTestId('detail').innerText(), families[via])
  return { page, name }
}

/** heard resolves when a line with that text, or one that matches it, is in the log. */
const heard = (page, text) => page.getByTestId('heard').locator('li').filter({ hasText: text }).first().waitFor()

/** upgraded resolves when a page's Socket.IO client moves, after this call, from polls to a WebSocket. */
const upgraded = page => within('upgrade', new Promise(resolve => {
  page.on('websocket', socket => socket.on('framesent', ({ payload }) => { if (payload === '5') resolve() }))
}))

/** order fills the form in and sends it. It resolves with the job's ID. */
async function order({ page, name }, service, target = 'production') {
  await page.getByTestId('service').fill(service)
  await page.getByTestId(`target-${target}`).check()
  await page.getByTestId('run').click()
  const line = page.getByTestId('jobs').locator('li').filter({ hasText: `${service} 1.2 to ${target}, by ${name}` }).first()
  await line.waitFor()
  return line.getAttribute('data-job')
}

/** phase resolves when a page shows a job in it. */
const phase = (page, job, name) => page.locator(`[data-testid="${job}"][data-phase="${name}"]`).waitFor()

for (const via of Object.keys(families)) {
  const other = via === 'signalr' ? 'socketio' : 'signalr'

  test(`${via}: the runner asks in the middle of a call, and goes on`, async t => {
    const ann = await enter(t, via)
    const ben = await enter(t, other)
    await heard(ann.page, `${ben.name}, by ${protocols[other]}: opened`)
    const job = await order(ann, 'web')
    const question = ann.page.getByTestId(`question-${job}`)
    await question.waitFor()
    assert.match(await question.innerText(), /May web 1\.2 .* go to production\? The runner waits 60 seconds/)
    await phase(ben.page, job, 'waiting')
    assert.equal(await ben.page.locator('.question').count(), 0, 'only who has ordered the job is asked')
    await picture(ann.page, `duplex-${via}`)
    await question.getByTestId('reason').fill('<b>looks good</b>')
    await question.getByTestId('approve').click()
    await heard(ann.page, `${job} is done: <b>looks good</b>`)
    await phase(ben.page, job, 'done')
    assert.equal(await ann.page.locator('.question').count(), 0)
  })

  test(`${via}: a verdict that says no is a fault of the call`, async t => {
    const ann = await enter(t, via)
    const job = await order(ann, 'mail')
    await ann.page.getByTestId(`question-${job}`).getByTestId('reason').fill('not on Friday')
    await ann.page.getByTestId(`question-${job}`).getByTestId('reject').click()
    await heard(ann.page, /^Not approved: not on Friday$/)
    await phase(ann.page, job, 'failed')
  })

  test(`${via}: a job is cancelled by somebody else while it waits`, async t => {
    const ann = await enter(t, via)
    const ben = await enter(t, other)
    const job = await order(ann, 'db')
    await ann.page.getByTestId(`question-${job}`).waitFor()
    await ben.page.getByTestId(`cancel-${job}`).click()
    await heard(ann.page, new RegExp(`^${ben.name} has cancelled it\\.$`))
    await ann.page.getByTestId(`question-${job}`).waitFor({ state: 'detached' })
    await phase(ben.page, job, 'failed')
  })

  test(`${via}: its own calls go on while it is asked`, async t => {
    const ann = await enter(t, via)
    const first = await order(ann, 'one')
    await ann.page.getByTestId(`question-${first}`).waitFor()
    const second = await order(ann, 'two', 'staging')
    await heard(ann.page, `${second} is done`)
    await ann.page.getByTestId(`cancel-${first}`).click()
    await heard(ann.page, `${ann.name} has cancelled it.`)
  })

  test(`${via}: a remark goes one way, to all`, async t => {
    const ann = await enter(t, via)
    const ben = await enter(t, other)
    await ann.page.getByTestId('note').fill('back at two')
    await ann.page.getByTestId('note').press('Enter')
    for (const { page } of [ann, ben]) await heard(page, `${ann.name}: back at two`)
  })

  test(`${via}: an order that cannot be is refused in the runner's words`, async t => {
    const ann = await enter(t, via)
    await ann.page.getByTestId('service').fill('x'.repeat(65))
    await ann.page.getByTestId('run').click()
    await heard(ann.page, /^A name has at most 64 characters\.$/)
  })

  test(`${via}: sessions open, close and fault, on both ends`, async t => {
    const server = await own(t, startDemo())
    const ann = await enter(t, via, { server, mayComplain: true })
    const ben = await enter(t, other, { server, mayComplain: true })
    await heard(ann.page, `session opened by ${families[via]}`)
    await heard(ann.page, `${ben.name}, by ${protocols[other]}: opened`)
    await ann.page.getByTestId('close').click()
    await heard(ann.page, /^session closed$/)
    await heard(ben.page, new RegExp(`^${ann.name}, by ${protocols[via]}: closed$`))
    const carried = via === 'socketio' ? upgraded(ann.page) : undefined
    await ann.page.getByTestId('open').click()
    await connected(ann.page)
    await carried // cut off in the middle of that, the client would notice by its heartbeat only, after 45 s
    assert.match(server.log, new RegExp(`session closed.*operator=${ann.name}`))
    await server.kill()
    await heard(ann.page, /^session faulted: /)
    await ann.page.locator('main:not([data-state="connected"])').waitFor()
  })
}

test('a job ends with the session that has ordered it', async t => {
  const ann = await enter(t, 'signalr')
  const ben = await enter(t, 'socketio')
  const job = await order(ann, 'gone')
  await ann.page.getByTestId(`question-${job}`).waitFor()
  await ann.page.leave()
  await phase(ben.page, job, 'failed')
})

test('the switch carries an operator from client to client', async t => {
  const { page, name } = await enter(t, 'signalr')
  await page.getByTestId('via-socketio').check()
  await heard(page, `session opened by ${families.socketio}`)
  await connected(page)
  assert.equal(new URL(page.url()).searchParams.get('via'), 'socketio')
  const job = await order({ page, name }, 'switched', 'staging')
  await heard(page, `${job} is done`)
})

test('by keyboard alone', async t => {
  const { page } = await enter(t, 'socketio')
  await tabTo(page, page.getByTestId('run'))
  await page.keyboard.press('Enter')
  const question = page.locator('.question')
  await question.waitFor()
  await page.keyboard.type('keys do')
  await tabTo(page, question.getByTestId('approve'))
  await page.keyboard.press('Enter')
  await heard(page, /is done: keys do$/)
})

test('without npm the page says what is missing', async t => {
  const bare = await own(t, startDemo({ args: ['--npm', '/nonexistent'] }))
  const page = await open(t, browser, `${bare.url}/duplex/`)
  for (const via of Object.keys(families)) await page.locator(`[data-testid="via-${via}"]:disabled`).waitFor()
  await page.getByTestId('switch').filter({ hasText: 'needs npm' }).waitFor()
})

test('the duplex page fits a phone and a dark room', async t => {
  const small = await enter(t, 'signalr', phone)
  await order(small, 'a-service-of-quite-some-length-that-is-hard-to-break-anywhere')
  await small.page.locator('.question').waitFor()
  await fitsItsWidth(small.page)
  await picture(small.page, 'duplex-phone')
  const night = await enter(t, 'socketio', dark)
  await picture(night.page, 'duplex-dark')
})
