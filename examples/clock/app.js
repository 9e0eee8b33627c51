import { choose, chooseTransport, open, show } from '/web/dialects.js'

const main = document.querySelector('main')
const time = main.querySelector('time')
const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeZone: 'UTC' })
const date = main.querySelector('[data-testid=date]')

let connection

function watch(dialect, transport) {
  connection?.close()
  connection = open(dialect, { at: '/clock', transport })
  connection.on('time', utc => {
    time.dateTime = utc
    time.textContent = utc.slice(11, 19)
    date.textContent = day.format(new Date(utc)) + ', UTC'
  })
  show(main, connection)
}

choose(main.querySelector('[data-testid=switch]'), dialect => {
  watch(dialect, chooseTransport(main.querySelector('[data-testid=transports]'), dialect, other => watch(dialect, other)))
})
