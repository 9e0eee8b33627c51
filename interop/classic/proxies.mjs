// The script that a server generates, /hubs, as pages of those days have it.

async function withProxies(w, path) {
  const page = await w.page()
  await w.within('script', new Promise((resolve, reject) => page.$.getScript(w.server.url + path).done(resolve).fail((_, why, err) => reject(err ?? new Error(why)))))
  return page
}

export const proxies = [
  {
    name: 'the generated proxies have the hubs and their methods, and connect',
    where: 'node',
    async run(w) {
      for (const script of { webSockets: ['hubs', 'js'], serverSentEvents: ['hubs/'], longPolling: ['HUBS'] }[w.transport]) {
        const page = await withProxies(w, `/classic/${script}`)
        const { connection } = page.$
        w.equal(Object.keys(connection).filter(key => /^[a-z].*Hub$/.test(key)).sort(), ['judgeHub', 'sideHub', 'usersHub'], 'hubs')
        w.equal(connection.JudgeHub === connection.judgeHub, true, 'the name as it is declared')
        const c = w.watched(connection.hub)
        const hub = connection.judgeHub
        const heard = []
        hub.client.welcome = function (id) { heard.push([id, this === hub]) }
        hub.client.heard = text => heard.push(text)
        await w.start(c)
        w.equal([typeof hub.server.echo, typeof hub.server.toOne, typeof connection.sideHub.server.echo], ['function', 'function', 'function'], 'methods')
        w.equal(await w.within('answer', new Promise((resolve, reject) => hub.server.echo('a').done(resolve).fail(reject))), 'a', 'answer')
        w.equal(await w.within('answer', new Promise((resolve, reject) => connection.sideHub.server.add(20, 22).done(resolve).fail(reject))), 42, 'sum')
        await w.within('answer', new Promise((resolve, reject) => hub.server.toOne(connection.hub.id, 'hello').done(resolve).fail(reject)))
        w.equal(heard, [[connection.hub.id, true], 'hello'], 'heard')
        w.equal(page.complaints, [], 'complaints')
        connection.hub.stop()
      }
    },
  },
  {
    name: 'callbacks of generated proxies are bound once, however often the page starts',
    where: 'node',
    async run(w) {
      const page = await withProxies(w, '/classic/hubs')
      const { connection } = page.$
      const c = w.watched(connection.hub)
      const heard = []
      connection.judgeHub.client.heard = text => heard.push(text)
      for (let i = 1; i <= 3; i++) {
        await w.start(c)
        await w.within('answer', new Promise((resolve, reject) => connection.judgeHub.server.toOne(c.id, String(i)).done(resolve).fail(reject)))
        w.equal(heard.length, i, 'heard')
        connection.hub.stop()
      }
    },
  },
  {
    name: 'scripts that are switched off say so',
    where: 'node',
    transports: ['webSockets'],
    async run(w) {
      const page = await w.page()
      await w.fails(new Promise((resolve, reject) => page.$.ajax(`${w.server.url}/classic/noproxies/hubs`, { dataType: 'text' })
        .done(text => { try { resolve(page.window.eval(text)) } catch (err) { reject(err) } }).fail(reject)), /JavaScript Hub proxy generation has been disabled/)
      const c = await w.connect({ page, path: '/classic/noproxies' })
      w.equal(await w.call(c, 'echo', 'a'), 'a', 'answer')
    },
  },
  {
    name: 'the generated script wants the client first',
    where: 'node',
    transports: ['webSockets'],
    async run(w) {
      const page = await w.page()
      delete page.$.signalR
      await w.fails(new Promise((resolve, reject) => page.$.ajax(`${w.server.url}/classic/hubs`, { dataType: 'text' })
        .done(text => { try { resolve(page.window.eval(text)) } catch (err) { reject(err) } }).fail(reject)), /SignalR/)
    },
  },
]
