// @ts-check
// The page of an operator. Everything of the contract goes through operators.js.

import { available } from '/web/dialects.js'
import { overSignalR, overSocketIO } from './operators.js'

/** @type {<T extends HTMLElement>(selector: string) => T} */
const find = selector => {
  const found = document.querySelector(selector)
  if (!found) throw new Error(`no ${selector}`)
  return /** @type {any} */ (found)
}

const main = find('main')
const sessionForm = /** @type {HTMLFormElement} */ (find('#session'))
const orderForm = /** @type {HTMLFormElement} */ (find('#order'))
const noteForm = /** @type {HTMLFormElement} */ (find('#note'))
const nameField = /** @type {HTMLInputElement} */ (find('[name=operator]'))
const textField = /** @type {HTMLInputElement} */ (find('[name=text]'))
const radios = [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('[name=via]'))]

/** The session of the moment. @type {import('./operators.js').Operator | undefined} */
let operator
let number = 0 // of the session: what a former one still says does not count

/** The questions that wait for a verdict, by job. @type {Map<string, (verdict: Jobs.Verdict) => void>} */
const open = new Map()

// --- What is shown ---------------------------------------------------------------------------------------

/** element makes a tree. Text is never read as HTML. @type {(tag: string, attributes: Record<string, string>, ...children: (Node | string)[]) => HTMLElement} */
function element(tag, attributes, ...children) {
  const e = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value)
  e.append(...children)
  return e
}

/** @param {'session' | 'fault' | 'note' | 'report'} kind @param {string} text */
function hear(kind, text) {
  const log = find('#heard')
  log.append(element('li', { class: kind }, text))
  while (log.children.length > 500) log.firstElementChild?.remove()
  log.scrollTop = log.scrollHeight
}

/** @param {'connecting' | 'connected' | 'reconnecting' | 'closed'} state @param {string} detail */
function turn(state, detail) {
  main.dataset.state = state
  find('[data-testid=state]').textContent = state
  find('[data-testid=detail]').textContent = detail
  for (const form of [orderForm, noteForm]) {
    for (const e of form.elements) e.toggleAttribute('disabled', state !== 'connected')
  }
  if (state === 'connected') return
  for (const settle of open.values()) settle({ approved: false, reason: 'the session is over' })
}

/** @param {Jobs.Job} job */
function show(job) {
  const list = find('#jobs')
  list.querySelector(`[data-job="${job.id}"]`)?.remove()
  const over = job.phase === 'done' || job.phase === 'failed'
  const line = element('li', { 'data-job': job.id, 'data-phase': job.phase, 'data-testid': job.id },
    element('span', {}, `${job.id}: ${job.service} ${job.version} to ${job.target}, by ${job.by}: `, element('strong', {}, job.phase), job.why ? ` (${job.why})` : ''))
  if (!over) {
    const cancel = element('button', { class: 'plain', type: 'button', 'data-testid': `cancel-${job.id}` }, 'Cancel')
    cancel.onclick = () => operator?.cancel(job.id).catch(err => hear('fault', err.message))
    line.append(cancel)
  }
  list.prepend(line)
  while (list.children.length > 20) list.lastElementChild?.remove()
  if (over) open.get(job.id)?.({ approved: false, reason: 'the job is over' })
}

/** ask shows a question; it resolves with what the operator says. @type {(request: Jobs.Request) => Promise<Jobs.Verdict>} */
function ask({ job, seconds }) {
  return new Promise(resolve => {
    const reason = /** @type {HTMLInputElement} */ (element('input', { type: 'text', 'aria-label': 'Why', placeholder: 'Why', maxlength: '200', 'data-testid': 'reason' }))
    const yes = element('button', { type: 'button', 'data-testid': 'approve' }, 'Approve')
    const no = element('button', { type: 'button', class: 'plain', 'data-testid': 'reject' }, 'Reject')
    const question = element('section', { class: 'question', 'aria-label': `Question about ${job.id}`, 'data-testid': `question-${job.id}` },
      element('p', {}, `May ${job.service} ${job.version} (${job.id}) go to ${job.target}? The runner waits ${seconds} seconds.`), reason, yes, no)
    open.set(job.id, verdict => {
      open.delete(job.id)
      question.remove()
      resolve(verdict)
    })
    yes.onclick = () => open.get(job.id)?.({ approved: true, reason: reason.value })
    no.onclick = () => open.get(job.id)?.({ approved: false, reason: reason.value })
    find('#questions').append(question)
    reason.focus()
  })
}

// --- The session -----------------------------------------------------------------------------------------

/** @returns {Promise<void>} */
async function begin() {
  operator?.close()
  operator = undefined
  const own = ++number
  /** of wraps what a former session must not do any more. @type {<A extends unknown[]>(fn: (...args: A) => void) => (...args: A) => void} */
  const of = fn => (...args) => { if (own === number) fn(...args) }
  turn('connecting', '')
  const via = radios.find(radio => radio.checked)?.value
  const begun = await (via === 'socketio' ? overSocketIO : overSignalR)(nameField.value, {
    opened: of(carrier => {
      turn('connected', carrier)
      hear('session', `session opened by ${carrier}`)
      refresh(own)
    }),
    faulted: of((why, again) => {
      turn(again ? 'reconnecting' : 'closed', why)
      hear('fault', `session faulted: ${why}`)
    }),
    closed: of(why => {
      turn('closed', why)
      hear('session', 'session closed')
    }),
    changed: of(show),
    noted: of((from, text) => hear('note', `${from}: ${text}`)),
    present: of(s => hear(s.moment === 'faulted' ? 'fault' : 'session', `${s.operator}, by ${s.via}: ${s.moment}${s.why ? `, as ${s.why}` : ''}`)),
    refused: of(why => hear('fault', why)),
    approve: ask,
  })
  if (own !== number) return begun.close()
  operator = begun
  refresh(own)
}

/** refresh shows the jobs that were there before. @param {number} own */
async function refresh(own) {
  if (!operator || main.dataset.state !== 'connected') return
  const list = await operator.running().catch(() => null) // the session is over, which shows
  if (own === number) for (const job of list ?? []) show(job)
}

sessionForm.addEventListener('submit', event => {
  event.preventDefault()
  begin()
})

find('[name=close]').onclick = () => operator?.close()

orderForm.addEventListener('submit', async event => {
  event.preventDefault()
  const fields = new FormData(orderForm)
  const text = (/** @type {string} */ name) => String(fields.get(name))
  try {
    const report = await operator?.run({
      service: text('service'), version: text('version'), target: text('target') === 'production' ? 'production' : 'staging',
    })
    if (report) hear('report', `${report.job.id} is ${report.job.phase}${report.approved ? `: ${report.approved}` : ''}`)
  } catch (err) {
    hear('fault', /** @type {Error} */ (err).message)
  }
})

noteForm.addEventListener('submit', event => {
  event.preventDefault()
  if (textField.value.trim()) operator?.note(textField.value)
  textField.value = ''
})

// --- The page --------------------------------------------------------------------------------------------

const address = new URL(location.href)
nameField.value = address.searchParams.get('name') ?? `operator-${Math.random().toString(16).slice(2, 6)}`
const there = await available()
for (const radio of radios) {
  radio.disabled = !there[radio.value]
  radio.checked = radio.value === (address.searchParams.get('via') ?? 'signalr') && !radio.disabled
  if (radio.disabled) radio.after(' needs npm: run make demo')
  radio.onchange = () => {
    address.searchParams.set('via', radio.value)
    history.replaceState(null, '', address)
    begin()
  }
}
turn('closed', '')
if (radios.some(radio => radio.checked)) begin()
