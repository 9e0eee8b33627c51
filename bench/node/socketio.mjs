// npm's socket.io over WebSocket only, on the same ws and bufferutil as server.mjs: an
// event with an acknowledgement, and one that goes to a room that all but the
// publisher are in. No ping comes between the answers. It speaks to the rig as the
// servers in Go do; see internal/servers/process.go.
//
// usage: node --expose-gc socketio.mjs

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Server } from "socket.io";
import { WebSocketServer } from "ws";

const server = createServer();
const io = new Server(server, {
  path: "/",
  transports: ["websocket"],
  wsEngine: WebSocketServer,
  serveClient: false,
  pingInterval: 3600_000,
});

io.on("connection", (socket) => {
  if (!socket.request.url.startsWith("/publish")) socket.join("room");
  socket.on("echo", (text, answer) => answer(text));
  socket.on("say", (text) => {
    io.to("room").emit("said", text);
  });
});

createInterface({ input: process.stdin })
  .on("line", (command) => {
    if (command !== "memory") globalThis.gc();
    console.log(JSON.stringify({ Heap: process.memoryUsage().heapUsed }));
  })
  .on("close", () => process.exit(0));

server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  const { address, port } = server.address();
  console.log(`listening ${address}:${port}`);
});
