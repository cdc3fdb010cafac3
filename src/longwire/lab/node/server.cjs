// A broadcast server on Socket.IO: node server.cjs PORT [recovery]
//
// A stream is a room. Clients say in the `auth` of their connection which streams they read, and
// emit `publish` with a stream and a message. With `recovery`, connection state recovery is on.
"use strict";

const { Server } = require("socket.io");

const [port, recovery] = process.argv.slice(2);
const options = { transports: ["websocket"] };
if (recovery === "recovery") options.connectionStateRecovery = {};

const server = new Server(options);
server.on("connection", (socket) => {
  if (!socket.recovered) socket.join(socket.handshake.auth.reads);
  socket.on("publish", (stream, message) => server.to(stream).emit("message", message));
});
server.listen(Number(port));
