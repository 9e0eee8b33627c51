// What the scripts of the two clients leave in a page.

declare const io: typeof import("socket.io-client").io;
declare const signalR: typeof import("@microsoft/signalr");

interface Window {
  io: typeof io;
  signalR: typeof signalR;
}
