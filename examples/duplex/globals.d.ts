// What the scripts of the two clients leave in the page.

declare const io: typeof import("socket.io-client").io;
declare const signalR: typeof import("@microsoft/signalr");
