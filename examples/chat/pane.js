// One client in one room: what is said, who is here, and a line to say something.

import { dialects, open, show } from '/web/dialects.js'

const kept = 500 // lines of a log

/** element makes a tree: element('p', {class: 'who'}, 'text', child, …). Text is never read as HTML. */
function element(tag, attributes, ...children) {
  const e = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value)
  e.append(...children)
  return e
}

/** pane fills host with a client and returns a function that ends it. With missing, it only says what that is. */
export function pane(host, { dialect, transport, name, room, large = false, missing = '' }) {
  const who = element('span', { 'data-testid': 'who' })
  const log = element('ol', {
    class: 'log', role: 'log', 'aria-live': 'polite', 'aria-label': `What ${name} hears`, tabindex: '0', 'data-testid': 'log',
  })
  const input = element('input', {
    type: 'text', maxlength: '2000', autocomplete: 'off', enterkeyhint: 'send', placeholder: 'Say something',
    'aria-label': `Say something as ${name}`, 'data-testid': 'input',
  })
  const form = element('form', {}, input, element('button', { 'data-testid': 'send' }, 'Send'))
  const root = element('section', { class: large ? 'pane large' : 'pane', 'aria-label': `${name}, ${dialects[dialect]}`, 'data-testid': `pane-${dialect}` },
    element('header', {}, element('h3', {}, name), element('span', { class: 'state', 'data-testid': 'state', 'aria-live': 'polite' })),
    element('p', { class: 'detail' }, dialects[dialect]),
    log, element('p', { class: 'who' }, `In ${room}: `, who), form)
  root.style.setProperty('--hue', `var(--${dialect})`)
  host.replaceChildren(root)

  function write(kind, ...text) {
    const below = log.scrollHeight - log.scrollTop - log.clientHeight < 40
    log.append(element('li', { class: kind }, ...text))
    while (log.children.length > kept) log.firstChild.remove()
    if (below) log.scrollTop = log.scrollHeight
  }

  if (missing) {
    root.dataset.state = 'missing'
    root.querySelector('.state').textContent = missing
    for (const e of form.elements) e.disabled = true
    return () => {}
  }

  const connection = open(dialect, { name, room, transport })
  const ask = () => connection.call('who', room).then(names => { who.textContent = names.join(', ') }, () => {})
  connection.on('said', (from, text) => write('said', element('b', {}, from), ': ' + text))
  connection.on('joined', name => { write('notice', `${name} joined`); ask() })
  connection.on('left', name => { write('notice', `${name} left`); ask() })
  show(root, connection, state => { if (state === 'connected') ask() }) // what was heard before could not be answered

  form.onsubmit = async event => {
    event.preventDefault()
    const text = input.value.trim()
    if (!text) return
    input.value = ''
    input.focus()
    try {
      await connection.call('say', room, text)
    } catch (err) {
      write('failure', err.message)
      input.value ||= text
    }
  }
  return () => connection.close()
}
