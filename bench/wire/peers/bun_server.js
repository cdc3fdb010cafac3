// Bun's own server: what comes is echoed, or published to all connections.
const mode = process.argv[2];
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, host) {
    return host.upgrade(request) ? undefined : new Response("a WebSocket, please", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    open(socket) {
      socket.subscribe("all");
    },
    message(socket, data) {
      if (mode === "fanout") server.publish("all", data);
      else socket.send(data);
    },
  },
});
console.log(server.port);
