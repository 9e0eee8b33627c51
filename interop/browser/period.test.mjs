// The samples of their time: each page as it was, with its client.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { startDemo } from '../server.mjs'
import { fitsItsWidth, launch, open, own, phone, picture, transports } from './chromium.mjs'

let browser, demo
before(async () => { [browser, demo] = await Promise.all([launch(), startDemo()]) })
after(() => Promise.all([browser?.close(), demo?.stop()]))

/** visitor opens the chat of the tutorial, and gives the name it asks for. */
async function visitor(t, name, transport, options) {
  const page = await open(t, browser, 'about:blank', options)
  let asked = ''
  page.on('dialog', dialog => {
    asked = dialog.message()
    dialog.accept(name)
  })
  await page.goto(`${demo.url}/period/chat/${transport ? `?transport=${transport}` : ''}`)
  await page.locator('#sendmessage:enabled').waitFor()
  assert.equal(asked, 'Enter your name:')
  assert.equal(await page.locator('#displayname').inputValue(), name)
  await page.getByText(`connected by ${transport || 'webSockets'}`, { exact: true }).waitFor()
  return page
}

const transportsOfClassic = ['', ...Object.keys(transports.classic)]
transportsOfClassic.forEach((transport, i) => {
  const other = transportsOfClassic[(i + 1) % transportsOfClassic.length]

  test(`the tutorial's chat ${transport ? `over ${transport}` : 'as it was'}, with one over ${other || 'what the client chooses'}`, async t => {
    const ann = await visitor(t, 'Ann', transport), ben = await visitor(t, '<b>Ben</b>', other)
    await ann.locator('#message').fill('Hi')
    await ann.locator('#sendmessage').click()
    await lines(ben, '#discussion', 1)
    assert.equal(await ann.locator('#message').inputValue(), '')
    assert.ok(await ann.locator('#message').evaluate(e => e === document.activeElement))
    await ben.locator('#message').fill('<i>I\'m here, too</i> & "quoted"')
    await ben.locator('#sendmessage').click()
    for (const page of [ann, ben]) {
      assert.deepEqual(await lines(page, '#discussion', 2), ['Ann: Hi', '<b>Ben</b>: <i>I\'m here, too</i> & "quoted"'])
      assert.match(await page.locator('#discussion').innerHTML(), /^\s*<li><strong>Ann<\/strong>: Hi<\/li><li><strong>&lt;b&gt;Ben&lt;\/b&gt;<\/strong>: &lt;i&gt;/)
    }
    if (!transport) await picture(ann, 'period-chat')
  })
})

test('the tutorial\'s chat without npm says what is missing', async t => {
  const bare = await own(t, startDemo({ args: ['--npm', '/nonexistent'] }))
  const page = await open(t, browser, `${bare.url}/period/chat/`, { mayComplain: true, ...phone })
  await page.getByText('needs npm: run make demo').waitFor()
  await fitsItsWidth(page)
})

/** lines resolves with the n lines of a list, once there are so many. */
async function lines(page, list, n) {
  const all = page.locator(`${list} li`)
  await all.nth(n - 1).waitFor()
  assert.equal(await all.count(), n)
  return (await all.allInnerTexts()).map(line => line.replace(/\s+/g, ' '))
}

/** member opens the Web API chat. */
async function member(t, username, options) {
  const page = await open(t, browser, `${demo.url}/period/webapi/?username=${encodeURIComponent(username)}`, options)
  await page.getByText(`You are ${username}.`).waitFor()
  return page
}

async function send(page, text) {
  await page.locator('#message').fill(text)
  await page.locator('#message').press('Enter')
}

test('two members of the Web API chat see both lines, in one order', async t => {
  const one = await member(t, 'user1'), two = await member(t, 'user2')
  await send(one, 'Hi')
  await lines(two, '#messages', 1)
  await send(two, "I'm here, too")
  for (const page of [one, two]) assert.deepEqual(await lines(page, '#messages', 2), ['user1: Hi', "user2: I'm here, too"])
  await picture(one, 'period-webapi')

  await two.leave()
  const late = await member(t, '<b>user3</b>', phone)
  await send(late, '<i>late</i>')
  assert.equal((await lines(one, '#messages', 3))[2], '<b>user3</b>: <i>late</i>')
  assert.equal((await lines(late, '#messages', 1)).length, 1) // there is no history
  await fitsItsWidth(late)
})

test('many lines of two members at once keep one order', async t => {
  const one = await member(t, 'user1'), two = await member(t, 'user2')
  await Promise.all([one, two].map(page => page.evaluate(() => {
    for (let i = 0; i < 50; i++) {
      document.querySelector('#message').value = `line ${i}`
      document.querySelector('#say').requestSubmit()
    }
  })))
  assert.deepEqual(await lines(one, '#messages', 100), await lines(two, '#messages', 100))
})

test('who comes to the Web API chat without a name is asked for it', async t => {
  const page = await open(t, browser, `${demo.url}/period/webapi/`)
  await page.getByLabel('User name').fill('Ann')
  await page.keyboard.press('Enter')
  await page.getByText('You are Ann.').waitFor()
})

for (const at of ['', '?at=controller']) {
  test(`the handler greets at the address of a ${at ? 'controller' : 'file'}`, async t => {
    const first = await open(t, browser, `${demo.url}/period/greeter/${at}`)
    const mine = ['This is for all connected clients...', 'Hello from: 127.0.0.1']
    assert.deepEqual(await lines(first, '#messages', 2), mine)
    assert.equal(await first.locator('#status').innerText(), 'Connected...')
    const second = await open(t, browser, `${demo.url}/period/greeter/`)
    assert.deepEqual(await lines(second, '#messages', 2), mine)
    assert.deepEqual(await lines(first, '#messages', 3), [...mine, mine[0]])
    await second.leave()
    const third = await open(t, browser, `${demo.url}/period/greeter/`)
    await lines(third, '#messages', 2)
    assert.equal((await lines(first, '#messages', 4))[3], mine[0])
    if (!at) await picture(first, 'period-greeter')
  })
}

test('the page that logs does so', async t => {
  const page = await open(t, browser, `${demo.url}/period/log/`)
  assert.deepEqual(await lines(page, '#log', 2), ['open', 'message: Hello, server'])
  await send(page, 'grüße <b>')
  assert.equal((await lines(page, '#log', 3))[2], 'message: grüße <b>')
  await picture(page, 'period-log')
  await page.locator('#close').click()
  assert.equal((await lines(page, '#log', 4))[3], 'close: 1000, clean')
})

test('the page that logs hears that the server goes', async t => {
  const other = await own(t, startDemo())
  const page = await open(t, browser, `${other.url}/period/log/`)
  await lines(page, '#log', 2)
  await other.stop()
  assert.equal((await lines(page, '#log', 3))[2], 'close: 1001, clean')
})
