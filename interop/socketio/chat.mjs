// A chat on npm's socket.io: docs/socketio.md has the Go of its twin beside it, step by step.
//
//   node interop/socketio/chat.mjs

import { createServer } from 'node:http'
import { parseArgs } from 'node:util'

import { Server } from 'socket.io'

const { values: flags } = parseArgs({ options: { listen: { type: 'string', default: '127.0.0.1:5000' } } })

const server = createServer()
const io = new Server(server, {
  cors: { origin: 'https://chat.example.com', credentials: true },
  maxHttpBufferSize: 2e6,
  connectionStateRecovery: { maxDisconnectionDuration: 60_000, skipMiddlewares: false },
})

io.on('connection', socket => {
  log(socket)
  rooms(socket)
  talk(socket)
  vote(socket)
})

// It stands for a library for JSON Web Tokens.
const tokens = new Map([["ann's token", { name: 'Ann', admin: true }], ["ben's token", { name: 'Ben' }]])

io.use((socket, next) => {
  const user = tokens.get(socket.handshake.auth.token)
  if (!user) {
    const err = new Error('Who are you?')
    err.data = { token: 'unknown' }
    return next(err)
  }
  socket.data.user = user
  next()
})

function rooms(socket) {
  const { user } = socket.data
  const tell = event => {
    for (const room of socket.rooms) if (room !== socket.id) socket.to(room).emit(event, room, user.name)
  }
  socket.on('join', async (room, ack) => {
    await socket.join(room)
    socket.to(room).emit('came', room, user.name)
    const members = await io.in(room).fetchSockets()
    ack(members.map(member => member.data.user.name).sort())
  })
  socket.on('leave', async (room, ack) => {
    await socket.leave(room)
    socket.to(room).emit('went', room, user.name)
    ack()
  })
  socket.on('disconnecting', () => tell('went'))
  if (socket.recovered) tell('came')
}

function talk(socket) {
  const { user } = socket.data
  socket.on('say', (room, text, ack) => {
    if (!socket.rooms.has(room)) return ack({ error: { code: 'outside', message: `You are not in ${room}.` } })
    io.to(room).emit('said', { room, user: user.name, text, at: new Date() })
    ack()
  })
  socket.on('typing', room => {
    socket.volatile.to(room).emit('typing', room, user.name)
  })
  socket.on('whisper', (id, text) => {
    socket.to(id).emit('whispered', socket.id, user.name, text)
  })
  socket.on('upload', (room, file, ack) => {
    socket.to(room).emit('file', room, user.name, file)
    ack(file.bytes.length)
  })
}

function vote(socket) {
  socket.on('vote', (room, question, ack) => {
    socket.to(room).timeout(2000).emit('question', question, (err, answers) => {
      ack({ answers, all: !err })
    })
  })
}

function log(socket) {
  const { name } = socket.data.user
  socket.onAny(event => console.error(`${name}: ${event}`))
  socket.onAnyOutgoing(event => console.error(`to ${name}: ${event}`))
}

const admin = io.of('/admin')

admin.use((socket, next) => {
  const user = tokens.get(socket.handshake.auth.token)
  next(user?.admin ? undefined : new Error('Admins only.'))
})

admin.on('connection', socket => {
  socket.on('announce', text => io.emit('announced', text))
  socket.on('kick', (id, ack) => {
    io.in(id).disconnectSockets()
    ack()
  })
  socket.on('count', ack => ack(io.sockets.sockets.size))
})

const bell = setInterval(() => {
  io.volatile.emit('announced', `It is ${new Date().toISOString().slice(11, 16)}.`)
}, 60_000)

const { hostname, port } = new URL(`http://${flags.listen}`)
server.listen(port, hostname, () => console.log(`chat: http://${hostname}:${server.address().port}`))

process.on('SIGTERM', () => {
  clearInterval(bell)
  io.close()
})
