// The cells of the matrix: four versions of the client × three ways to connect; a fourth, forever frame, is for browsers.

/** The versions, each with the names under which package.json has it and the jQuery of its days. */
export const versions = [
  { version: '2.2.1', since: 2.21, library: 'signalr-2.2.1', jquery: 'jquery-1' },
  { version: '2.3.0', since: 2.3, library: 'signalr-2.3.0', jquery: 'jquery-1' },
  { version: '2.4.0', since: 2.4, library: 'signalr-2.4.0', jquery: 'jquery' },
  { version: '2.4.3', since: 2.43, library: 'signalr-2.4.3', jquery: 'jquery' },
]

/** The transports as the client names them. */
export const transports = ['webSockets', 'serverSentEvents', 'longPolling']

/** cells lists versions × transports, or those that CELL names, such as 2.4.3/longPolling, 2.4 or /webSockets. */
export function cells() {
  const [version = '', transport = ''] = (globalThis.process?.env.CELL ?? '').split('/')
  return versions.filter(v => v.version.startsWith(version))
    .flatMap(v => transports.filter(t => t.startsWith(transport)).map(transport => ({ ...v, transport })))
}
