// npm's ws with bufferutil, as its README advises for speed: no compression unless
// it is asked for, no UTF-8 check as only binary messages come, buffers handed on
// as they are. It speaks to the rig as the servers in Go do; see
// internal/servers/process.go.
//
// usage: node --expose-gc server.mjs echo|broadcast [fresh|takeover]

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { WebSocketServer } from "ws";

const [mode, deflate] = process.argv.slice(2);

const server = createServer();
const wss = new WebSocketServer({
  server,
  skipUTF8Validation: true,
  maxPayload: 16 << 20,
  perMessageDeflate: deflate
    ? {
        threshold: 512,
        zlibDeflateOptions: { level: 1 },
        serverNoContextTakeover: deflate === "fresh",
        clientNoContextTakeover: deflate === "fresh",
      }
    : false,
});

const binary = { binary: true };
const subscribers = new Set();

wss.on("connection", (ws, request) => {
  ws.on("error", () => {}); // the rig resets connections
  if (mode === "echo") {
    ws.on("message", (data) => ws.send(data, binary));
  } else if (request.url === "/publish") {
    ws.on("message", (data) => {
      for (const s of subscribers) s.send(data, binary);
    });
  } else {
    ws.on("message", (data) => {
      subscribers.add(ws);
      ws.send(data, binary);
    });
    ws.on("close", () => subscribers.delete(ws));
  }
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
