// npm's @socket.io/admin-ui, unmodified, in Chromium: it sees and moves the clients of all protocols.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import * as signalR from '@microsoft/signalr'
import { io } from 'socket.io-client'

import { root, startTestserver } from '../server.mjs'
import { once, within } from '../wait.mjs'
import { launch, open, picture } from './chromium.mjs'

let browser, server
before(async () => { [browser, server] = await Promise.all([launch(), startTestserver({ args: ['--files', join(root, 'interop')] })]) })
after(() => Promise.all([browser?.close(), server?.stop()]))

/** look opens the page and shows it the password. */
async function look(t, password = 'open sesame') {
  // Its fonts are elsewhere: the page may complain that it cannot have them.
  const page = await open(t, browser, `${server.url}/files/node_modules/@socket.io/admin-ui/ui/dist/index.html`, { mayComplain: true })
  const form = page.locator('.v-dialog--active')
  await form.getByLabel('Server URL').fill(server.url)
  await form.getByText('Advanced options').click()
  await form.getByLabel('Path').fill('/watched/socket.io/')
  await form.getByLabel('Username').fill('admin')
  await form.getByLabel('Password').fill(password)
  await form.getByRole('button', { name: 'Connect' }).click()
  return page
}

/** populate brings Ann over Socket.IO and Ben over SignalR, into one room. */
async function populate(t) {
  const ann = io(server.url, { path: '/watched/socket.io/', transports: ['websocket'], forceNew: true })
  const ben = new signalR.HubConnectionBuilder().withUrl(`${server.url}/watched/signalr`).configureLogging('none').build()
  t.after(() => Promise.all([ann.disconnect(), ben.stop()]))
  ben.on('said', () => {})
  await Promise.all([ann.emitWithAck('join', 'lobby'), ben.start().then(() => ben.invoke('join', 'lobby'))])
  return { ann, ben }
}

test('the page asks for the password', async t => {
  const page = await look(t, 'open barley')
  await page.getByText('Invalid credentials').waitFor()
})

test('the page shows the clients of all protocols, their rooms and what they say', async t => {
  const { ann, ben } = await populate(t)
  const page = await look(t)
  const menu = page.getByRole('navigation')
  await page.getByText('HEALTHY').first().waitFor() // the numbers have come
  await picture(page, 'admin-dashboard')
  await menu.getByText('Sockets').click()
  for (const id of [ann.id, ben.connectionId]) await page.getByRole('row', { name: id }).waitFor()
  await picture(page, 'admin-sockets')
  await menu.getByText('Rooms').click()
  await page.getByRole('row', { name: 'lobby' }).waitFor()
  await menu.getByText('Events').click()
  await ben.invoke('say', 'lobby', 'hello')
  await page.getByRole('row', { name: 'event_received' }).or(page.getByText('event received')).first().waitFor()
  await page.getByRole('row', { name: ben.connectionId }).first().waitFor()
  await picture(page, 'admin-events')
  ann.disconnect()
  await page.getByRole('row', { name: 'disconnection' }).first().waitFor()
  await picture(page, 'admin-later')
})

test('the page disconnects a client of any protocol', async t => {
  const { ann, ben } = await populate(t)
  const page = await look(t)
  await page.getByRole('navigation').getByText('Sockets').click()
  const row = page.getByRole('row', { name: ben.connectionId })
  const gone = new Promise(resolve => ben.onclose(resolve))
  await row.getByRole('button').click()
  await within('end of Ben', gone)
  await page.getByRole('navigation').getByText('Sockets').click() // in case that has shown Ben
  await row.waitFor({ state: 'detached' })
  const left = once(ann, 'disconnect')
  await page.getByRole('row', { name: ann.id }).getByRole('button').click()
  assert.equal((await left)[0], 'io server disconnect')
})
