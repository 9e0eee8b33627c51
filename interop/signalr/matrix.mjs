// The cells of the matrix.

const transports = ['WebSockets', 'ServerSentEvents', 'LongPolling']
const protocols = ['json', 'messagepack']

/** cells lists transports × protocols, or the one that CELL names, such as LongPolling/json. */
export function cells() {
  const all = transports.flatMap(transport => protocols
    .filter(protocol => transport !== 'ServerSentEvents' || protocol === 'json') // they are text
    .map(protocol => ({ transport, protocol })))
  const wanted = globalThis.process?.env.CELL
  return wanted ? all.filter(({ transport, protocol }) => wanted === `${transport}/${protocol}`) : all
}
